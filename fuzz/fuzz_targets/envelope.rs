//! What is sent on differs in nothing but what was to change; what is written is read as it was meant.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue_core::message::{Changes, DecodeLimits, Draft, Json, JsonRef, Message, Text, rewrite};
use queue_core::{QueueName, Timestamp};
use queue_fuzz::parts::{json, parts};

fuzz_target!(|data: &[u8]| {
    let mut inputs = parts(data);
    let payload = inputs.next().unwrap_or_default();
    let Ok(message) = Message::decode(payload, &queue_fuzz::parts::limits()) else { return };
    let (args, kwargs) = (json(&mut inputs), json(&mut inputs));
    let at = Timestamp::from_millis(1_700_000_000_123);
    // Retry, promotion, a dead letter put back, other arguments, more headers.
    sent_on(payload, &message, &Changes::default());
    sent_on(payload, &message, &Changes { retries: Some(7), eta: Some(Some(at)), ..Changes::default() });
    sent_on(
        payload,
        &message,
        &Changes { retries: Some(0), eta: Some(None), expires: Some(None), ..Changes::default() },
    );
    let args = args.filter(|args| args.elements().is_ok());
    let kwargs = kwargs.filter(|kwargs| kwargs.entries().is_ok());
    sent_on(payload, &message, &Changes { args, kwargs, ..Changes::default() });
    let headers = vec![("x-new \"name\"".to_owned(), Json::new("[NaN]").expect("JSON"))];
    sent_on(payload, &message, &Changes { expires: Some(Some(at)), headers, ..Changes::default() });
    written(&message);
});

fn sent_on(payload: &[u8], before: &Message, changes: &Changes) {
    let bytes = rewrite(payload, changes).expect("a message can be rewritten");
    let after = Message::decode(&bytes, &DecodeLimits::default()).expect("what was rewritten is a message");
    assert_eq!(after.retries, changes.retries.unwrap_or(before.retries));
    assert_eq!(after.eta, changes.eta.unwrap_or(before.eta));
    assert_eq!(after.expires, changes.expires.unwrap_or(before.expires));
    assert_eq!(&after.args, changes.args.as_ref().unwrap_or(&before.args));
    assert_eq!(&after.kwargs, changes.kwargs.as_ref().unwrap_or(&before.kwargs));
    assert_eq!(rest(&after), rest(before));
    assert_eq!(headers(&after, changes), headers(before, changes));
    for (name, value) in &changes.headers {
        assert_eq!(last(after.headers.as_ref(), name), Some(value.as_ref()));
    }
    // Whatever else the envelope holds is what it was.
    let (old, new) = (whole(payload), whole(&bytes));
    let kept = |json: &Json| -> Vec<(String, Json)> {
        let entries = json.entries().expect("an envelope is an object").map(|(k, v)| (k.into_owned(), v.to_json()));
        entries.filter(|(key, _)| !["headers", "properties", "body"].contains(&key.as_str())).collect()
    };
    assert_eq!(kept(&old), kept(&new));
    if changes.args.is_none() && changes.kwargs.is_none() && last(old.as_ref(), "headers").is_some_and(named) {
        assert_eq!(last(old.as_ref(), "body"), last(new.as_ref(), "body"));
    }
}

/// Protocol 2: the schedule is in the headers.
fn named(headers: JsonRef<'_>) -> bool {
    headers.entries().is_ok_and(|mut entries| entries.any(|(key, _)| key == "task"))
}

fn whole(payload: &[u8]) -> Json {
    Json::new(std::str::from_utf8(payload).expect("a message is text")).expect("a message is JSON")
}

fn last<'a>(json: JsonRef<'a>, name: &str) -> Option<JsonRef<'a>> {
    json.entries().ok()?.filter(|(key, _)| key == name).last().map(|(_, value)| value)
}

/// The headers that were not to change; the text of each.
fn headers(message: &Message, changes: &Changes) -> Vec<(String, Json)> {
    let own = ["retries", "eta", "expires", "compression"];
    let entries = message.headers.entries().expect("headers are an object");
    let entries = entries.map(|(name, value)| (name.into_owned(), value.to_json()));
    let ours = |name: &String| own.contains(&name.as_str()) || changes.headers.iter().any(|(new, _)| new == name);
    entries.filter(|(name, _)| !ours(name)).collect()
}

/// All that nobody changes.
fn rest(message: &Message) -> String {
    let none = || Json::empty_object();
    let (args, kwargs, headers, delivery_tag) = (none(), none(), none(), Text::default());
    let (retries, eta, expires, other_headers) = (0, None, None, false);
    let plain =
        Message { retries, eta, expires, args, kwargs, headers, other_headers, delivery_tag, ..message.clone() };
    format!("{plain:?}")
}

/// The same as a message of ours.
fn written(message: &Message) {
    let Ok(queue) = QueueName::new(&message.routing_key) else { return };
    let from = message.clone();
    let draft = Draft {
        args: from.args,
        kwargs: from.kwargs,
        embed: from.embed,
        priority: from.priority,
        retries: from.retries,
        eta: from.eta,
        expires: from.expires,
        time_limit: from.time_limit,
        soft_time_limit: from.soft_time_limit,
        ignore_result: from.ignore_result,
        root_id: from.root_id,
        parent_id: from.parent_id,
        group: from.group,
        group_index: from.group_index,
        sent_at: from.sent_at,
        headers: vec![("x".to_owned(), from.headers)],
        ..Draft::new(from.task, from.id, queue.as_str())
    };
    let read = Message::decode(&draft.encode(), &DecodeLimits { max_depth: 600, ..DecodeLimits::default() });
    let read = read.expect("what was written is a message");
    assert_eq!((&*read.task, &read.id, &*read.routing_key), (&*draft.task, &draft.id, &*draft.queue));
    assert_eq!((&read.args, &read.kwargs, &read.embed), (&draft.args, &draft.kwargs, &draft.embed));
    assert_eq!((read.priority, read.retries, read.ignore_result), (draft.priority, draft.retries, draft.ignore_result));
    assert_eq!((&read.root_id, &read.parent_id, &read.group), (&draft.root_id, &draft.parent_id, &draft.group));
    assert_eq!((read.group_index, read.sent_at), (draft.group_index, draft.sent_at));
    assert_eq!(last(read.headers.as_ref(), "x"), draft.headers.first().map(|(_, value)| value.as_ref()));
    // What is beyond Python's calendar is at its edge; limits are rounded to what a float holds.
    assert_eq!(read.eta.is_some(), draft.eta.is_some());
    assert_eq!(read.time_limit.is_some(), draft.time_limit.is_some());
}
