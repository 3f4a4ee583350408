use super::super::{Draft, Json, Message};
use super::*;
use crate::names::TaskId;

const PYTHON: &str = r#" {"body": "W1tOYU5dLCB7fSwgbnVsbF0=", "x": [NaN, 123456789012345678901234567890], "content-type": "application/json",
 "headers": {"lang": "py", "task": "t", "id": "i", "retries": 0, "eta": "2026-11-22T20:37:14", "mine": [ 1 , Infinity ]},
 "properties": {"body_encoding": "base64", "delivery_tag": "old", "delivery_info": {"exchange": "", "routing_key": "q"}, "y": {}}}
"#;

fn text(payload: &Bytes) -> &str {
    std::str::from_utf8(payload).unwrap()
}

fn tag(text: &str) -> String {
    let rest = text.split("\"delivery_tag\":").nth(1).unwrap().trim_start();
    rest[..rest.find([',', '}']).unwrap()].to_owned()
}

#[test]
fn only_what_changes_changes() {
    let changes = Changes {
        retries: Some(3),
        eta: Some(Some(Timestamp::from_millis(1_795_380_812_912))),
        headers: vec![("seen \"by\"".into(), Json::new("[NaN]").unwrap())],
        ..Changes::default()
    };
    let out = rewrite(PYTHON.as_bytes(), &changes).unwrap();
    let expected = PYTHON
        .replace("\"retries\": 0", "\"retries\": 3")
        .replace("2026-11-22T20:37:14", "2026-11-22T20:53:32.912000+00:00")
        .replace("Infinity ]}", "Infinity ], \"seen \\\"by\\\"\": [NaN]}")
        .replace("\"old\"", &tag(text(&out)));
    assert_eq!(text(&out), expected);
    assert_ne!(tag(text(&out)), "\"old\"");
}

#[test]
fn removed_dates_are_null_and_absent_ones_stay_absent() {
    let changes = Changes { eta: Some(None), expires: Some(None), ..Changes::default() };
    let out = rewrite(PYTHON.as_bytes(), &changes).unwrap();
    assert!(text(&out).contains("\"eta\": null") && !text(&out).contains("expires"));
    assert_eq!(Message::decode(&out, &DecodeLimits::default()).unwrap().eta, None);
}

#[test]
fn nothing_but_the_tag_changes_without_changes() {
    let out = rewrite(PYTHON.as_bytes(), &Changes::default()).unwrap();
    assert_eq!(text(&out), PYTHON.replace("\"old\"", &tag(text(&out))));
}

#[test]
fn our_own_messages_are_rewritten() {
    let payload = Draft::new("t", TaskId::random(), "q").encode();
    let out = rewrite(&payload, &Changes { retries: Some(2), ..Changes::default() }).unwrap();
    let message = Message::decode(&out, &DecodeLimits::default()).unwrap();
    assert_eq!((message.retries, message.task.as_str()), (2, "t"));
    assert_ne!(tag(text(&out)), tag(text(&payload)));
}

#[test]
fn protocol_1_is_changed_in_its_body() {
    let body = r#"{\"task\": \"t\", \"id\": \"i\", \"args\": [NaN], \"retries\": 0}"#;
    for headers in ["", r#""headers": {},"#, r#""headers": null,"#] {
        let payload = format!(
            r#"{{"body": "{body}", {headers} "content-type": "application/json",
            "properties": {{"delivery_tag": 1, "delivery_info": {{"exchange": "", "routing_key": "q"}}}}}}"#
        );
        let more = vec![("mine".to_owned(), Json::new("1").unwrap())];
        let changes = Changes { retries: Some(4), headers: more, ..Changes::default() };
        let out = rewrite(payload.as_bytes(), &changes).unwrap();
        let message = Message::decode(&out, &DecodeLimits::default()).unwrap();
        assert_eq!((message.retries, message.args.as_str()), (4, "[NaN]"), "{headers}");
        assert_eq!(message.headers.as_str(), r#"{"mine": 1}"#);
    }
}

#[test]
fn what_is_no_message_is_refused() {
    for payload in ["", "[]", "{}", "{\"properties\": 5}", "{\"headers\": 5, \"properties\": {}}"] {
        let changes = Changes { headers: vec![("a".into(), Json::null())], ..Changes::default() };
        assert!(rewrite(payload.as_bytes(), &changes).is_err(), "{payload}");
    }
}

#[test]
fn what_would_be_too_large_to_be_read_is_refused() {
    let large = format!("[\"{}\"]", "x".repeat(DecodeLimits::default().max_body));
    let changes = Changes { args: Some(Json::trusted(large)), ..Changes::default() };
    let error = rewrite(PYTHON.as_bytes(), &changes).unwrap_err();
    assert!(matches!(error, DecodeError::TooLarge { .. }), "{error}");
}
