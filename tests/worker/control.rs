//! What a worker answers when it is asked, and does when it is told.

use std::time::Duration;

use queue_core::TaskId;
use queue_core::prelude::*;
use queue_core::remote::{Answers, Request};
use queue_core::store::{ReplyTo, Topic};
use queue_tests::{Bench, SECOND, wait_until};
use serde_json::{Map, Value};

use crate::scene::{SOON, Stage, client, settled, worker};
use crate::tasks::{add, hold, say};

/// The worker of a bench, by the bench's own name: all tests of a server hear each other.
pub(crate) fn name(bench: &Bench) -> String {
    format!("w@{}", bench.queue("host"))
}

/// A worker that answers.
pub(crate) async fn begin(bench: &Bench, stage: &Stage) -> queue_worker::WorkerHandle {
    let handle = worker(bench, stage).hostname(name(bench)).start(client(bench)).await.unwrap();
    until_it_answers(bench).await;
    handle
}

/// A request that comes before the worker listens is not heard.
pub(crate) async fn until_it_answers(bench: &Bench) {
    let pong = json!({"ok": "pong"});
    wait_until("the worker answers", || async { ask_within(SECOND, bench, "ping", json!({})).await == pong }).await;
}

/// What the bench's worker answers.
pub(crate) async fn ask(bench: &Bench, method: &str, arguments: Value) -> Value {
    ask_within(SOON, bench, method, arguments).await
}

/// What it answers within so long; null when it does not.
pub(crate) async fn ask_within(time: Duration, bench: &Bench, method: &str, arguments: Value) -> Value {
    let inspect = client(bench).inspect().to([name(bench)]).timeout(time);
    let Answers(mut answers) = inspect.request(method, arguments).await.unwrap();
    answers.remove(&name(bench)).unwrap_or_default()
}

/// A request that is answered as Celery's worker answered it, but for what is in it.
async fn answers_have_the_shapes_of_the_captures(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let running = client(bench).send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    let later = client(bench).send(add.s(1, 2).countdown(hours(1))).await.unwrap();
    let mut checked = 0;
    for case in cases() {
        let (method, arguments) =
            (case["request_body"]["method"].as_str().unwrap(), &case["request_body"]["arguments"]);
        if matches!(method, "shutdown" | "memsample" | "conf" | "report" | "stats") {
            continue;
        }
        let theirs = &case["replies"][0]["decoded_body"]["celery@host"];
        let arguments = ours(arguments, running.id(), later.id());
        let answer = ask(bench, method, arguments).await;
        assert_eq!(shape(&answer), shape(theirs), "{}: {answer} and {theirs}", case["name"]);
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
    handle.abort();
}

/// Cases of the capture with one reply.
fn cases() -> Vec<Value> {
    let text = include_str!("../fixtures/celery/pidbox.json").replace("Infinity", "0").replace("NaN", "0");
    let all: Value = serde_json::from_str(&text).unwrap();
    let cases = all["cases"].as_array().unwrap().iter().filter(|case| {
        let asked = &case["request_body"];
        // Whom it was addressed to is looked at elsewhere; here it is our worker.
        case["replies"].as_array().is_some_and(|replies| replies.len() == 1)
            && asked["method"].is_string()
            // Ours shrinks as slots become free; it holds nothing that it does not run; other tests may have revoked something.
            && !matches!(
                case["name"].as_str().unwrap(),
                "raw_pool_shrink" | "raw_reserved" | "raw_query_task" | "raw_revoked" | "raw_hello"
            )
    });
    cases.cloned().collect()
}

/// Their tasks' names and ids as ours.
fn ours(arguments: &Value, running: &TaskId, later: &TaskId) -> Value {
    let text = arguments.to_string();
    let text = text.replace("tasks.add", "t.add").replace("run-1", running.as_str()).replace("sch-1", later.as_str());
    serde_json::from_str(&text).unwrap()
}

/// The types of what is in a value, and the words of a short reply without the names in it.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(all) if all.contains_key("ok") || all.contains_key("error") => {
            let word = |text: &Value| text.as_str().unwrap().split([' ', '(']).next().unwrap().to_owned();
            all.iter().map(|(key, text)| (key.clone(), word(text).into())).collect::<Map<_, _>>().into()
        }
        Value::Object(all) => all
            .iter()
            .map(|(key, value)| match (key.as_str(), value) {
                // Whatever the task takes.
                ("args" | "kwargs", Value::Array(_) | Value::Object(_)) => (key.clone(), "values".into()),
                _ => (key.clone(), shape(value)),
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(all) => all.first().map(shape).into_iter().collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "bool".into(),
        Value::Null => "null".into(),
    }
}

/// What Flower's page of a worker needs is there.
async fn stats_and_settings_have_what_monitors_need(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    client(bench).send(add.s(1, 2)).await.unwrap().get(SOON).await.unwrap();
    let stats = ask(bench, "stats", json!({})).await;
    assert_eq!(stats["total"], json!({"t.add": 1}));
    assert_eq!((stats["pool"]["max-concurrency"].as_u64(), stats["prefetch_count"].as_u64()), (Some(4), Some(4)));
    assert_eq!(stats["pid"], std::process::id());
    assert!(stats["broker"].is_object() && stats["rusage"].is_object() && stats["clock"].is_string(), "{stats}");
    let conf = ask(bench, "conf", json!({"with_defaults": true})).await;
    assert_eq!((&conf["worker_concurrency"], &conf["task_serializer"]), (&json!(4), &json!("json")));
    assert!(ask(bench, "report", json!({})).await["ok"].as_str().unwrap().contains("queue:"));
    handle.abort();
}

/// Whatever is sent to it, it goes on.
async fn nonsense_harms_nobody(bench: &Bench) {
    let handle = begin(bench, &Stage::default()).await;
    let text = |text: &str| text.as_bytes().to_vec();
    for payload in [text(""), text("[]"), text("{}"), text("\u{0}"), vec![0xff; 100], text(&"[".repeat(10_000))] {
        bench.store.publish(&Topic::Control, &payload).await.unwrap();
    }
    let nowhere = Request { method: "ping".into(), reply_to: Some(ReplyTo::fresh()), ..Request::default() };
    bench.store.publish(&Topic::Control, &nowhere.encode()).await.unwrap();
    for (method, arguments, error) in [
        ("no_such", json!({}), "KeyError('no_such')"),
        ("revoke", json!({}), "TypeError(\"revoke() missing 1 required positional argument: 'task_id'\")"),
        ("active_queues", json!({"x": 1}), "TypeError(\"active_queues() got an unexpected keyword argument 'x'\")"),
        ("rate_limit", json!({"task_name": "t.add", "rate_limit": {}}), "Invalid rate limit string: "),
        ("time_limit", json!({"task_name": 7}), "TypeError('task_name must be a string')"),
        ("time_limit", json!({"task_name": "t.add", "hard": -1}), "ValueError("),
        ("add_consumer", json!({"queue": ""}), "ValueError('a queue name must not be empty')"),
        ("pool_grow", json!({"n": -1}), "ValueError("),
        ("pool_shrink", json!({"n": 4}), "ValueError("),
        ("autoscale", json!({"max": 4}), "ValueError('Autoscale not enabled')"),
        ("revoke_by_stamped_headers", json!({"headers": "x"}), "ValueError("),
        ("query_task", json!({"ids": [""]}), "ValueError("),
    ] {
        let answer = ask(bench, method, arguments).await;
        assert!(answer["error"].as_str().is_some_and(|text| text.starts_with(error)), "{method}: {answer}");
    }
    assert_eq!(ask(bench, "ping", json!({})).await, json!({"ok": "pong"}));
    handle.abort();
}

/// Only those who are meant answer.
async fn a_request_reaches_whom_it_means(bench: &Bench) {
    let handle = begin(bench, &Stage::default()).await;
    let client = client(bench);
    let fits = name(bench).replace("w@", "?@");
    let answers = client.inspect().matching(fits).timeout(SOON).limit(1).ping().await.unwrap();
    assert_eq!(answers.keys().collect::<Vec<_>>(), [&name(bench)]);
    let nobody = client.inspect().to(["x@nowhere"]).timeout(Duration::from_millis(50)).ping().await.unwrap();
    assert!(nobody.is_empty());
    wait_until("it is among all", || async {
        client.inspect().timeout(2 * SECOND).ping().await.unwrap().contains_key(&name(bench))
    })
    .await;
    handle.abort();
}

/// Who waits for answers for ever has them when all are in.
async fn answers_may_be_waited_for_for_ever(bench: &Bench) {
    let handle = begin(bench, &Stage::default()).await;
    let inspect = client(bench).inspect().to([name(bench)]).timeout(Duration::MAX);
    assert!(inspect.ping().await.unwrap().contains_key(&name(bench)));
    handle.abort();
}

/// A job over the rate goes back into the store, due later, and blocks no slot.
async fn a_rate_limit_puts_jobs_off(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let answer = ask(bench, "rate_limit", json!({"task_name": "t.say", "rate_limit": "1/h"})).await;
    assert_eq!(answer, json!({"ok": "new rate limit set successfully"}));
    assert!(ask(bench, "registered", json!({})).await.as_array().unwrap().contains(&json!("t.say [rate_limit=1/h]")));
    client(bench).send_many((0..10).map(|n| say.s(n.to_string()))).await.unwrap();
    wait_until("nine are put off", || async { bench.counts("q").await.scheduled == 9 }).await;
    assert_eq!(client(bench).send(add.s(1, 2)).await.unwrap().get(SOON).await.unwrap(), 3);
    assert_eq!(stage.said().len(), 1);
    ask(bench, "rate_limit", json!({"task_name": "t.say", "rate_limit": "0"})).await;
    bench.advance(Duration::from_secs(61));
    settled(bench).await;
    assert_eq!(stage.said().len(), 10);
    handle.abort();
}

/// A time limit that is set by remote holds for the runs that begin then.
async fn time_limits_are_set(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let answer = ask(bench, "time_limit", json!({"task_name": "t.hold", "soft": 0.01, "hard": 0.02})).await;
    assert_eq!(answer, json!({"ok": "time limits set successfully"}));
    let error = client(bench).send(hold.s()).await.unwrap().get(SOON).await.unwrap_err();
    assert!(error.to_string().contains("TimeLimitExceeded"), "{error}");
    handle.abort();
}

/// A limit of 0 is none, as in Celery: not one that every run is past.
async fn a_time_limit_of_zero_is_none(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let answer = ask(bench, "time_limit", json!({"task_name": "t.hold", "soft": 0, "hard": 0})).await;
    assert_eq!(answer, json!({"ok": "time limits set successfully"}));
    let job = client(bench).send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    // Takes longer than no time.
    assert_eq!(client(bench).send(add.s(1, 2)).await.unwrap().get(SOON).await.unwrap(), 3);
    stage.open();
    assert_eq!(job.get(SOON).await.unwrap(), 7);
    handle.abort();
}

/// A queue that is added is consumed from then on; one that is cancelled is not.
async fn queues_come_and_go(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let other = bench.queue("other");
    let job = client(bench).send(add.s(1, 2).queue(other.as_str())).await.unwrap();
    assert_eq!(
        ask(bench, "add_consumer", json!({"queue": other.as_str()})).await["ok"],
        format!("add consumer {other}")
    );
    assert_eq!(job.get(SOON).await.unwrap(), 3);
    let queues = ask(bench, "active_queues", json!({})).await;
    assert_eq!(queues[1]["name"], other.as_str());

    ask(bench, "cancel_consumer", json!({"queue": bench.queue("q").as_str()})).await;
    client(bench).send(say.s("left")).await.unwrap();
    client(bench).send(add.s(3, 4).queue(other.as_str())).await.unwrap().get(SOON).await.unwrap();
    wait_until("it lies there", || async { bench.counts("q").await.ready == 1 }).await;
    assert_eq!(stage.count("left"), 0);
    ask(bench, "cancel_consumer", json!({"queue": other.as_str()})).await;
    assert_eq!(ask(bench, "active_queues", json!({})).await, json!([]));
    ask(bench, "add_consumer", json!({"queue": bench.queue("q").as_str()})).await;
    stage.heard("left", 1).await;
    handle.abort();
}

/// Waits until the store's description of the bench's worker has this size.
async fn told_size(bench: &Bench, slots: usize) {
    wait_until("`queue workers` tells how many slots there are now", || async {
        let workers = bench.store.workers().await.unwrap();
        workers.iter().any(|worker| worker.hostname == name(bench) && worker.concurrency == slots)
    })
    .await;
}

/// More slots take up work at once; fewer do as they become free.
async fn slots_grow_and_shrink(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    client(bench).send_many((0..6).map(|_| hold.s())).await.unwrap();
    stage.heard("started", 4).await;
    ask(bench, "pool_grow", json!({"n": 2})).await;
    stage.heard("started", 6).await;
    told_size(bench, 6).await;
    ask(bench, "pool_shrink", json!({"n": 5})).await;
    told_size(bench, 1).await;
    stage.open();
    settled(bench).await;
    wait_until("one slot is left", || async {
        ask(bench, "stats", json!({})).await["pool"]["max-concurrency"] == json!(1)
    })
    .await;
    let more = client(bench).send_many((0..3).map(|_| say.s("more"))).await.unwrap();
    for job in more {
        job.get(SOON).await.unwrap();
    }
    handle.abort();
}

/// A worker that scales has as many slots as there is work for, up to its bound.
async fn autoscale_follows_the_work(bench: &Bench) {
    let stage = Stage::default();
    let scaling = worker(bench, &stage).hostname(name(bench)).autoscale(5, 1);
    let handle = scaling.start(client(bench)).await.unwrap();
    until_it_answers(bench).await;
    client(bench).send_many((0..7).map(|_| hold.s())).await.unwrap();
    stage.heard("started", 5).await;
    let answer = ask(bench, "autoscale", json!({"max": 7, "min": 2})).await;
    assert_eq!(answer, json!({"ok": "autoscale now max=7 min=2"}));
    assert_eq!(ask(bench, "stats", json!({})).await["autoscaler"]["max"], 7);
    // Growing beyond what was the bound until now takes an occasion.
    ask(bench, "pool_grow", json!({"n": 1})).await;
    stage.heard("started", 7).await;
    stage.open();
    settled(bench).await;
    handle.abort();
}

/// Asked to stop, it finishes what runs and ends.
async fn shutdown_finishes_what_runs(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let job = client(bench).send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    client(bench).control().to([name(bench)]).shutdown().await.unwrap();
    handle.stopping().await;
    stage.open();
    let report = handle.wait().await.unwrap();
    assert_eq!((report.succeeded, report.given_back), (1, 0));
    assert_eq!(job.get(SOON).await.unwrap(), 7);
}

queue_tests::conformance!(
    answers_have_the_shapes_of_the_captures,
    stats_and_settings_have_what_monitors_need,
    nonsense_harms_nobody,
    a_request_reaches_whom_it_means,
    answers_may_be_waited_for_for_ever,
    a_rate_limit_puts_jobs_off,
    time_limits_are_set,
    a_time_limit_of_zero_is_none,
    queues_come_and_go,
    slots_grow_and_shrink,
    autoscale_follows_the_work,
    shutdown_finishes_what_runs,
);
