//! Any bytes are a message or an error; a message is read, rewritten and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue_core::message::{Changes, DecodeError, DecodeLimits, Json, Message, rewrite};

fuzz_target!(|payload: &[u8]| {
    let limits = DecodeLimits { max_body: 1 << 20, max_depth: 128 };
    let decoded = Message::decode(payload, &limits);
    walked(payload, &decoded, &limits);
    match decoded {
        Ok(message) => read(payload, &message),
        Err(error) => assert!(error.to_string().len() < 1000),
    }
});

/// With a space more it has none of the forms that are read by their constant parts, and means the same.
fn walked(payload: &[u8], decoded: &Result<Message, DecodeError>, limits: &DecodeLimits) {
    let Some(rest) = payload.strip_prefix(b"{") else { return };
    let walked = Message::decode(&[b"{ ", rest].concat(), limits);
    match (decoded, walked) {
        (Ok(message), Ok(walked)) => assert_eq!(format!("{message:?}"), format!("{walked:?}")),
        (Err(_), Err(_)) => {}
        (decoded, walked) => panic!("{decoded:?}, but walked {walked:?}"),
    }
}

fn read(payload: &[u8], message: &Message) {
    for argument in message.args.elements().expect("arguments are an array") {
        let _ = argument.parse::<serde_json::Value>();
        let _ = argument.parse::<Vec<f64>>();
    }
    for (_, value) in message.kwargs.entries().expect("keyword arguments are an object") {
        assert_eq!(Json::new(value.as_str()).expect("a part of JSON is JSON"), value.to_json());
    }
    let changes = Changes { retries: Some(7), ..Changes::default() };
    let again = rewrite(payload, &changes).expect("a message can be rewritten");
    let again = Message::decode(&again, &DecodeLimits::default()).expect("what was rewritten is a message");
    assert_eq!(again.retries, 7);
    assert_eq!((&again.task, &again.id), (&message.task, &message.id));
    assert_eq!((&again.args, &again.kwargs, &again.embed), (&message.args, &message.kwargs, &message.embed));
}
