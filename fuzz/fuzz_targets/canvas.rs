//! Any JSON is a signature or refused; a signature is written as it was read, and sent whole or not at all.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue_core::canvas::{Plan, Setting, Signature};
use queue_core::message::{DecodeLimits, Json, Message};
use queue_core::{QueueName, TaskId, Timestamp};
use queue_fuzz::parts::{json, parts};

fuzz_target!(|data: &[u8]| {
    let mut inputs = parts(data);
    let Some(first) = json(&mut inputs) else { return };
    let Some(sig) = read(&first) else { return };
    sent(sig.clone());
    let mut frozen = sig.clone();
    frozen.freeze();
    let text = frozen.to_json();
    if let Ok(mut again) = Signature::from_json(text.as_ref()) {
        again.freeze();
        assert_eq!(again.to_json(), text, "what is frozen stays as it is");
    }
    sent(frozen);
    // With others beside it: a link, an errback, a step, a body, a stamp, an option.
    let Some(mut other) = json(&mut inputs).as_ref().and_then(read) else { return };
    let value = json(&mut inputs).unwrap_or_else(Json::null);
    let mut linked = sig.clone();
    linked.link(&other);
    other.link_error(&sig);
    linked.stamped("tenant", &value.as_str());
    let members = [linked.clone(), other.clone()];
    for whole in [
        Signature::chain(members.clone()),
        Signature::group(members.clone()),
        Signature::chord([linked], other),
        Signature::chain([Signature::group(members.clone()), Signature::group(members)]).set("queue", "q"),
    ] {
        sent(whole);
    }
});

fn read(json: &Json) -> Option<Signature> {
    let sig = match Signature::from_json(json.as_ref()) {
        Ok(sig) => sig,
        Err(error) => {
            assert!(error.to_string().len() < 1000, "{error}");
            return None;
        }
    };
    let text = sig.to_json();
    assert!(Json::new(text.as_str()).is_ok(), "what is written is JSON: {}", text.as_str());
    let again = Signature::from_json(text.as_ref()).expect("what was written is a signature");
    assert_eq!(again, sig);
    let _ = (format!("{sig:?}"), sig.id(), sig.name());
    Some(sig)
}

fn sent(sig: Signature) {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let id = TaskId::new("sender").expect("an id");
    let client = || Setting::of_client(QueueName::celery(), now, None);
    let sent = |mut setting: Setting| {
        let mut plan = Plan::default();
        plan.add(sig.clone(), &mut setting).map(|_| plan)
    };
    let (once, twice) =
        (sent(client().of_task(&id, "root", id.clone())), sent(client().of_task(&id, "root", id.clone())));
    assert_eq!(once.is_ok(), twice.is_ok());
    let (Ok(once), Ok(twice)) = (once, twice) else { return };
    let ids = |plan: &Plan| plan.messages.iter().map(|message| message.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&once), ids(&twice), "what a task sends again has the ids it had");
    assert!(sent(client().beside_celery(true)).is_ok());
    // Somebody's own headers may say anything, and arguments may be as deep as what carries them.
    let own = sig.to_json().as_str().contains("headers");
    for message in &once.messages {
        match Message::decode(&message.payload, &DecodeLimits { max_depth: 2000, ..DecodeLimits::default() }) {
            Ok(read) => assert!(own || (read.id == message.id && read.task == *message.task)),
            Err(error) => assert!(own, "{error}"),
        }
    }
    assert!(once.chords.iter().all(|chord| chord.size > 0));
}
