use std::collections::HashMap;

use serde::Deserialize;

use super::super::Json;
use super::*;

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    Json::new(text).unwrap().parse().map_err(|error| error.to_string())
}

/// Bytes that ask for bytes.
#[derive(Debug, PartialEq)]
struct Buf(Vec<u8>);

impl<'de> Deserialize<'de> for Buf {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl serde::de::Visitor<'_> for V {
            type Value = Buf;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Buf, E> {
                Ok(Buf(bytes))
            }
        }
        deserializer.deserialize_byte_buf(V)
    }
}

#[test]
fn floats_take_nan_and_the_infinities() {
    let (nan, more): (f64, Vec<Option<f32>>) = read("[NaN, [-Infinity, null, 1.5]]").unwrap();
    assert!(nan.is_nan());
    assert_eq!(more, [Some(f32::NEG_INFINITY), None, Some(1.5)]);
}

#[test]
fn nan_never_becomes_null() {
    assert_eq!(read::<serde_json::Value>("[NaN]").unwrap_err(), "NaN fits only a float");
    assert!(read::<Option<i64>>("NaN").is_err());
    assert!(read::<String>("Infinity").is_err());
}

#[test]
fn big_integers_fit_big_integers_and_floats_only() {
    let big = "123456789012345678901234567890";
    assert_eq!(read::<i128>(big).unwrap(), 123_456_789_012_345_678_901_234_567_890);
    assert_eq!(read::<u128>("340282366920938463463374607431768211455").unwrap(), u128::MAX);
    assert_eq!(read::<f64>(big).unwrap(), 123_456_789_012_345_678_901_234_567_890.0);
    assert_eq!(read::<u64>("18446744073709551615").unwrap(), u64::MAX);
    assert_eq!(read::<i64>("-9223372036854775808").unwrap(), i64::MIN);
    assert!(read::<i64>(big).is_err());
    assert!(read::<String>(big).is_err());
    assert!(read::<serde_json::Value>(big).is_err());
    assert!(read::<i128>(&"9".repeat(50)).unwrap_err().contains("beyond 128 bits"));
}

#[test]
fn typed_values_become_what_stands_for_them() {
    let typed = |kind: &str, value: &str| format!(r#"{{"__type__": "{kind}", "__value__": {value}}}"#);
    let when = typed("datetime", r#""2024-05-17T12:30:15.123456+00:00""#);
    assert_eq!(read::<String>(&when).unwrap(), "2024-05-17T12:30:15.123456+00:00");
    assert_eq!(read::<String>(&typed("decimal", r#""1.50""#)).unwrap(), "1.50");
    let uuid = typed("uuid", r#"{"hex": "12345678123456781234567812345678"}"#);
    assert_eq!(read::<String>(&uuid).unwrap(), "12345678-1234-5678-1234-567812345678");
    assert_eq!(read::<Vec<u8>>(&typed("bytes", r#""abc""#)).unwrap(), b"abc");
    assert_eq!(read::<Vec<u8>>(&typed("base64", r#""/wA=""#)).unwrap(), [255, 0]);
    assert_eq!(read::<Buf>(&typed("base64", r#""/wA=""#)).unwrap(), Buf(vec![255, 0]));
    assert_eq!(read::<String>(&typed("base64", r#""/wA=""#)).unwrap(), "/wA=");
    let tree: serde_json::Value = read(&format!("[{when}, {{\"d\": {uuid}}}]")).unwrap();
    assert_eq!(tree[1]["d"], "12345678-1234-5678-1234-567812345678");
}

#[test]
fn a_third_key_makes_it_data_and_an_unknown_type_an_error() {
    let data: serde_json::Value = read(r#"{"__type__": "x", "__value__": 1, "more": 2}"#).unwrap();
    assert_eq!(data["__type__"], "x");
    let error = read::<serde_json::Value>(r#"[{"__type__": "mystery", "__value__": 1}]"#).unwrap_err();
    assert_eq!(error, "typed value `mystery`: the type is unknown");
}

#[derive(Debug, Deserialize, PartialEq)]
enum Shape {
    Unit,
    New(f64),
    Tuple(i32, String),
    Struct { x: i128 },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Order {
    id: u64,
    #[serde(default)]
    note: Option<String>,
    shapes: Vec<Shape>,
    by_number: HashMap<u8, bool>,
}

#[test]
fn the_slow_way_reads_what_the_fast_way_reads() {
    let ordinary = r#"{"id": 1, "extra": [{}], "by_number": {"7": true},
        "shapes": ["Unit", {"New": 1}, {"Tuple": [2, "b"]}, {"Struct": {"x": -3}}]}"#;
    let json = Json::new(ordinary).unwrap();
    let fast: Order = json.parse().unwrap();
    let slow = Order::deserialize(Value::read(json.as_ref()).unwrap()).unwrap();
    assert_eq!(fast, slow);
    let tree: serde_json::Value = json.parse().unwrap();
    assert_eq!(serde_json::Value::deserialize(Value::read(json.as_ref()).unwrap()).unwrap(), tree);
}

#[test]
fn errors_are_short_and_say_expected_and_found() {
    assert_eq!(read::<u64>("\"x\"").unwrap_err(), "invalid type: string \"x\", expected u64");
    assert!(read::<u64>(&format!("\"{}\"", "x".repeat(5000))).unwrap_err().chars().count() <= 201);
}

#[test]
fn depth_is_an_error_and_no_overflow() {
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(200), "]".repeat(200));
    for inner in ["1", "NaN"] {
        let json = Json::new(deep(inner)).unwrap();
        assert!(matches!(json.parse::<serde_json::Value>(), Err(ValueError::TooDeep(128))), "{inner}");
    }
}
