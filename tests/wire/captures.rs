//! Walks the captures, which are JSON with Python's `NaN` in it, and compares JSON by meaning.

use std::collections::BTreeMap;

use queue_core::message::{DecodeLimits, Json, JsonRef, Message};

/// One recorded value: where in the file, its bytes as text, and what Python makes of them.
pub(crate) struct Capture<'a> {
    /// The keys and indexes that lead to it, joined by `/`.
    pub(crate) path: String,
    pub(crate) raw: String,
    pub(crate) parsed: JsonRef<'a>,
    /// The body's content, for an envelope.
    pub(crate) body: Option<JsonRef<'a>>,
}

/// A capture file, as it is.
pub(crate) fn load(name: &str) -> Json {
    let path = format!("{}/fixtures/celery/{name}", env!("CARGO_MANIFEST_DIR"));
    Json::new(std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The `cases` of a capture file.
pub(crate) fn cases(file: &Json) -> Vec<JsonRef<'_>> {
    get(file.as_ref(), "cases").elements().unwrap().collect()
}

/// A field of an object, if there.
pub(crate) fn find<'a>(json: JsonRef<'a>, name: &str) -> Option<JsonRef<'a>> {
    json.entries().ok()?.find(|(key, _)| key == name).map(|(_, value)| value)
}

/// A field of an object.
pub(crate) fn get<'a>(json: JsonRef<'a>, name: &str) -> JsonRef<'a> {
    find(json, name).unwrap_or_else(|| panic!("no `{name}` in {}", json.preview(100)))
}

/// A text field of an object.
pub(crate) fn text(json: JsonRef<'_>, name: &str) -> String {
    get(json, name).parse().unwrap()
}

/// Every recorded value below `json`.
pub(crate) fn captures(json: JsonRef<'_>) -> Vec<Capture<'_>> {
    let mut found = Vec::new();
    collect(json, "", &mut found);
    found
}

fn collect<'a>(json: JsonRef<'a>, path: &str, found: &mut Vec<Capture<'a>>) {
    if let Some(raw) = find(json, "raw") {
        let (raw, parsed) = (raw.parse().unwrap(), get(json, "parsed"));
        found.push(Capture { path: path.to_owned(), raw, parsed, body: find(json, "decoded_body") });
    } else if let Ok(entries) = json.entries() {
        entries.for_each(|(key, value)| collect(value, &format!("{path}/{key}"), found));
    } else if let Ok(elements) = json.elements() {
        elements.enumerate().for_each(|(nth, value)| collect(value, &format!("{path}/{nth}"), found));
    }
}

/// Decodes with the default limits.
pub(crate) fn decode(payload: &str) -> Result<Message, queue_core::message::DecodeError> {
    Message::decode(payload.as_bytes(), &DecodeLimits::default())
}

/// Whether two texts mean the same to a reader of JSON: white space, escapes and the order of keys do not count.
pub(crate) fn same(a: JsonRef<'_>, b: JsonRef<'_>) -> bool {
    if let (Ok(a), Ok(b)) = (a.elements(), b.elements()) {
        let (a, b): (Vec<_>, Vec<_>) = (a.collect(), b.collect());
        return a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same(*a, *b));
    }
    if let (Ok(a), Ok(b)) = (a.entries(), b.entries()) {
        let (a, b): (BTreeMap<_, _>, BTreeMap<_, _>) = (a.collect(), b.collect());
        return a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && same(*a.1, *b.1));
    }
    let string = |json: JsonRef<'_>| json.as_str().starts_with('"').then(|| json.parse::<String>().unwrap());
    match (string(a), string(b)) {
        (None, None) => a == b,
        (a, b) => a == b,
    }
}

/// Fails with both texts when they do not mean the same.
pub(crate) fn assert_same(found: JsonRef<'_>, expected: JsonRef<'_>, what: &str) {
    assert!(same(found, expected), "{what}:\n   found {}\nexpected {}", found.as_str(), expected.as_str());
}
