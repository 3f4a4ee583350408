//! What a worker tells monitors.

use std::time::Duration;

use queue_core::events::{Event, Events};
use queue_core::prelude::*;
use queue_core::{Call, ClientOptions};
use queue_tests::Bench;

use crate::scene::{SOON, Stage, client, worker};
use crate::tasks::{add, block_early, flaky, hold, reject, say};

fn name(bench: &Bench) -> String {
    format!("w@{}", bench.queue("host"))
}

/// The next event of this bench's worker that fits.
async fn next(events: &mut Events, bench: &Bench, fits: impl Fn(&Event) -> bool) -> Event {
    let name = name(bench);
    let search = async {
        loop {
            let event = events.next().await.expect("the store is open");
            if event.hostname == name && fits(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(SOON, search).await.expect("such an event")
}

/// The kinds of the next events about a task.
async fn kinds(events: &mut Events, bench: &Bench, id: &str, count: usize) -> Vec<Event> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(next(events, bench, |event| event.uuid() == Some(id)).await);
    }
    all
}

fn words(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

/// It says when it comes, that it lives, and when it goes; of its tasks nothing.
async fn a_worker_tells_that_it_lives(bench: &Bench) {
    let mut events = client(bench).events().await.unwrap();
    let handle = worker(bench, &Stage::default()).hostname(name(bench)).start(client(bench)).await.unwrap();
    let online = next(&mut events, bench, |_| true).await;
    assert_eq!(online.kind, "worker-online");
    client(bench).send(add.s(1, 2)).await.unwrap().get(SOON).await.unwrap();
    let beat = next(&mut events, bench, |event| {
        assert!(!event.kind.starts_with("task-"), "{event:?}");
        event.kind == "worker-heartbeat"
    })
    .await;
    assert_eq!((beat.fields["freq"].as_f64(), beat.fields["processed"].as_u64()), (Some(5.0), Some(1)));
    for field in ["active", "loadavg", "sw_ident", "sw_ver", "sw_sys"] {
        assert!(beat.fields.contains_key(field), "{field}");
    }
    assert!(beat.pid == Some(u64::from(std::process::id())) && beat.clock > online.clock);
    handle.shutdown();
    handle.wait().await.unwrap();
    next(&mut events, bench, |event| event.kind == "worker-offline").await;
}

/// With task events on, each step of a job is told, in order and with what Celery says of it.
async fn task_events_tell_a_jobs_life(bench: &Bench) {
    let mut events = client(bench).events().await.unwrap();
    let stage = Stage::default();
    let telling = worker(bench, &stage).hostname(name(bench)).task_events(true);
    let handle = telling.start(client(bench)).await.unwrap();

    let job = client(bench).send(add.s(1, 2)).await.unwrap();
    let told = kinds(&mut events, bench, job.id().as_str(), 3).await;
    assert_eq!(words(&told), ["task-received", "task-started", "task-succeeded"]);
    assert_eq!((told[0].text("name"), told[0].text("args")), (Some("t.add"), Some("(1, 2)")));
    assert_eq!((told[0].text("kwargs"), told[0].fields["retries"].as_u64()), (Some("{}"), Some(0)));
    assert_eq!(told[2].text("result"), Some("3"));
    assert!(told[2].fields["runtime"].as_f64().is_some());

    let job = client(bench).send(flaky.s(1)).await.unwrap();
    let told = kinds(&mut events, bench, job.id().as_str(), 6).await;
    // Told once the store has it, by when the next run may have been taken up.
    let (retried, runs): (Vec<_>, Vec<_>) = told.into_iter().partition(|event| event.kind == "task-retried");
    let once = ["task-received", "task-started"];
    assert_eq!(words(&runs), [&once[..], &once[..], &["task-succeeded"]].concat());
    assert_eq!((retried.len(), retried[0].text("exception")), (1, Some("Paper('the printer is out of paper')")));

    let job = client(bench).send(reject.s()).await.unwrap();
    assert_eq!(kinds(&mut events, bench, job.id().as_str(), 3).await[2].kind, "task-rejected");
    let job = client(bench).send(flaky.s(99).max_retries(0)).await.unwrap();
    assert_eq!(kinds(&mut events, bench, job.id().as_str(), 3).await[2].kind, "task-failed");
    // What should follow its success cannot be sent.
    let broken = add.s(1, 1).link(Call::named("t.echo").untyped().set("countdown", "soon"));
    let job = client(bench).send(broken).await.unwrap();
    let told = kinds(&mut events, bench, job.id().as_str(), 3).await;
    assert_eq!(words(&told), ["task-received", "task-started", "task-failed"]);
    assert!(told[2].text("exception").is_some_and(|why| why.contains("countdown")), "{told:?}");
    let job = client(bench).send(Call::named("t.unknown")).await.unwrap();
    let told = kinds(&mut events, bench, job.id().as_str(), 2).await;
    assert_eq!(words(&told), ["task-received", "task-failed"]);
    let hour = Duration::from_secs(3600);
    let job = client(bench).send(say.s("x").countdown(2 * hour).expires(hour)).await.unwrap();
    bench.advance(2 * hour);
    let told = kinds(&mut events, bench, job.id().as_str(), 1).await;
    assert_eq!((told[0].kind.as_str(), told[0].fields["expired"].as_bool()), ("task-revoked", Some(true)));
    handle.abort();
}

/// A body that blocks its thread right after its beginning was told does not keep that, or what comes after, from being told.
async fn events_go_on_beside_a_body_that_blocks(bench: &Bench) {
    let mut events = client(bench).events().await.unwrap();
    let stage = Stage::default();
    let telling = worker(bench, &stage).hostname(name(bench)).task_events(true);
    let handle = telling.start(client(bench)).await.unwrap();
    // Early, so that its run goes on from the store's answer, when nothing else keeps the emitter awake.
    let blocked = client(bench).send(block_early.s()).await.unwrap();
    assert_eq!(words(&kinds(&mut events, bench, blocked.id().as_str(), 2).await), ["task-received", "task-started"]);
    stage.heard("blocking", 1).await;
    let job = client(bench).send(add.s(1, 2)).await.unwrap();
    assert_eq!(kinds(&mut events, bench, job.id().as_str(), 3).await[2].kind, "task-succeeded");
    stage.open();
    assert_eq!(kinds(&mut events, bench, blocked.id().as_str(), 1).await[0].kind, "task-succeeded");
    handle.shutdown();
    handle.wait().await.unwrap();
}

/// A terminated job is told with its signal.
async fn a_termination_is_told_with_its_signal(bench: &Bench) {
    let mut events = client(bench).events().await.unwrap();
    let stage = Stage::default();
    let telling = worker(bench, &stage).hostname(name(bench)).task_events(true);
    let handle = telling.start(client(bench)).await.unwrap();
    let job = client(bench).send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    let control = client(bench).control().to([name(bench)]).timeout(SOON);
    control.terminate(std::slice::from_ref(job.id()), "SIGKILL").await.unwrap();
    let told = kinds(&mut events, bench, job.id().as_str(), 3).await.remove(2);
    assert_eq!((told.kind.as_str(), told.fields["signum"].as_i64()), ("task-revoked", Some(9)));
    assert_eq!(told.fields["terminated"].as_bool(), Some(true));
    handle.abort();
}

/// A monitor turns them on and off while the worker runs.
async fn task_events_are_switched_by_remote(bench: &Bench) {
    let mut events = client(bench).events().await.unwrap();
    let handle = worker(bench, &Stage::default()).hostname(name(bench)).start(client(bench)).await.unwrap();
    let control = client(bench).control().to([name(bench)]).timeout(SOON);
    next(&mut events, bench, |event| event.kind == "worker-online").await;
    let said = async |answers: queue_core::remote::Answers| answers[&name(bench)]["ok"].as_str().unwrap().to_owned();
    let mut enabled = control.enable_events().await.unwrap();
    while enabled.is_empty() {
        enabled = control.enable_events().await.unwrap();
    }
    assert_eq!(said(enabled).await, "task events enabled");
    assert_eq!(said(control.enable_events().await.unwrap()).await, "task events already enabled");
    let job = client(bench).send(add.s(1, 2)).await.unwrap();
    kinds(&mut events, bench, job.id().as_str(), 3).await;
    assert_eq!(said(control.disable_events().await.unwrap()).await, "task events disabled");
    let quiet = client(bench).send(add.s(3, 4)).await.unwrap();
    quiet.get(SOON).await.unwrap();
    control.heartbeat().await.unwrap();
    next(&mut events, bench, |event| {
        assert_ne!(event.uuid(), Some(quiet.id().as_str()));
        event.kind == "worker-heartbeat"
    })
    .await;
    handle.abort();
}

/// What a client sends is told where it was asked to.
async fn a_client_tells_what_it_sends(bench: &Bench) {
    let mut events = client(bench).events().await.unwrap();
    let options = ClientOptions { task_sent_events: true, default_queue: bench.queue("q"), ..ClientOptions::default() };
    let telling = Client::with_options(bench.store.clone(), options);
    let job = telling.send(add.s(1, 2)).await.unwrap();
    let search = async {
        loop {
            let event = events.next().await.unwrap();
            if event.uuid() == Some(job.id().as_str()) {
                return event;
            }
        }
    };
    let event = tokio::time::timeout(SOON, search).await.unwrap();
    assert_eq!((event.kind.as_str(), event.text("queue")), ("task-sent", Some(bench.queue("q").as_str())));
}

queue_tests::conformance!(
    events_go_on_beside_a_body_that_blocks,
    a_worker_tells_that_it_lives,
    task_events_tell_a_jobs_life,
    a_termination_is_told_with_its_signal,
    task_events_are_switched_by_remote,
    a_client_tells_what_it_sends,
);
