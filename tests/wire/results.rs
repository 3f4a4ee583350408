//! Every result that a Celery worker stored.

use queue_core::message::Json;
use queue_core::result::{ResultMeta, State, is_ready_meta, is_success_meta};

use crate::captures::{assert_same, captures, cases, find, get, load, text};

/// Our clock counts milliseconds: the last three digits of Python's microseconds become zeros.
fn to_the_millisecond(raw: &str) -> String {
    let Some(at) = raw.find("\"date_done\": \"").map(|at| at + 14) else { return raw.to_owned() };
    let fraction = at + "2026-11-22T20:53:31.949".len();
    format!("{}000{}", &raw[..fraction], &raw[fraction + 3..])
}

#[test]
fn every_result_decodes_and_encodes_to_the_same_json() {
    let file = load("results.json");
    let (mut count, mut byte_for_byte) = (0, 0);
    for capture in captures(file.as_ref()).iter().filter(|capture| capture.raw.starts_with("{\"status\"")) {
        let meta = ResultMeta::decode(capture.raw.as_bytes()).unwrap();
        assert_eq!(meta.state.as_str(), text(capture.parsed, "status"), "{}", capture.path);
        let again = meta.encode();
        let again = std::str::from_utf8(&again).unwrap();
        let expected = to_the_millisecond(&capture.raw);
        // Only `+00:00` is written; a worker in Athens wrote its own offset.
        if capture.raw.contains("+00:00") || meta.date_done.is_none() {
            let (found, expected) = (Json::new(again).unwrap(), Json::new(expected.as_str()).unwrap());
            assert_same(found.as_ref(), expected.as_ref(), &capture.path);
        }
        byte_for_byte += usize::from(again == expected);
        assert_eq!(is_ready_meta(capture.raw.as_bytes()), meta.state.is_ready(), "{}", capture.path);
        assert_eq!(is_success_meta(capture.raw.as_bytes()), meta.state == State::Success, "{}", capture.path);
        count += 1;
    }
    assert_eq!(count, 136);
    // The other eight carry the offset of Athens.
    assert_eq!(byte_for_byte, 128);
}

#[test]
fn every_failure_names_its_exception() {
    let file = load("results.json");
    let mut failures = 0;
    for capture in captures(file.as_ref()).iter().filter(|capture| capture.raw.starts_with("{\"status\"")) {
        let meta = ResultMeta::decode(capture.raw.as_bytes()).unwrap();
        let Some(exception) = meta.exception() else { continue };
        let result = get(capture.parsed, "result");
        assert_eq!(exception.exc_type, text(result, "exc_type"), "{}", capture.path);
        assert_eq!(exception.exc_module, text(result, "exc_module"), "{}", capture.path);
        assert_eq!(exception.traceback, get(capture.parsed, "traceback").parse().unwrap(), "{}", capture.path);
        failures += 1;
    }
    assert!(failures > 30, "{failures}");
}

/// Bytes that are no text are recorded as base64.
fn compressed(json: queue_core::message::JsonRef<'_>, found: &mut Vec<Vec<u8>>) {
    let bytes =
        find(json, "__base64__").map(|bytes| format!(r#"{{"__type__": "base64", "__value__": {}}}"#, bytes.as_str()));
    if let Some(bytes) = bytes {
        found.push(Json::new(bytes).unwrap().parse().unwrap());
    } else if let Ok(entries) = json.entries() {
        entries.for_each(|(_, value)| compressed(value, found));
    } else if let Ok(elements) = json.elements() {
        elements.for_each(|value| compressed(value, found));
    }
}

#[test]
fn compressed_results_decode() {
    let file = load("results.json");
    let mut found = Vec::new();
    compressed(file.as_ref(), &mut found);
    let metas: Vec<_> = found.iter().filter(|bytes| bytes.starts_with(b"\0celery-compressed\0")).collect();
    assert!(metas.len() >= 5, "{}", metas.len());
    let mut results = 0;
    for bytes in metas {
        // A chord's part is compressed in the same way, but is no result.
        match ResultMeta::decode(bytes) {
            Ok(meta) => {
                assert_eq!(is_ready_meta(bytes), meta.state.is_ready());
                results += 1;
            }
            Err(error) => assert!(error.to_string().contains("expected an object at byte 0"), "{error}"),
        }
    }
    assert!(results >= 4, "{results}");
}

/// The client of Python needs `status`, `result` and `task_id`; so do we.
#[test]
fn hand_written_results_are_read_as_by_a_celery_client() {
    let file = load("result_reader.json");
    let mut refused = Vec::new();
    for case in cases(&file) {
        let Some(value) = find(case, "value").and_then(|value| value.parse::<String>().ok()) else { continue };
        if let Err(error) = ResultMeta::decode(value.as_bytes()) {
            refused.push(format!("{}: {error}", text(case, "name")));
        }
    }
    assert_eq!(refused, REFUSED, "{refused:#?}");
}

/// Each refused case with its reason; Python raises in all of them.
const REFUSED: [&str; 4] = [
    "no_task_id_published: `task_id` is missing",
    "no_task_id_only_stored_before_get: `task_id` is missing",
    "no_result_key: `result` is missing",
    "not_json: result is not JSON: expected an object at byte 0, found `hello`",
];
