use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// An envelope with these headers (without braces), body (a JSON string) and properties besides the required.
fn envelope(headers: &str, body: &str, properties: &str) -> String {
    format!(
        r#"{{"body": {body}, "content-type": "application/json", "headers": {{"task": "t", "id": "i"{headers}}},
        "properties": {{"delivery_tag": 1, "delivery_info": {{"exchange": "", "routing_key": "q"}}{properties}}}}}"#
    )
}

fn decode(payload: &str) -> Result<Message, DecodeError> {
    Message::decode(payload.as_bytes(), &DecodeLimits::default())
}

fn with_headers(headers: &str) -> Result<Message, DecodeError> {
    decode(&envelope(headers, r#""[[1], {}, null]""#, ""))
}

fn with_body(body: &str) -> Result<Message, DecodeError> {
    decode(&envelope("", &serde_json::to_string(body).unwrap(), ""))
}

fn words(result: Result<Message, DecodeError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn the_smallest_message_a_celery_worker_takes() {
    let message = decode(
        r#"{"body":"[[1, 2], {}, null]","content-type":"application/json","headers":{"task":"tasks.add","id":"any-string"},
        "properties":{"delivery_tag":"u1","delivery_info":{"exchange":"","routing_key":"celery"}}}"#,
    )
    .unwrap();
    assert_eq!((message.task.as_str(), message.id.as_str()), ("tasks.add", "any-string"));
    assert_eq!((message.args.as_str(), message.kwargs.as_str(), message.embed.as_str()), ("[1, 2]", "{}", "null"));
    assert_eq!((message.exchange.as_str(), message.routing_key.as_str()), ("", "celery"));
    assert_eq!((message.retries, message.eta, message.time_limit), (0, None, None));
    assert_eq!(message.headers.as_str(), r#"{"task":"tasks.add","id":"any-string"}"#);
    assert_eq!(message.display_name(), "tasks.add");
}

#[test]
fn headers_say_what_celery_says_they_say() {
    let message = with_headers(
        r#", "retries": 2, "eta": "2026-11-22T20:37:14.663492+00:00", "timelimit": [3.5, 2], "ignore_result": true,
        "root_id": "r", "parent_id": null, "group": "g", "group_index": 4, "shadow": "s", "origin": "gen1@h", "sent_at": 99,
        "mine": NaN"#,
    )
    .unwrap();
    assert_eq!(message.retries, 2);
    assert_eq!(message.eta.unwrap().to_string(), "2026-11-22T20:37:14.663Z");
    assert_eq!(message.time_limit, Some(std::time::Duration::from_millis(3500)));
    assert_eq!(message.soft_time_limit, Some(std::time::Duration::from_secs(2)));
    assert_eq!(message.ignore_result, Some(true));
    assert_eq!((message.root_id.as_deref(), message.parent_id.as_deref()), (Some("r"), None));
    assert_eq!((message.group.as_deref(), message.group_index), (Some("g"), Some(4)));
    assert_eq!((message.display_name(), message.origin.as_deref()), ("s", Some("gen1@h")));
    assert_eq!(message.sent_at, Some(Timestamp::from_millis(99)));
    assert!(message.headers.as_str().ends_with(r#""mine": NaN}"#));
}

#[test]
fn what_python_tolerates_is_tolerated() {
    for headers in [r#", "timelimit": null"#, r#", "timelimit": []"#, r#", "timelimit": [null, 0]"#] {
        assert_eq!(with_headers(headers).unwrap().time_limit, None, "{headers}");
    }
    assert_eq!(with_headers(r#", "retries": "3""#).unwrap().retries, 3);
    assert_eq!(with_headers(r#", "retries": null"#).unwrap().retries, 0);
    assert_eq!(with_headers(r#", "id": 42"#).unwrap().id.as_str(), "42");
    let uuid = r#", "id": {"__type__": "uuid", "__value__": {"hex": "12345678123456781234567812345678"}}"#;
    assert_eq!(with_headers(uuid).unwrap().id.as_str(), "12345678-1234-5678-1234-567812345678");
    let eta = r#", "eta": {"__type__": "datetime", "__value__": "2026-11-22T20:37:14"}"#;
    assert_eq!(with_headers(eta).unwrap().eta.unwrap().to_string(), "2026-11-22T20:37:14.000Z");
    assert_eq!(with_headers(r#", "sent_at": "yesterday""#).unwrap().sent_at, None);
    for embed in ["{}", "[]", "null", r#"{"chain": [], "x": 1}"#] {
        assert_eq!(with_body(&format!("[[],{{}},{embed}]")).unwrap().embed.as_str(), embed);
    }
    let body = r#""[[], {}, {}]""#;
    for (priority, expected) in [("7", 7), ("null", 0), ("\"9\"", 0), ("99", 9), ("-3", 0)] {
        let message = decode(&envelope("", body, &format!(r#", "priority": {priority}"#))).unwrap();
        assert_eq!(message.priority.get(), expected, "{priority}");
    }
}

/// What a caller means who writes the longest time there is.
#[test]
fn limits_beyond_all_times_are_none() {
    for limit in ["Infinity", "18446744073709551616", "1e300"] {
        let message = with_headers(&format!(r#", "timelimit": [{limit}, 7]"#)).unwrap();
        assert_eq!((message.time_limit, message.soft_time_limit), (None, Some(std::time::Duration::from_secs(7))));
    }
    for limit in ["-Infinity", "NaN"] {
        assert!(with_headers(&format!(r#", "timelimit": [{limit}, null]"#)).is_err(), "{limit}");
    }
    let longest = Some(std::time::Duration::MAX);
    let (time_limit, soft_time_limit) = (longest, longest);
    let draft =
        super::super::Draft { time_limit, soft_time_limit, ..super::super::Draft::new("t", TaskId::random(), "q") };
    let message = Message::decode(&draft.encode(), &DecodeLimits::default()).unwrap();
    assert_eq!((message.time_limit, message.soft_time_limit), (None, None));
}

#[test]
fn wrong_headers_are_named() {
    for (headers, expected) in [
        (r#", "task": 5"#, "`headers.task` should be a string, found 5"),
        (r#", "task": """#, "`headers.task` should be a task's name, found \"\""),
        (r#", "id": null"#, "`headers.id` should be a string, found null"),
        (r#", "id": """#, "`headers.id` should be a task id of 1 to 512 bytes, found \"\""),
        (r#", "retries": -1"#, "`headers.retries` should be a whole number, 0 or more, found -1"),
        (r#", "retries": 1.5"#, "`headers.retries` should be a whole number, 0 or more, found 1.5"),
        (
            r#", "eta": 5"#,
            "`headers.eta` should be a date such as `2026-11-22T20:37:14.663492+00:00`, or null, found 5",
        ),
        (
            r#", "timelimit": [5]"#,
            "`headers.timelimit` should be [hard, soft] in seconds, either may be null, found [5]",
        ),
        (
            r#", "timelimit": [-5, null]"#,
            "`headers.timelimit` should be [hard, soft] in seconds, either may be null, found [-5, null]",
        ),
        (r#", "ignore_result": 1"#, "`headers.ignore_result` should be true, false or null, found 1"),
        (r#", "group_index": "x""#, "`headers.group_index` should be a whole number or null, found \"x\""),
    ] {
        assert_eq!(words(with_headers(headers)), expected);
    }
}

#[test]
fn missing_fields_are_named() {
    let whole = envelope("", r#""[[], {}, null]""#, "");
    for (remove, field) in [
        (r#""body": "[[], {}, null]", "#, "body"),
        (r#""content-type": "application/json", "#, "content-type"),
        (r#""task": "t", "#, "headers.task"),
        (r#", "id": "i""#, "headers.id"),
        (r#""delivery_tag": 1, "#, "properties.delivery_tag"),
        (r#""exchange": "", "#, "properties.delivery_info.exchange"),
        (r#", "routing_key": "q""#, "properties.delivery_info.routing_key"),
        (r#", "delivery_info": {"exchange": "", "routing_key": "q"}"#, "properties.delivery_info"),
    ] {
        let payload = whole.replace(remove, "");
        assert_ne!(payload, whole, "{field}");
        assert_eq!(decode(&payload).unwrap_err(), DecodeError::Missing { field: field.to_owned() });
    }
}

#[test]
fn bodies_of_another_shape_are_refused() {
    for (body, expected) in [
        ("[[], {}]", "`body` should be an array of three: [args, kwargs, embed], found an array of 2"),
        ("[[], {}, {}, {}]", "`body` should be an array of three: [args, kwargs, embed], found an array of 4"),
        ("[null, {}, {}]", "`body[0] (args)` should be an array, found null"),
        ("[[], null, {}]", "`body[1] (kwargs)` should be an object, found null"),
        ("[[], {}, 5]", "`body[2] (embed)` should be an object, null or [], found 5"),
        ("5", "body is not JSON: expected an array at byte 0, found `5`"),
        ("", "body is not JSON: expected an array at byte 0, found the end"),
        ("[[], {}, nul]", "body is not JSON: expected a value at byte 9, found `nul]`"),
    ] {
        assert_eq!(words(with_body(body)), expected);
    }
    let not_text = decode(&envelope("", "[[], {}, null]", ""));
    assert_eq!(words(not_text), "`body` should be a string, found [[], {}, null]");
}

fn base64(bytes: &[u8]) -> Result<Message, DecodeError> {
    decode(&envelope("", &format!("{:?}", STANDARD.encode(bytes)), r#", "body_encoding": "base64""#))
}

#[test]
fn base64_is_undone_and_its_faults_are_named() {
    assert_eq!(base64("[[\"é\"], {}, {}]".as_bytes()).unwrap().args.as_str(), "[\"é\"]");
    assert_eq!(base64(b"[\xff]").unwrap_err(), DecodeError::NotUtf8 { part: "body", at: 1 });
    for body in [r#""W1tdLCB7""#, r#""W1tdLCB7fQ=""#, r#""[[], {}, {}]""#] {
        let cut = decode(&envelope("", body, r#", "body_encoding": "base64""#)).unwrap_err();
        assert!(matches!(cut, DecodeError::Base64 { .. } | DecodeError::Json { .. }), "{cut}");
    }
    let odd = decode(&envelope("", r#""W1td""#, r#", "body_encoding": 5"#));
    assert_eq!(words(odd), "`properties.body_encoding` should be `base64`, `utf-8` or null, found 5");
}

#[test]
fn other_content_types_are_refused_by_name() {
    for content_type in ["application/data", "application/x-python-serialize", "application/x-yaml", "text/plain"] {
        let payload = envelope("", r#""x""#, "").replace("application/json", content_type);
        match decode(&payload).unwrap_err() {
            DecodeError::ContentType { content_type: found, .. } => assert_eq!(found, content_type),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn huge_and_deep_input_is_refused() {
    let limits = DecodeLimits { max_body: 1000, max_depth: 100 };
    let large = envelope("", &format!("\"{}\"", "A".repeat(2000)), "");
    let refused = Message::decode(large.as_bytes(), &limits).unwrap_err();
    assert_eq!(refused, DecodeError::TooLarge { part: "body", limit: 1000 });
    for payload in ["[".repeat(10_000), envelope(&format!(", \"x\": {}", "[".repeat(10_000)), "1", "")] {
        let refused = Message::decode(payload.as_bytes(), &limits).unwrap_err();
        assert!(matches!(refused, DecodeError::TooDeep { .. } | DecodeError::Json { .. }), "{refused}");
    }
    let deep = with_body(&format!("[{}{}, {{}}, {{}}]", "[".repeat(10_000), "]".repeat(10_000)));
    assert!(matches!(deep, Err(DecodeError::TooDeep { part: "body", limit: 512, .. })));
}

#[test]
fn errors_quote_little_of_the_content() {
    let secret = "x".repeat(100_000);
    for payload in [
        secret.clone(),
        format!("{{\"{secret}"),
        envelope(&format!(", \"eta\": \"{secret}\""), "1", ""),
        envelope(&format!(", \"compression\": \"{secret}\""), r#""""#, ""),
        envelope("", &format!("\"{secret}\""), r#", "body_encoding": "base64""#),
        envelope("", "1", "").replace("application/json", &secret),
    ] {
        assert!(words(decode(&payload)).len() < 400);
    }
}

#[test]
fn protocol_1_and_the_mixture_are_read() {
    let body = r#"{"task": "old", "id": "1", "args": [1], "kwargs": {"a": 2}, "retries": 1, "taskset": "ts", "callbacks": [],
        "eta": "2026-11-22T20:37:14", "timelimit": [1, null]}"#;
    let payload = envelope("", &serde_json::to_string(body).unwrap(), "");
    let message = decode(&payload.replace(r#""task": "t", "id": "i""#, "")).unwrap();
    assert_eq!((message.task.as_str(), message.id.as_str(), message.retries), ("old", "1", 1));
    assert_eq!((message.args.as_str(), message.kwargs.as_str()), ("[1]", r#"{"a": 2}"#));
    assert_eq!(message.group.as_deref(), Some("ts"));
    assert_eq!(message.embed.as_str(), r#"{"callbacks": [], "errbacks": null, "chain": null, "chord": null}"#);
    assert!(message.eta.is_some() && message.time_limit.is_some());
    let odd = payload.replace(r#"\"taskset\": \"ts\""#, r#"\"taskset\": {}"#);
    assert!(words(decode(&odd)).contains("`body.taskset`"), "{}", words(decode(&odd)));
    let mixed = decode(&payload).unwrap();
    assert_eq!((mixed.task.as_str(), mixed.retries), ("t", 1));
}

#[test]
fn bytes_that_are_no_text_say_where() {
    let refused = Message::decode(b"{\"a\": \"\xff\"}", &DecodeLimits::default()).unwrap_err();
    assert_eq!(refused.to_string(), "message is not UTF-8 (byte 7)");
}

/// Found by the fuzz target: the first `properties` was mixed with the second, which alone counts.
#[test]
fn of_a_key_that_comes_twice_the_later_counts() {
    let whole = envelope(r#", "retries": 1"#, r#""[[], {}, null]""#, "");
    assert!(decode(&whole.replace("{\"body\"", "{\"properties\": 1, \"headers\": {\"retries\": 7}, \"body\"")).is_ok());
    let end = whole.trim_end().strip_suffix('}').unwrap();
    for (key, value, missing) in [
        ("properties", "{}", "properties.delivery_info"),
        (
            "properties",
            r#"{"delivery_info": {"exchange": ""}, "delivery_tag": 1}"#,
            "properties.delivery_info.routing_key",
        ),
        ("headers", r#"{"id": "i"}"#, "headers.task"),
        ("headers", "null", "headers.task"),
    ] {
        let refused = decode(&format!("{end}, \"{key}\": {value}}}")).unwrap_err();
        assert_eq!(refused, DecodeError::Missing { field: missing.to_owned() });
    }
}
