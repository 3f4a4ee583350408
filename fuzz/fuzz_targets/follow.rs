//! Whatever a message says of what follows from it: a task's end is worked out, or its error said.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue_core::canvas::{
    Dispatch, Follow, Setting, Signature, after_failure, after_success, is_alone, joined, replace, stamps,
};
use queue_core::message::{DecodeLimits, Draft, Json, Message};
use queue_core::result::State;
use queue_core::{QueueName, TaskId, Timestamp};
use queue_fuzz::parts::{json, parts};

fuzz_target!(|data: &[u8]| {
    let mut inputs = parts(data);
    let Some(embed) = json(&mut inputs) else { return };
    let headers = json(&mut inputs).unwrap_or_else(Json::empty_object);
    let value = json(&mut inputs).unwrap_or_else(Json::null);
    let Some(message) = message(embed, &headers) else { return };
    ends(&message, &value, 2);
    if let Some(sig) = json(&mut inputs).and_then(|json| Signature::from_json(json.as_ref()).ok()) {
        let _ = replace(&message, sig.clone(), &mut setting(&message));
        let (sig, parts) = joined(&message, sig);
        assert!(parts == 0 || message.group.is_some());
        drop(sig);
    }
});

fn message(embed: Json, headers: &Json) -> Option<Message> {
    let (id, group) = (TaskId::new("task-1").expect("an id"), Some("group-1".to_owned()));
    let headers = headers.entries().ok()?.map(|(name, value)| (name.into_owned(), value.to_json())).collect();
    let draft = Draft { embed, group, group_index: Some(3), headers, ..Draft::new("t", id, "q") };
    Message::decode(&draft.encode(), &DecodeLimits { max_depth: 600, ..DecodeLimits::default() }).ok()
}

fn setting(message: &Message) -> Setting {
    let setting = Setting::of_client(QueueName::celery(), Timestamp::from_millis(1_700_000_000_000), None);
    setting.of_task(&message.id, "root", message.id.child(1))
}

/// Every end of a task, and the ends of the first tasks that follow.
fn ends(message: &Message, value: &Json, left: u32) {
    let exception = Json::new(r#"{"exc_type": "E", "exc_message": ["x"], "exc_module": "m"}"#).expect("JSON");
    let _ = stamps(message);
    if let Ok(follow) = after_success(message, value, &mut setting(message)) {
        assert!(!is_alone(message) || (follow.plan.messages.is_empty() && follow.parts.is_empty()));
        goes_on(follow, value, left);
    }
    for state in [State::Failure, State::Revoked] {
        let (follow, wrong) = after_failure(message, &state, &exception, &mut setting(message));
        assert!(wrong.iter().all(|error| !error.to_string().is_empty()));
        goes_on(follow, value, left.saturating_sub(1));
    }
}

fn goes_on(follow: Follow, value: &Json, left: u32) {
    for part in &follow.parts {
        let dispatch = part.dispatch("token", "root", "q", TaskId::random());
        let message = Message::decode(&dispatch, &DecodeLimits { max_depth: 2000, ..DecodeLimits::default() });
        let read = Dispatch::of(&message.expect("a dispatch is a message")).expect("a dispatch of ours");
        assert_eq!((&*read.group, &*read.part), (&*part.group, part.id.as_str()));
    }
    if left == 0 {
        return;
    }
    for sent in follow.plan.messages.iter().take(3) {
        if let Ok(message) = Message::decode(&sent.payload, &DecodeLimits::default()) {
            ends(&message, value, left - 1);
        }
    }
}
