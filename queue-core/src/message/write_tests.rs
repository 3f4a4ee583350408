use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::*;

#[derive(Serialize)]
enum Shape {
    Unit,
    New(i32),
    Tuple(i32, String),
    Struct { x: f64 },
}

#[derive(Serialize)]
struct All<'a> {
    text: &'a str,
    float: f64,
    small: f32,
    none: Option<u8>,
    some: Option<u8>,
    shapes: Vec<Shape>,
    map: BTreeMap<i32, bool>,
    tuple: (u8, char, i128),
    raw: Box<RawValue>,
    unit: (),
    bytes: &'a [u8],
}

#[test]
fn ordinary_values_come_out_as_serde_json_writes_them() {
    let shapes = vec![Shape::Unit, Shape::New(1), Shape::Tuple(2, "\"".into()), Shape::Struct { x: 1e300 }];
    let value = All {
        text: "é\n",
        float: 0.1,
        small: 0.1,
        none: None,
        some: Some(3),
        shapes,
        map: BTreeMap::from([(-1, true), (2, false)]),
        tuple: (1, 'x', i128::MIN),
        raw: RawValue::from_string("[1,  2]".into()).unwrap(),
        unit: (),
        bytes: b"ab",
    };
    assert_eq!(to_text(&value).unwrap(), serde_json::to_string(&value).unwrap());
    let tree = serde_json::json!({"a": [1, -2, 0.5, null, true, {"b": "c"}], "d": {}});
    assert_eq!(to_text(&tree).unwrap(), serde_json::to_string(&tree).unwrap());
}

#[test]
fn floats_that_are_no_numbers_are_written_in_pythons_words() {
    let values = (f64::NAN, vec![Some(f64::INFINITY)], [f32::NEG_INFINITY]);
    assert_eq!(to_text(&values).unwrap(), "[NaN,[Infinity],[-Infinity]]");
}

#[test]
fn keys_that_are_no_text_are_refused() {
    assert_eq!(
        to_text(&BTreeMap::from([((), 1)])).unwrap_err().to_string(),
        "a key of a JSON object must be text or a number"
    );
    assert!(to_text(&BTreeMap::from([(vec![1], 1)])).is_err());
    assert_eq!(to_text(&BTreeMap::from([(true, 1)])).unwrap(), r#"{"true":1}"#);
}

/// Refused before the stack ends: readers take no more anyway.
#[test]
fn what_is_nested_too_deep_is_refused() {
    #[derive(Serialize)]
    enum Nest {
        End,
        New(Box<Nest>),
        Pair(Box<Nest>, u8),
        Named { inner: Box<Nest> },
    }
    let nest =
        |levels: usize, around: fn(Box<Nest>) -> Nest| (0..levels).fold(Nest::End, |nest, _| around(Box::new(nest)));
    for (around, levels) in [
        (Nest::New as fn(Box<Nest>) -> Nest, 500),
        ((|inner| Nest::Pair(inner, 1)) as fn(Box<Nest>) -> Nest, 250),
        ((|inner| Nest::Named { inner }) as fn(Box<Nest>) -> Nest, 250),
    ] {
        let text = to_text(&nest(levels, around)).unwrap();
        assert!(crate::message::Json::new(text).is_ok());
        assert!(matches!(to_text(&nest(levels + 1, around)), Err(ValueError::TooDeep(500))));
        assert!(matches!(to_text(&nest(5000, around)), Err(ValueError::TooDeep(500))));
    }
    let wide: Vec<Vec<()>> = vec![vec![]; 1000];
    assert!(to_text(&wide).is_ok(), "what was closed is not open any more");
}

/// So `serde_json` gives its numbers where some crate of the program has switched on its `arbitrary_precision`.
#[test]
fn numbers_of_any_precision_are_numbers() {
    struct Number(&'static str);
    impl Serialize for Number {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeStruct as _;
            let name = "$serde_json::private::Number";
            let mut number = serializer.serialize_struct(name, 1)?;
            number.serialize_field(name, self.0)?;
            number.end()
        }
    }
    let values =
        (Number("5"), vec![Number("-0.10")], BTreeMap::from([("n", Number("123456789012345678901234567890"))]));
    assert_eq!(to_text(&values).unwrap(), r#"[5,[-0.10],{"n":123456789012345678901234567890}]"#);
}
