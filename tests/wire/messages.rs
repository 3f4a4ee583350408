//! Every message that a Celery client, beat and worker wrote.

use queue_core::message::{Changes, DecodeError, DecodeLimits, Json, JsonRef, Message, rewrite};
use serde::Deserialize;

use crate::captures::{Capture, assert_same, captures, cases, decode, find, get, load, text};

/// The headers of an envelope as recorded.
fn headers(capture: &Capture<'_>) -> Json {
    let parsed = capture.parsed;
    // An entry of `unacked` is `[envelope, exchange, routing_key]`.
    let envelope = parsed.elements().ok().and_then(|mut elements| elements.next()).unwrap_or(parsed);
    get(envelope, "headers").to_json()
}

/// The arguments that Python found in the body: of protocol 2 an array of three, of protocol 1 an object.
fn arguments(body: JsonRef<'_>) -> (Json, Json) {
    match body.elements() {
        Ok(mut parts) => (parts.next().unwrap().to_json(), parts.next().unwrap().to_json()),
        Err(_) => (get(body, "args").to_json(), get(body, "kwargs").to_json()),
    }
}

fn check(capture: &Capture<'_>, message: &Message) {
    let what = &capture.path;
    let headers = headers(capture);
    assert_same(message.headers.as_ref(), headers.as_ref(), what);
    let (args, kwargs) = arguments(capture.body.unwrap());
    assert_same(message.args.as_ref(), args.as_ref(), what);
    assert_same(message.kwargs.as_ref(), kwargs.as_ref(), what);
    if let Some(task) = find(headers.as_ref(), "task") {
        assert_eq!(message.task, task.parse::<String>().unwrap(), "{what}");
        assert_eq!(message.id.as_str(), text(headers.as_ref(), "id"), "{what}");
        let eta = find(headers.as_ref(), "eta").is_some_and(|eta| !eta.is_null());
        assert_eq!(message.eta.is_some(), eta, "{what}");
    }
}

/// Rewriting changes the header and the tag, and nothing else that a reader can see.
fn check_rewrite(capture: &Capture<'_>, payload: &str, message: &Message) {
    let changes = Changes { retries: Some(message.retries + 1), ..Changes::default() };
    let again = rewrite(payload.as_bytes(), &changes).unwrap();
    let again = Message::decode(&again, &DecodeLimits::default()).unwrap();
    assert_eq!(again.retries, message.retries + 1, "{}", capture.path);
    assert_eq!((&again.args, &again.kwargs, &again.embed), (&message.args, &message.kwargs, &message.embed));
    assert_eq!((&again.task, &again.id, again.eta), (&message.task, &message.id, message.eta));
}

/// Whether it is an envelope of a task, and not an event or a group's meta.
fn is_task(capture: &Capture<'_>) -> bool {
    capture.raw.starts_with("{\"body\"") && !capture.path.contains("/published/")
}

#[test]
fn every_message_of_a_celery_client_decodes_but_pickle() {
    let file = load("messages.json");
    let mut refused = Vec::new();
    let mut decoded = 0;
    for case in cases(&file) {
        for capture in captures(case).iter().filter(|capture| is_task(capture)) {
            match decode(&capture.raw) {
                Ok(message) => {
                    check(capture, &message);
                    check_rewrite(capture, &capture.raw, &message);
                    decoded += 1;
                }
                Err(error) => refused.push((text(case, "name"), error)),
            }
        }
    }
    assert_eq!(decoded, 88);
    let [(name, DecodeError::ContentType { content_type, .. })] = refused.as_slice() else { panic!("{refused:?}") };
    assert_eq!((name.as_str(), content_type.as_str()), ("serializer_pickle", "application/x-python-serialize"));
}

/// kombu's list keys end in the priority step, after two control bytes.
#[test]
fn priorities_lead_to_the_lists_that_kombu_used() {
    let file = load("messages.json");
    let mut checked = 0;
    for case in cases(&file).into_iter().filter(|case| find(*case, "conf").is_none()) {
        for capture in captures(case).iter().filter(|capture| is_task(capture)) {
            let Ok(message) = decode(&capture.raw) else { continue };
            let list = capture.path.split('/').nth(3).unwrap();
            let step: u8 = list.split_once("\u{6}\u{16}").map_or(0, |(_, step)| step.parse().unwrap());
            assert_eq!(message.priority.step(), step, "{}", capture.path);
            checked += 1;
        }
    }
    assert!(checked > 70, "{checked}");
}

/// The argument of the capture `special_types`.
#[derive(Debug, Deserialize)]
struct Special {
    dt: String,
    naive: String,
    date: String,
    time: String,
    dec: String,
    uuid: String,
    bytes: String,
    bin: Vec<u8>,
    tuple: (i32, i32),
    nan: f64,
    inf: f32,
    big: i128,
    none: Option<bool>,
}

#[test]
fn special_values_of_python_become_rusts() {
    let file = load("messages.json");
    let case = cases(&file).into_iter().find(|case| text(*case, "name") == "special_types").unwrap();
    let capture = captures(case).into_iter().find(is_task).unwrap();
    let message = decode(&capture.raw).unwrap();
    let (special,): (Special,) = message.args.parse().unwrap();
    assert_eq!(
        (special.dt.as_str(), special.naive.as_str()),
        ("2024-05-17T12:30:15.123456+00:00", "2024-05-17T12:30:00")
    );
    assert_eq!(
        (special.date.as_str(), special.time.as_str(), special.dec.as_str()),
        ("2024-05-17", "12:30:15", "1.50")
    );
    assert_eq!(special.uuid, "12345678-1234-5678-1234-567812345678");
    assert_eq!((special.bytes.as_str(), special.bin), ("abc", vec![255, 0]));
    assert_eq!((special.tuple, special.none), ((1, 2), None));
    assert!(special.nan.is_nan() && special.inf == f32::INFINITY);
    assert_eq!(special.big, 1 << 70);
}

#[test]
fn beats_messages_decode() {
    let file = load("beat.json");
    let found: Vec<_> = captures(file.as_ref()).into_iter().filter(is_task).collect();
    assert_eq!(found.len(), 6);
    for capture in &found {
        let message = decode(&capture.raw).unwrap();
        check(capture, &message);
        check_rewrite(capture, &capture.raw, &message);
        assert_eq!(message.expires.is_some(), message.routing_key == "beatq");
    }
}

#[test]
fn messages_in_flight_and_redelivered_decode() {
    let file = load("redelivery.json");
    let (mut waiting, mut unacked) = (0, 0);
    for capture in captures(file.as_ref()) {
        let parts = Json::new(capture.raw.clone()).unwrap();
        let envelope = parts.elements().ok().and_then(|mut elements| elements.next());
        *(if envelope.is_some() { &mut unacked } else { &mut waiting }) += 1;
        let envelope = envelope.map_or(capture.raw.as_str(), JsonRef::as_str);
        let message = decode(envelope).unwrap();
        check(&capture, &message);
        check_rewrite(&capture, envelope, &message);
    }
    assert_eq!((waiting, unacked), (4, 12));
}

#[test]
fn messages_of_a_worker_decode() {
    let file = load("results.json");
    let mut decoded = 0;
    for capture in captures(file.as_ref()) {
        let parts = Json::new(capture.raw.clone()).unwrap();
        let envelope = parts.elements().ok().and_then(|mut elements| elements.next()).unwrap_or(parts.as_ref());
        if find(envelope, "body").is_some() {
            check(&capture, &decode(envelope.as_str()).unwrap());
            decoded += 1;
        }
    }
    assert_eq!(decoded, 9);
}

/// What a Python worker takes we take; what it does not we refuse with a reason, but for what is not the message's fault.
#[test]
fn hand_made_envelopes_are_judged_as_by_a_celery_worker() {
    // Executed by us although Python did not: an unknown task and a past expiry are for the worker to judge, an unknown
    // typed value fails when the task reads its arguments, an integer as id breaks only Python's result store.
    const OURS: [&str; 5] =
        ["unknown_task", "expires_past", "expires_past_zulu", "special_type_unknown_in_args", "id_int"];
    let file = load("minimal_envelope.json");
    let mut refused = Vec::new();
    for case in cases(&file) {
        let (name, payload) = (text(case, "name"), text(case, "payload"));
        let executed: bool = get(case, "executed").parse().unwrap();
        match decode(&payload) {
            Ok(_) => assert!(executed || OURS.contains(&name.as_str()), "{name} was decoded"),
            Err(error) => {
                assert!(!executed, "{name}: {error}");
                refused.push(format!("{name}: {error}"));
            }
        }
    }
    assert_eq!(refused, REFUSED, "{refused:#?}");
}

/// Each refused case with its reason.
const REFUSED: [&str; 27] = [
    r#"without_envelope_body: `body` is missing"#,
    r#"without_envelope_content-type: `content-type` is missing"#,
    r#"without_envelope_headers: `headers.task` is missing"#,
    r#"without_envelope_properties: `properties` is missing"#,
    r#"without_property_delivery_info: `properties.delivery_info` is missing"#,
    r#"without_property_body_encoding: body is not JSON: expected an array at byte 0, found `W1sxLCAyXSwge30sIHsiY2Fs…`"#,
    r#"without_property_delivery_tag: `properties.delivery_tag` is missing"#,
    r#"without_header_task: `headers.task` is missing"#,
    r#"without_header_id: `headers.id` is missing"#,
    r#"minimal_without_delivery_info: `properties.delivery_info` is missing"#,
    r#"minimal_delivery_info_empty: `properties.delivery_info.exchange` is missing"#,
    r#"minimal_delivery_info_no_exchange: `properties.delivery_info.exchange` is missing"#,
    r#"body_as_json_array_not_string: `body` should be a string, found [[1, 2], {}, {"callbacks": null, "errbacks": null, "chain": …"#,
    r#"plain_body_labelled_base64: `body` is not base64: Invalid symbol 93, offset 80."#,
    r#"embed_missing_two_element_body: `body` should be an array of three: [args, kwargs, embed], found an array of 2"#,
    r#"kwargs_null: `body[1] (kwargs)` should be an object, found null"#,
    r#"args_null: `body[0] (args)` should be an array, found null"#,
    r#"body_empty_string: body is not JSON: expected an array at byte 0, found the end"#,
    r#"body_invalid_json: body is not JSON: expected a key in quotes at byte 1, found `not json`"#,
    r#"content_type_pickle_not_accepted: content type `application/x-python-serialize` is not accepted, only `application/json`: pickle runs code when it is read; send with `task_serializer = 'json'`"#,
    r#"content_type_text_plain: content type `text/plain` is not accepted, only `application/json`"#,
    r#"eta_unix_number: `headers.eta` should be a date such as `2026-11-22T20:37:14.663492+00:00`, or null, found 1577836800.5"#,
    r#"eta_garbage: `headers.eta` should be a date such as `2026-11-22T20:37:14.663492+00:00`, or null, found "tomorrow""#,
    r#"expires_number: `headers.expires` should be a date such as `2026-11-22T20:37:14.663492+00:00`, or null, found 60"#,
    r#"not_json_list_item: message is not JSON: expected an object at byte 0, found `this is not json`"#,
    r#"json_but_not_object: message is not JSON: expected an object at byte 0, found `[1,2,3]`"#,
    r#"four_element_body: `body` should be an array of three: [args, kwargs, embed], found an array of 4"#,
];
