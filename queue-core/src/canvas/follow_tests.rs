use super::*;
use crate::clock::Timestamp;
use crate::message::{DecodeLimits, Draft};
use crate::names::QueueName;

fn json(text: &str) -> Json {
    Json::new(text).unwrap()
}

fn message(embed: &str, change: impl FnOnce(&mut Draft)) -> Message {
    let mut draft = Draft::new("t.one", TaskId::new("one").unwrap(), "q");
    draft.embed = json(embed);
    change(&mut draft);
    Message::decode(&draft.encode(), &DecodeLimits::default()).unwrap()
}

fn setting(message: &Message) -> Setting {
    let client = Setting::of_client(QueueName::celery(), Timestamp::from_millis(0), None);
    client.of_task(&message.id, "root", message.id.child(7))
}

fn sent(follow: &Follow) -> Vec<Message> {
    let decode = |payload: &[u8]| Message::decode(payload, &DecodeLimits::default()).unwrap();
    follow.plan.messages.iter().map(|message| decode(&message.payload)).collect()
}

#[test]
fn next_step_keeps_its_id_and_takes_the_rest_along() {
    let steps = r#"{"chain": [{"task": "t.c", "options": {"task_id": "c"}}, {"task": "t.b", "args": [2], "options": {"task_id": "b", "queue": "x"}}]}"#;
    let message = message(steps, |_| {});
    let follow = after_success(&message, &json("1"), &mut setting(&message)).unwrap();
    let next = &sent(&follow)[0];
    assert_eq!((next.id.as_str(), next.task.as_str(), next.args.as_str()), ("b", "t.b", "[1, 2]"));
    assert_eq!((next.parent_id.as_deref(), next.root_id.as_deref()), (Some("one"), Some("root")));
    assert_eq!(next.routing_key, "x");
    assert!(next.embed.as_str().contains("t.c") && !next.embed.as_str().contains("t.b"));
}

#[test]
fn what_is_sent_again_has_the_same_ids() {
    let message = message(r#"{"callbacks": [{"task": "t.a"}, {"task": "t.b"}]}"#, |_| {});
    let ids = || -> Vec<String> {
        let follow = after_success(&message, &json("1"), &mut setting(&message)).unwrap();
        sent(&follow).iter().map(|message| message.id.to_string()).collect()
    };
    assert_eq!(ids(), ids());
    assert_ne!(ids()[0], ids()[1]);
}

#[test]
fn failure_reaches_every_later_step_and_its_chord() {
    let chord = r#"{"task": "t.body", "options": {"task_id": "body"}}"#;
    let steps = format!(
        r#"{{"chain": [{{"task": "t.c", "options": {{"task_id": "c", "group_id": "g", "group_index": 3, "chord": {chord}}}}},
            {{"task": "t.b", "options": {{"task_id": "b"}}}}], "errbacks": [{{"task": "t.e", "args": [5]}}]}}"#
    );
    let message = message(&steps, |_| {});
    let (follow, wrong) =
        after_failure(&message, &State::Failure, &json(r#"{"exc_type":"E"}"#), &mut setting(&message));
    assert!(wrong.is_empty());
    let ended: Vec<&str> = follow.ended.iter().map(TaskId::as_str).collect();
    assert_eq!(ended, ["b", "c"]);
    let part = &follow.parts[0];
    assert_eq!((part.group.as_str(), part.id.as_str(), part.index), ("g", "c", Some(3)));
    assert_eq!(&part.member[..], br#"[1, "c", "FAILURE", {"exc_type": "E"}]"#);
    assert_eq!(sent(&follow)[0].args.as_str(), r#"["one", 5]"#);
}

#[test]
fn revocation_ends_what_waits_and_calls_no_errbacks() {
    let steps = r#"{"chain": [{"task": "t.b", "options": {"task_id": "b"}}], "errbacks": [{"task": "t.e"}], "chord": {"task": "t.body"}}"#;
    let message = message(steps, |draft| (draft.group, draft.group_index) = (Some("g".into()), Some(0)));
    let (follow, _) = after_failure(&message, &State::Revoked, &json("{}"), &mut setting(&message));
    assert_eq!(follow.ended.iter().map(TaskId::as_str).collect::<Vec<_>>(), ["b"]);
    assert!(follow.plan.messages.is_empty());
    assert_eq!(&follow.parts[0].member[..], br#"[1, "one", "REVOKED", {}]"#);
}

#[test]
fn replacement_has_the_id_the_place_and_the_rest() {
    let embed =
        r#"{"chain": [{"task": "t.c", "options": {"task_id": "c"}}], "callbacks": [{"task": "t.l"}], "chord": null}"#;
    let message = message(embed, |draft| (draft.group, draft.group_index) = (Some("g".into()), Some(4)));
    let sig = Signature::task("t.new", json("[1]"), json("{}"));
    let new = sent(&replace(&message, sig, &mut setting(&message)).unwrap()).remove(0);
    assert_eq!((new.id.as_str(), new.group.as_deref(), new.group_index), ("one", Some("g"), Some(4)));
    assert!(new.embed.as_str().contains("t.l") && new.embed.as_str().contains("t.c"));
    assert!(new.headers.as_str().contains(r#""replaced_task_nesting":1"#), "{}", new.headers.as_str());
}

/// What no worker would read is not sent: nobody could tell whose it was, and who waits for it would wait for ever.
#[test]
fn what_is_too_large_to_be_read_is_not_sent() {
    let message = message(r#"{"chain": [{"task": "t.next"}]}"#, |_| {});
    let limit = DecodeLimits::default().max_body;
    // Beside the value: its quotes, and `[[],{},null]`.
    let value = |bytes: usize| Json::trusted(format!("\"{}\"", "x".repeat(bytes - 14)));
    let mut follow = after_success(&message, &value(limit), &mut setting(&message)).unwrap();
    let largest = follow.plan.messages.pop().unwrap().payload;
    assert!(Message::decode(&largest, &DecodeLimits::default()).is_ok());
    let error = after_success(&message, &value(limit + 1), &mut setting(&message)).unwrap_err().to_string();
    assert!(error.contains("a worker reads no more than 67108864"), "{error}");
}
