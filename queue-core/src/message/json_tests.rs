use super::*;

#[test]
fn a_text_is_kept_as_it_came() {
    let text = r#"{"a" : [NaN, -Infinity,123456789012345678901234567890], "é": null}"#;
    assert_eq!(Json::new(text).unwrap().as_str(), text);
    assert_eq!(Json::new(" [1]\n").unwrap().as_str(), "[1]");
    assert!(Json::new("[1] x").is_err());
    assert!(matches!(Json::new("[".repeat(10_000)), Err(DecodeError::TooDeep { limit: 512, .. })));
}

#[test]
fn elements_come_as_they_stand() {
    let json = Json::new(r#"[1, "a,]" ,[2,{}], {"b":[]}, NaN]"#).unwrap();
    let mut elements = json.elements().unwrap();
    let found: Vec<&str> = elements.by_ref().map(JsonRef::as_str).collect();
    assert_eq!(found, ["1", r#""a,]""#, "[2,{}]", r#"{"b":[]}"#, "NaN"]);
    assert_eq!(elements.next(), None);
    assert_eq!(Json::empty_array().elements().unwrap().count(), 0);
    assert_eq!(Json::new("{}").unwrap().elements().unwrap_err().to_string(), "expected an array, found {}");
}

#[test]
fn entries_have_decoded_keys() {
    let json = Json::new(r#"{"a": 1, "\u00e9\"": "x", "a": [2]}"#).unwrap();
    let mut entries = json.entries().unwrap();
    let found: Vec<_> = entries.by_ref().map(|(key, value)| (key.into_owned(), value.as_str())).collect();
    assert_eq!(found, [("a".to_owned(), "1"), ("é\"".to_owned(), "\"x\""), ("a".to_owned(), "[2]")]);
    assert!(entries.next().is_none());
    assert!(Json::null().entries().is_err());
}

#[test]
fn previews_are_short() {
    assert_eq!(Json::new("[1, 2, 3]").unwrap().preview(4), "[1, …");
    assert_eq!(Json::null().preview(4), "null");
}
