//! Workflows: what we send for a canvas is what Celery sent for the same, ids aside; and what Celery's worker did with its
//! messages is what ours does.

use std::collections::HashMap;
use std::time::Duration;

use queue_core::canvas::{Plan, Setting, Signature};
use queue_core::message::{DecodeLimits, Json, JsonRef, Message};
use queue_core::prelude::*;
use queue_core::{QueueName, Timestamp};
use serde_json::{Value, json};

use crate::captures::{cases, find, get, load, text};

#[task(name = "tasks.add")]
async fn add(x: i64, y: i64) -> i64 {
    x + y
}

#[task(name = "tasks.mul")]
async fn mul(x: i64, y: i64) -> i64 {
    x * y
}

#[task(name = "tasks.tsum")]
async fn tsum(numbers: Vec<i64>) -> i64 {
    numbers.iter().sum()
}

#[task(name = "tasks.ident")]
async fn ident(x: Value) -> Value {
    x
}

#[task(name = "tasks.err_old")]
async fn err_old(id: String) -> String {
    id
}

/// Keys that a message may have or not: display, bookkeeping of Python's own, and what means the same when absent.
const NOISE: [&str; 6] = ["reply_to", "root_id", "parent_id", "add_to_parent", "extra", "subtask_of"];

/// A message or signature with its ids named in the order they appear.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn clean(&mut self, value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let kept = map.into_iter().filter(|(key, value)| {
                    !(NOISE.contains(&key.as_str()) || (key == "kwargs" && *value == json!({})))
                });
                Value::Object(kept.map(|(key, value)| (key, self.clean(value))).collect())
            }
            Value::Array(list) => Value::Array(list.into_iter().map(|one| self.clean(one)).collect()),
            Value::String(text) if looks_like_an_id(&text) => {
                let next = format!("id{}", self.0.len());
                Value::String(self.0.entry(text).or_insert(next).clone())
            }
            other => other,
        }
    }
}

fn looks_like_an_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4
}

/// What counts of a message: its headers and body.
fn essence(message: &Message, names: &mut Names) -> Value {
    let embed: Value = message.embed.parse().unwrap();
    let part = |name: &str| embed.get(name).cloned().filter(|part| *part != json!([])).unwrap_or(Value::Null);
    let header = |name: &str| find(message.headers.as_ref(), name).map(|value| value.parse::<Value>().unwrap());
    names.clean(json!({
        "id": message.id.as_str(), "task": message.task, "args": message.args.parse::<Value>().unwrap(),
        "kwargs": message.kwargs.parse::<Value>().unwrap(), "group": message.group, "index": message.group_index,
        "callbacks": part("callbacks"), "errbacks": part("errbacks"), "chain": part("chain"), "chord": part("chord"),
        "stamped": header("stamped_headers").filter(|list| *list != json!([])), "stamps": header("stamps").filter(|s| *s != json!({})),
        "routing_key": message.routing_key,
    }))
}

/// What Celery left in its queues for the call of this name: the messages in the order sent, and the sizes of chords.
fn celery_sent(name: &str) -> (Vec<Message>, Vec<Value>) {
    let file = load("messages.json");
    let all = cases(&file);
    let case = all.into_iter().find(|case| text(*case, "name") == name).unwrap_or_else(|| panic!("no case {name}"));
    let (mut messages, mut sizes) = (Vec::new(), Vec::new());
    for (_, database) in get(case, "redis_after").entries().unwrap() {
        for (key, value) in database.entries().unwrap() {
            if text(value, "type") == "list" {
                let items: Vec<JsonRef<'_>> = get(value, "items").elements().unwrap().collect();
                let raw = items.iter().rev().map(|item| text(*item, "raw"));
                messages.extend(raw.map(|raw| Message::decode(raw.as_bytes(), &DecodeLimits::default()).unwrap()));
            } else if key.ends_with(".s") {
                sizes.push(json!(text(value, "value").parse::<u64>().unwrap()));
            }
        }
    }
    sizes.sort_by_key(|size| size.as_u64());
    (messages, sizes)
}

fn we_send(sig: impl Into<Signature>) -> (Vec<Message>, Vec<Value>) {
    let day = Some(Duration::from_secs(86_400));
    let mut setting = Setting::of_client(QueueName::celery(), Timestamp::from_millis(1_700_000_000_000), day);
    let mut plan = Plan::default();
    plan.add(sig.into(), &mut setting).unwrap();
    let decoded = plan.messages.iter().map(|sent| Message::decode(&sent.payload, &DecodeLimits::default()).unwrap());
    let mut sizes: Vec<Value> = plan.chords.iter().map(|chord| json!(chord.size)).collect();
    sizes.sort_by_key(|size| size.as_u64());
    (decoded.collect(), sizes)
}

#[track_caller]
fn same_as_celery(case: &str, sig: impl Into<Signature>) {
    let ((theirs, their_sizes), (ours, our_sizes)) = (celery_sent(case), we_send(sig));
    assert_eq!(our_sizes, their_sizes, "{case}: sizes of chords");
    let (mut a, mut b) = (Names::default(), Names::default());
    let theirs: Vec<Value> = theirs.iter().map(|message| essence(message, &mut a)).collect();
    let ours: Vec<Value> = ours.iter().map(|message| essence(message, &mut b)).collect();
    assert_eq!(pretty(&ours), pretty(&theirs), "{case}");
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn links_are_celerys() {
    same_as_celery("link_one", add.s(1, 1).link(mul.partial(10)));
    let other = ident.s(json!("fixed")).queue("other").priority(6).immutable();
    same_as_celery("link_two", add.s(1, 1).link(mul.partial(10)).link(other));
    same_as_celery("link_error", add.s(1, 1).link_error(err_old.partial()).link_error(Call::named("remote.errback")));
}

#[test]
fn chains_are_celerys() {
    same_as_celery("chain_3", add.s(1, 2).then(mul.partial(10)).then(ident.si(json!("end"))));
    let slow = mul.partial(10).queue("q9").countdown(seconds(5)).priority(3);
    same_as_celery("chain_with_options", add.s(1, 2).then(slow).link_error(err_old.partial()));
}

#[test]
fn groups_are_celerys() {
    same_as_celery("group_2", group([add.s(1, 2), add.s(3, 4)]));
    let then_group = add.s(1, 2).then(group([add.partial(10), add.partial(20)]));
    same_as_celery("chain_then_group", then_group);
}

#[test]
fn chords_are_celerys() {
    let header = || [add.s(1, 2), add.s(3, 4)];
    same_as_celery("chord_2", group(header()).then(tsum.partial()));
    same_as_celery("chord_with_generator_header", group((0..2).map(|i| add.s(i, i))).then(tsum.partial()));
    same_as_celery("chord_body_link_error", group(header()).then(tsum.partial().link_error(err_old.partial())));
    let chained =
        Signature::chord([add.s(1, 2).then(mul.partial(3)).untyped(), add.s(3, 4).untyped()], tsum.partial().into());
    same_as_celery("chord_with_chain_in_header", chained);
    let inner = group(header()).then(tsum.partial()).untyped();
    same_as_celery(
        "chord_with_chord_in_header",
        Signature::chord([inner, add.s(5, 6).untyped()], ident.partial().into()),
    );
    let bodies = Signature::group([ident.partial().untyped(), tsum.partial().untyped()]);
    same_as_celery("chord_body_group", Signature::chord(header().map(Call::untyped), bodies));
    same_as_celery("chord_empty_header", Signature::chord([], tsum.partial().into()));
}

#[test]
fn a_group_in_a_chain_becomes_a_chord() {
    let flow = ident.s(json!(5)).untyped();
    let members = [add.partial(1), add.partial(2)].map(Call::untyped);
    let sig =
        Signature::chain([flow, Signature::group(members), tsum.partial().untyped(), add.partial(1000).untyped()]);
    same_as_celery("chain_group_task_becomes_chord", sig);
}

#[test]
fn maps_are_celerys() {
    same_as_celery("map", add.map([1, 2]));
    same_as_celery("starmap", add.starmap([(1, 2), (3, 4)]));
    same_as_celery("chunks", add.chunks([(1, 2), (3, 4), (5, 6)], 2.try_into().unwrap()));
}

#[test]
fn stamps_are_celerys() {
    same_as_celery("stamp_kwarg", add.s(1, 2).stamp("tenant", "acme"));
    let chain = add.s(1, 2).link_error(err_old.partial()).then(mul.partial(3)).link(ident.partial());
    same_as_celery("stamp_visitor_chain_with_link", chain.stamp("monitoring_id", "mid-1"));
}

/// Every signature in the captures is read and written as it was.
#[test]
fn signatures_travel_unchanged() {
    let mut seen = 0;
    for name in ["messages.json", "results.json"] {
        let file = load(name);
        each_signature(file.as_ref(), &mut |json| {
            seen += 1;
            let sig = Signature::from_json(json).unwrap();
            let (mut a, mut b) = (Names::default(), Names::default());
            let (theirs, ours) = (a.clean(json.parse().unwrap()), b.clean(sig.to_json().parse().unwrap()));
            // A chord's header is a list with us, whatever it was.
            if sig.name() != "celery.chord" && !json.as_str().contains("celery.chord") {
                assert_eq!(ours, theirs, "{}", json.preview(200));
            }
        });
    }
    assert!(seen > 40, "only {seen} signatures in the captures");
}

fn each_signature(json: JsonRef<'_>, look: &mut impl FnMut(JsonRef<'_>)) {
    if find(json, "subtask_type").is_some() {
        look(json);
    }
    if let Ok(entries) = json.entries() {
        entries.for_each(|(_, value)| each_signature(value, look));
    } else if let Ok(elements) = json.elements() {
        elements.for_each(|value| each_signature(value, look));
    }
}

/// Bad signatures are errors, each with its place; none is sent in part.
#[test]
fn bad_signatures_are_refused() {
    let refused = |text: &str| {
        let json = Json::new(text).unwrap();
        let mut setting = Setting::of_client(QueueName::celery(), Timestamp::from_millis(0), None);
        let sent = Signature::from_json(json.as_ref()).and_then(|sig| Plan::default().add(sig, &mut setting));
        sent.unwrap_err().to_string()
    };
    for (text, says) in [
        ("[]", "a signature is an object"),
        ("{}", "names its task"),
        (r#"{"task": 5}"#, "names its task"),
        (r#"{"task": "", "args": []}"#, "a task's name must not be empty"),
        (r#"{"task": "t", "args": 5}"#, "`args`"),
        (r#"{"task": "t", "kwargs": []}"#, "`kwargs`"),
        (r#"{"task": "t", "options": "x"}"#, "`options`"),
        (r#"{"task": "t", "options": {"countdown": "soon"}}"#, "`countdown`"),
        (r#"{"task": "t", "options": {"eta": "soon"}}"#, "`eta`"),
        (r#"{"task": "t", "options": {"shadow": {}}}"#, "`shadow`"),
        (r#"{"task": "t", "options": {"queue": "a\u0000b"}}"#, "task `t` cannot be sent"),
        (r#"{"task": "t", "options": {"exchange": "media", "routing_key": "video"}}"#, "`exchange`"),
        (r#"{"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": []}}"#, "at least one step"),
        (r#"{"task": "celery.chain", "subtask_type": "chain", "kwargs": {}}"#, "`tasks`"),
        (r#"{"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": 7}}"#, "are an array"),
        (r#"{"task": "celery.chord", "subtask_type": "chord", "kwargs": {"header": []}}"#, "has a body"),
    ] {
        let said = refused(text);
        assert!(said.contains(says), "{text}: {said}");
    }
    let deep = (0..200).fold("{\"task\": \"t\"}".to_owned(), |inner, _| {
        format!("{{\"task\": \"celery.group\", \"subtask_type\": \"group\", \"kwargs\": {{\"tasks\": [{inner}]}}}}")
    });
    assert!(Json::new(deep.as_str()).is_err() || refused(&deep).contains("levels deep"));
}

/// A chain of 10,000 steps and a group of 100,000 members are sent.
#[test]
fn large_workflows_are_sent() {
    let chain = (1..10_000).fold(add.s(0, 0).then(add.partial(1)), |chain, _| chain.then(add.partial(1)));
    let (messages, _) = we_send(chain);
    let embed: Value = messages[0].embed.parse().unwrap();
    assert_eq!((messages.len(), embed["chain"].as_array().unwrap().len()), (1, 10_000));
    let (messages, _) = we_send(group((0..100_000).map(|n| add.s(n, n))));
    assert_eq!(messages.len(), 100_000);
}
