use super::*;
use crate::message::DecodeError;
use crate::task::Exception;

fn meta(state: State, result: &str) -> ResultMeta {
    let done = Some(Timestamp::from_millis(1_795_380_811_949));
    ResultMeta::new(TaskId::new("ed476864").unwrap(), state, Json::new(result).unwrap(), done)
}

#[test]
fn bytes_are_pythons() {
    let expected = r#"{"status": "SUCCESS", "result": 5, "traceback": null, "children": [], "date_done": "2026-11-22T20:53:31.949000+00:00", "task_id": "ed476864"}"#;
    assert_eq!(meta(State::Success, "5").encode(), expected);
}

#[test]
fn all_fields_survive() {
    let meta = ResultMeta {
        traceback: Some("line\n\"é\"".into()),
        children: None,
        date_done: None,
        group_id: Some("g".into()),
        parent_id: Some("p".into()),
        extra: vec![("name".into(), Json::new("\"t\"").unwrap()), ("retries".into(), Json::new("0").unwrap())],
        ..meta(State::Custom("PROGRESS".into()), "{\"done\": NaN}")
    };
    assert_eq!(ResultMeta::decode(&meta.encode()).unwrap(), meta);
}

#[test]
fn order_does_not_matter_and_three_fields_are_needed() {
    let least = br#"{"task_id": 5, "result": null, "status": "STARTED"}"#;
    let meta = ResultMeta::decode(least).unwrap();
    assert_eq!((meta.state, meta.task_id.as_str(), meta.children), (State::Started, "5", None));
    for field in ["task_id", "result", "status"] {
        let text = String::from_utf8(least.to_vec()).unwrap().replace(field, "other");
        let refused = ResultMeta::decode(text.as_bytes()).unwrap_err();
        assert_eq!(refused, DecodeError::Missing { field: field.to_owned() });
    }
    assert!(ResultMeta::decode(b"\0celery-compressed\0gzip").is_err());
    assert!(ResultMeta::decode(b"\0celery-compressed\0gzip\0garbage").is_err());
}

#[test]
fn readiness_is_seen_in_any_spelling() {
    for (state, ready) in
        [("SUCCESS", true), ("FAILURE", true), ("REVOKED", true), ("RETRY", false), ("PROGRESS", false)]
    {
        let ours = meta(State::from(state), "\"{\\\"status\\\": \\\"SUCCESS\\\"\"").encode();
        let foreign = format!(r#"{{"result": {{"status": "SUCCESS"}}, "status":"{state}", "task_id": "x"}}"#);
        let escaped = format!(r#"{{"status": "\u00{:x}{}", "task_id": "x"}}"#, state.as_bytes()[0], &state[1..]);
        for bytes in [&ours[..], foreign.as_bytes(), escaped.as_bytes()] {
            assert_eq!(is_ready_meta(bytes), ready, "{state}");
            assert_eq!(is_success_meta(bytes), state == "SUCCESS", "{state}");
        }
    }
    for bytes in [&b""[..], b"null", b"{\"status\": \"SUCC", b"\xff", b"{}"] {
        assert!(!is_ready_meta(bytes));
    }
}

#[test]
fn exceptions_are_read_in_all_their_forms() {
    let read = |result: &str| {
        let exception = meta(State::Failure, result).exception().unwrap();
        (exception.exc_type, exception.exc_module, exception.message)
    };
    let owned = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    let full = r#"{"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"}"#;
    assert_eq!(read(full), owned("ValueError", "builtins", "boom"));
    assert_eq!(read(r#"{"exc_type": "E", "exc_message": [1, "two"]}"#), owned("E", "", "1, two"));
    assert_eq!(read(r#"{"exc_type": "E", "exc_message": "text", "exc_module": null}"#), owned("E", "", "text"));
    assert_eq!(read(r#"{"exc_type": "E", "exc_message": []}"#), owned("E", "", ""));
    assert_eq!(read("\"just text\""), owned("Exception", "", "just text"));
    assert_eq!(read("5"), owned("Exception", "", "5"));
    assert_eq!(meta(State::Success, full).exception(), None);
}

#[test]
fn our_exceptions_are_celerys() {
    let exception = Exception {
        exc_type: "PaymentError".into(),
        exc_module: "shop.payment".into(),
        message: "card \"x\" refused".into(),
        traceback: None,
    };
    let json = ResultMeta::exception_json(&exception);
    assert_eq!(
        json.as_str(),
        r#"{"exc_type": "PaymentError", "exc_message": ["card \"x\" refused"], "exc_module": "shop.payment"}"#
    );
    assert_eq!(meta(State::Failure, json.as_str()).exception(), Some(exception));
}
