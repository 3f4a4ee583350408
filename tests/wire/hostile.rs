//! What nobody should send: each is refused with its reason, and quickly.

use queue_core::message::{DecodeError, DecodeLimits, Json, Message};
use queue_core::result::ResultMeta;

use crate::captures::decode;

fn with_body(body: &str, more: &str) -> String {
    format!(
        r#"{{"body": "{body}", "content-type": "application/json", "headers": {{"task": "t", "id": "i"}},
        "properties": {{"delivery_tag": 1, "delivery_info": {{"exchange": "", "routing_key": "q"}}{more}}}}}"#
    )
}

#[test]
fn ten_thousand_brackets_are_refused_wherever_they_stand() {
    for bracket in ["[", "{\\\"a\\\":", "[{\\\"a\\\":"] {
        let nest = bracket.repeat(10_000);
        let plain = nest.replace('\\', "");
        for payload in [
            plain.clone(),
            format!("{{\"headers\": {plain}"),
            format!("{{\"properties\": {{\"delivery_info\": {plain}"),
            with_body(&nest, ""),
            with_body(&format!("[[], {{}}, {nest}"), ""),
        ] {
            let refused = decode(&payload).unwrap_err();
            assert!(matches!(refused, DecodeError::TooDeep { .. } | DecodeError::Json { .. }), "{refused}");
        }
        assert!(Json::new(plain.clone()).is_err());
        assert!(ResultMeta::decode(plain.as_bytes()).is_err());
    }
}

#[test]
fn a_body_of_64_mib_is_read_and_a_larger_one_refused() {
    let limit = DecodeLimits::default().max_body;
    let message = decode(&with_body(&format!("[[{}1], {{}}, {{}}]", " ".repeat(limit - 20)), "")).unwrap();
    assert_eq!(message.args.elements().unwrap().count(), 1);
    let refused = decode(&with_body(&"x".repeat(limit + 1), "")).unwrap_err();
    assert_eq!(refused, DecodeError::TooLarge { part: "body", limit });
    let refused = decode(&with_body(&"A".repeat(limit * 2), r#", "body_encoding": "base64""#)).unwrap_err();
    assert_eq!(refused, DecodeError::TooLarge { part: "body", limit });
}

#[test]
fn every_cut_of_a_message_is_refused() {
    let whole = with_body("W1sxXSwge30sIG51bGxd", r#", "body_encoding": "base64""#);
    assert!(decode(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(Message::decode(&whole.as_bytes()[..length], &DecodeLimits::default()).is_err(), "{length}");
    }
}

#[test]
fn every_changed_byte_is_read_or_refused() {
    let whole = with_body("W1sxXSwge30sIG51bGxd", r#", "body_encoding": "base64""#);
    for at in 0..whole.len() {
        for byte in [0, b'"', b'\\', b'{', b']', b',', b'9', 0x80, 0xff] {
            let mut payload = whole.clone().into_bytes();
            payload[at] = byte;
            if let Err(error) = Message::decode(&payload, &DecodeLimits::default()) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}
