//! What reads an input, all the way.

use bytes::Bytes;
use queue_core::canvas::{
    Dispatch, Part, Plan, Setting, Signature, after_failure, after_success, joined, replace, stamps,
};
use queue_core::events::{Event, args_repr, repr, text_repr};
use queue_core::message::{Changes, DecodeLimits, Draft, Json, Message, parse_date, rewrite};
use queue_core::remote::{Reply, Request, glob};
use queue_core::result::{ResultMeta, State, is_ready_meta};
use queue_core::store::{ChordParts, StoreUrl};
use queue_core::{QueueName, TaskId, Timestamp};
use serde_json::Value;

use crate::inputs::wrapped;

/// Reads an input.
pub(crate) type Read = fn(&[u8]);

pub(crate) fn json(input: &[u8]) -> Json {
    Json::new(std::str::from_utf8(input).expect("text")).expect("JSON")
}

fn setting() -> Setting {
    Setting::of_client(QueueName::celery(), Timestamp::from_millis(1_700_000_000_000), None)
}

pub(crate) fn decode_message(input: &[u8]) {
    let Ok(message) = Message::decode(input, &DecodeLimits::default()) else { return };
    let _ = (message.args.parse::<Vec<Value>>(), message.kwargs.parse::<Value>(), message.args.parse::<Vec<f64>>());
    let _ = (stamps(&message), rewrite(input, &Changes { retries: Some(1), ..Changes::default() }));
    let args = Some(Json::empty_array());
    let _ = rewrite(input, &Changes { args, ..Changes::default() });
}

pub(crate) fn decode_result(input: &[u8]) {
    let meta = ResultMeta::decode(input).expect("a result");
    let _ = (is_ready_meta(input), meta.exception(), meta.encode());
}

pub(crate) fn canvas(input: &[u8]) {
    let json = json(input);
    let sig = Signature::from_json(json.as_ref()).expect("a signature");
    let mut stamped = sig.clone();
    stamped.stamped("tenant", "acme");
    let _ = (stamped.to_json(), Plan::default().add(sig, &mut setting()));
}

pub(crate) fn message_with(embed: Json, headers: Vec<(String, Json)>) -> Message {
    let id = TaskId::new("i").expect("an id");
    let draft = Draft { embed, headers, group: Some("g".to_owned()), ..Draft::new("t", id, "q") };
    Message::decode(&draft.encode(), &DecodeLimits::default()).expect("a message")
}

pub(crate) fn follow(input: &[u8]) {
    let message = message_with(json(input), Vec::new());
    let _ = after_success(&message, &Json::null(), &mut setting());
    let _ = after_failure(&message, &State::Failure, &Json::null(), &mut setting());
    let task = Signature::from_json(json(br#"{"task": "t"}"#).as_ref()).expect("a signature");
    let _ = joined(&message, task.clone());
    let _ = replace(&message, task, &mut setting());
}

pub(crate) fn replaced(input: &[u8]) {
    let message = message_with(Json::null(), vec![("stamps".to_owned(), json(input))]);
    let task = Signature::from_json(json(br#"{"task": "t", "options": {"link": [{"task": "l"}]}}"#).as_ref());
    let _ = replace(&message, task.expect("a signature"), &mut setting());
}

pub(crate) fn chord(input: &[u8]) {
    let (id, body) = (TaskId::new("i").expect("an id"), json(br#"{"task": "t", "options": {"task_id": "b"}}"#));
    let part = Part { group: "g".to_owned(), id: id.clone(), index: None, member: Bytes::new(), body };
    let message = Message::decode(&part.dispatch("t", "r", "q", id), &DecodeLimits::default()).expect("a message");
    let dispatch = Dispatch::of(&message).expect("a dispatch");
    let members = input.split_inclusive(|byte| *byte == b']').map(Bytes::copy_from_slice).collect();
    let members =
        if input.windows(2).any(|pair| pair == b"]]") { vec![Bytes::copy_from_slice(input)] } else { members };
    let _ = dispatch.send_body(&ChordParts { meta: None, size: None, members }, &mut setting());
}

pub(crate) fn request(input: &[u8]) {
    let Ok(request) = Request::decode(input) else { return };
    let _ = request.is_for("queue@host1");
    queue_fuzz::control::read(&request);
    let _ = (Reply::decode(input), Request::decode(&request.encode()));
}

pub(crate) fn revocation(input: &[u8]) {
    let values = std::str::from_utf8(input).expect("text");
    let body = format!(r#"{{"method": "x", "arguments": {{"headers": {{"s": [{}]}}}}}}"#, values.replace('v', "w"));
    let request = Request::decode(&wrapped("", &body)).expect("a request");
    let message =
        message_with(Json::null(), vec![("stamps".to_owned(), json(format!(r#"{{"s": [{values}]}}"#).as_bytes()))]);
    queue_fuzz::control::revoke(&request, &message);
}

pub(crate) fn event(input: &[u8]) {
    let Ok(events) = Event::decode(input) else { return };
    let _ = Event::multi(&events);
}

pub(crate) fn shown(input: &[u8]) {
    let json = json(input);
    let _ = (repr(json.as_ref()), args_repr(&json), text_repr(json.as_str()));
}

pub(crate) fn globbed(input: &[u8]) {
    let pattern = std::str::from_utf8(input).expect("text");
    let _ = (glob(pattern, "queue@host1"), glob("q*", pattern));
}

pub(crate) fn command(input: &[u8]) {
    let text = std::str::from_utf8(input).expect("text");
    queue_fuzz::command::line(&text.split('\u{0}').collect::<Vec<_>>());
}

pub(crate) fn url(input: &[u8]) {
    let _ = StoreUrl::parse(std::str::from_utf8(input).expect("text")).map(|url| url.masked());
}

pub(crate) fn date(input: &[u8]) {
    let _ = parse_date(std::str::from_utf8(input).expect("text"));
}
