//! Workflows that nobody would write: nested too deep, or with too much of something. Each is sent or refused with a reason;
//! none ends the stack, and none takes the square of its size in time (these tests would then not end).

use queue_core::canvas::{Plan, Setting, Signature, after_success, replace, stamps};
use queue_core::message::{DecodeLimits, Draft, Json, Message};
use queue_core::{QueueName, TaskId, Timestamp};
use serde_json::Value;

const GROUP: &str = r#"{"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": []}}"#;

fn composition(kind: &str, parts: &str) -> String {
    format!(r#"{{"task": "celery.{kind}", "subtask_type": "{kind}", "kwargs": {{"tasks": [{parts}]}}}}"#)
}

fn signature(text: &str) -> Signature {
    Signature::from_json(Json::new(text).unwrap().as_ref()).unwrap()
}

fn setting() -> Setting {
    Setting::of_client(QueueName::celery(), Timestamp::from_millis(0), None)
}

fn refused(sig: Signature) -> String {
    Plan::default().add(sig, &mut setting()).unwrap_err().to_string()
}

fn message(embed: String, headers: Vec<(String, Json)>) -> Message {
    let embed = Json::new(embed).unwrap();
    let draft = Draft { embed, headers, ..Draft::new("t", TaskId::new("id").unwrap(), "q") };
    Message::decode(&draft.encode(), &DecodeLimits::default()).unwrap()
}

fn entries(count: usize) -> String {
    (0..count).map(|n| format!("\"k{n}\": [], ")).collect()
}

/// An empty group is done at once, and what follows it comes next, in the same step.
#[test]
fn ten_thousand_empty_groups_in_a_chain_are_refused() {
    let chain = vec![GROUP; 10_000].join(", ");
    let message = message(format!(r#"{{"chain": [{{"task": "t"}}, {chain}]}}"#), Vec::new());
    let error = after_success(&message, &Json::null(), &mut setting()).unwrap_err();
    assert!(error.to_string().contains("levels deep"), "{error}");
    assert!(refused(signature(&composition("chain", &chain))).contains("levels deep"));
}

/// Each group of a chain becomes a chord with all that follows in its body: chains in chains of groups add up.
#[test]
fn chains_of_groups_in_each_other_are_refused() {
    let deep = (0..45).fold("{\"task\": \"t\"}".to_owned(), |inner, _| {
        let groups = format!("{GROUP}, ").repeat(90);
        composition("chain", &format!("{groups}{}", composition("group", &format!("{inner}, {GROUP}"))))
    });
    let sig = signature(&deep);
    let mut frozen = sig.clone();
    frozen.freeze();
    assert!(refused(frozen).contains("levels deep"));
    let message = message("null".to_owned(), Vec::new());
    assert!(replace(&message, sig.clone(), &mut setting()).unwrap_err().to_string().contains("levels deep"));
    assert!(refused(sig).contains("levels deep"));
}

#[test]
fn as_many_groups_as_readers_take_are_sent() {
    for (groups, fits) in [(90, true), (101, false)] {
        let chain = composition("chain", &format!("{}{{\"task\": \"t\"}}", format!("{GROUP}, ").repeat(groups)));
        assert_eq!(Plan::default().add(signature(&chain), &mut setting()).is_ok(), fits, "{groups}");
    }
}

#[test]
fn ten_thousand_compositions_in_each_other_are_refused() {
    for around in [
        (|inner| Signature::chain([inner])) as fn(Signature) -> Signature,
        |inner| Signature::group([inner]),
        |inner| Signature::chord([], inner),
    ] {
        let deep = (0..10_000).fold(signature(r#"{"task": "t"}"#), |inner, _| around(inner));
        assert!(deep.to_json().as_str().len() < 100_000);
        assert!(refused(deep.clone()).contains("levels deep"));
    }
}

#[test]
fn a_thousand_links_in_each_other_are_refused() {
    let task = || signature(r#"{"task": "t"}"#);
    let mut deep = (0..1000).fold(task(), |inner, _| {
        let mut sig = task();
        sig.link(&inner);
        sig
    });
    deep.stamped("tenant", "acme");
    assert!(refused(deep).contains("nested too deep"));
}

/// What every worker would set aside is not sent.
#[test]
fn a_result_as_deep_as_may_be_is_no_argument() {
    let message = message(r#"{"callbacks": [{"task": "t"}]}"#.to_owned(), Vec::new());
    for (levels, fits) in [(511, true), (512, false)] {
        let value = Json::new(format!("{}{}", "[".repeat(levels), "]".repeat(levels))).unwrap();
        assert_eq!(after_success(&message, &value, &mut setting()).is_ok(), fits, "{levels}");
    }
}

#[test]
fn a_hundred_thousand_options_are_read() {
    let (count, all) = (100_000, entries(100_000));
    let names: Vec<String> = (0..count).map(|n| format!("\"k{n}\"")).collect();
    let text = format!(r#"{{"task": "t", {all}"options": {{{all}"stamped_headers": [{}]}}}}"#, names.join(", "));
    let sig = signature(&text);
    assert_eq!(signature(sig.to_json().as_str()), sig);
    let mut plan = Plan::default();
    plan.add(sig, &mut setting()).unwrap();
    let sent = Message::decode(&plan.messages[0].payload, &DecodeLimits::default()).unwrap();
    assert_eq!(stamps(&sent).len(), count + 1);
}

#[test]
fn a_hundred_thousand_stamps_travel_on() {
    let all = Json::new(format!("{{{}\"last\": 1}}", entries(100_000))).unwrap();
    let message = message("null".to_owned(), vec![("stamps".to_owned(), all.clone())]);
    let follow = replace(&message, signature(r#"{"task": "t"}"#), &mut setting()).unwrap();
    let sent = Message::decode(&follow.plan.messages[0].payload, &DecodeLimits::default()).unwrap();
    let stamped = sent.headers.entries().unwrap().find(|(name, _)| name == "stamps").unwrap().1;
    assert_eq!(stamped.parse::<Value>().unwrap(), all.parse::<Value>().unwrap());
}
