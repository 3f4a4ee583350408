//! What becomes of jobs that a worker is told to end, or never to start.

use queue_core::prelude::*;
use queue_tests::{Bench, SECOND, wait_until};
use queue_worker::Worker;
use serde_json::Value;

use crate::control::{ask, ask_within, begin, name, until_it_answers};
use crate::scene::{SOON, Stage, client, settled, start, worker};
use crate::tasks::{hold, hold_blocking, obedient, say};

/// A revoked job that waits is REVOKED at once, and never starts; a worker that starts later knows.
async fn revoked_jobs_never_start(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let later = client(bench).send(say.s("never").countdown(hours(1))).await.unwrap();
    let answer = ask(bench, "revoke", json!({"task_id": later.id().as_str()})).await;
    assert_eq!(answer, json!({"ok": format!("tasks {{'{}'}} flagged as revoked", later.id())}));
    let error = later.get(SOON).await.unwrap_err();
    assert_eq!(error.to_string(), "the task was revoked: revoked");
    let listed = ask(bench, "revoked", json!({})).await;
    assert!(listed.as_array().unwrap().contains(&json!(later.id().as_str())));
    handle.shutdown();
    handle.wait().await.unwrap();

    let next = start(bench, &stage).await;
    bench.advance(Duration::from_secs(3700));
    settled(bench).await;
    assert_eq!(stage.count("never"), 0);
    next.abort();
}

/// A job that runs is not called revoked because somebody revoked it.
async fn what_runs_already_goes_on(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let job = client(bench).send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    ask(bench, "revoke", json!({"task_id": [job.id().as_str()]})).await;
    stage.open();
    assert_eq!(job.get(SOON).await.unwrap(), 7);
    handle.abort();
}

/// Nor by a worker that consumes other queues: all are told, and it runs at one of them.
async fn what_runs_elsewhere_goes_on(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let queue = bench.queue("other");
    let elsewhere = Worker::new().queue(queue.as_str()).concurrency(1).state(stage.clone());
    let elsewhere = elsewhere.hostname(format!("e@{queue}")).start(client(bench)).await.unwrap();
    let job = client(bench).send(hold.s().queue(queue.as_str())).await.unwrap();
    stage.heard("started", 1).await;
    let answer = ask(bench, "revoke", json!({"task_id": [job.id().as_str()]})).await;
    assert!(answer["ok"].is_string(), "{answer}");
    let told = client(bench).result(job.id()).await.unwrap();
    assert!(told.is_none(), "{told:?}");
    stage.open();
    assert_eq!(job.get(SOON).await.unwrap(), 7);
    elsewhere.abort();
    handle.abort();
}

/// A job that is terminated ends at once as REVOKED, whether its body is asked to end or dropped.
async fn terminated_jobs_end(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let client = client(bench);
    let (dropped, asked) = (client.send(hold.s()).await.unwrap(), client.send(obedient.s()).await.unwrap());
    stage.heard("started", 2).await;
    let ids = json!([dropped.id().as_str(), asked.id().as_str()]);
    let answer = ask(bench, "revoke", json!({"task_id": ids, "terminate": true, "signal": "SIGTERM"})).await;
    assert!(answer["ok"].as_str().unwrap().starts_with("terminate: "), "{answer}");
    for job in [dropped.id(), asked.id()] {
        let error = client.job::<u32>(job.clone()).get(SOON).await.unwrap_err();
        assert_eq!(error.to_string(), "the task was revoked: terminated");
    }
    settled(bench).await;
    assert_eq!(ask(bench, "active", json!({})).await, json!([]));
    assert_eq!(stage.count("ended"), 0);
    let answer = ask(bench, "terminate", json!({"task_id": "nobody", "signal": "KILL"})).await;
    assert_eq!(answer, json!({"ok": "terminate: tasks unknown"}));
    handle.abort();
}

/// A plain function cannot be ended, only asked to: one that finishes all the same has its result.
async fn a_blocking_job_may_finish_after_its_termination(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    let job = client(bench).send(hold_blocking.s()).await.unwrap();
    stage.heard("started", 1).await;
    ask(bench, "terminate", json!({"task_id": job.id().as_str()})).await;
    stage.open();
    job.get(SOON).await.unwrap();
    handle.abort();
}

/// Jobs with a revoked stamp are not started.
async fn stamped_jobs_are_revoked_by_their_stamps(bench: &Bench) {
    let stage = Stage::default();
    let handle = begin(bench, &stage).await;
    ask(bench, "revoke_by_stamped_headers", json!({"headers": {"tenant": ["acme", "other"]}})).await;
    let call = |tenant: &str| say.s("ran").header("stamps", json!({"tenant": tenant}));
    let revoked = client(bench).send(call("acme")).await.unwrap();
    let free = client(bench).send(call("free")).await.unwrap();
    free.get(SOON).await.unwrap();
    assert!(revoked.get(SOON).await.is_err());
    assert_eq!(stage.count("ran"), 1);
    handle.abort();
}

/// Nor are those that are held already and wait for a slot.
async fn stamped_jobs_that_wait_for_a_slot_are_revoked_too(bench: &Bench) {
    let stage = Stage::default();
    let full = worker(bench, &stage).hostname(name(bench)).concurrency(1).prefetch(5);
    let handle = full.start(client(bench)).await.unwrap();
    until_it_answers(bench).await;
    client(bench).send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    let stamped = client(bench).send(say.s("ran").header("stamps", json!({"tenant": "acme"}))).await.unwrap();
    wait_until("it is held", || async { bench.counts("q").await.leased == 2 }).await;
    ask(bench, "revoke_by_stamped_headers", json!({"headers": {"tenant": "acme"}})).await;
    stage.open();
    assert!(matches!(stamped.get(SOON).await, Err(JobError::Revoked(_))));
    assert_eq!(stage.count("ran"), 0);
    handle.abort();
}

/// A worker of Celery's that starts is told what is revoked, and tells what it knows.
async fn hello_shares_what_is_revoked(bench: &Bench) {
    let handle = begin(bench, &Stage::default()).await;
    let (list, times) = (bench.id("of-a-list").to_string(), bench.id("of-times").to_string());
    ask(bench, "hello", json!({"from_node": "other@host", "revoked": [list]})).await;
    let times_then = json!({times.clone(): 1_795_380_740.5});
    let answer = ask(bench, "hello", json!({"from_node": "other@host", "revoked": times_then})).await;
    let revoked = answer["revoked"].as_array().unwrap();
    assert!(
        revoked.contains(&json!(list)) && revoked.contains(&json!(times)) && answer["clock"].is_number(),
        "{answer}"
    );
    let own = ask_within(SECOND, bench, "hello", json!({"from_node": name(bench)})).await;
    assert_eq!(own, Value::Null, "to itself it says nothing");
    handle.abort();
}

queue_tests::conformance!(
    revoked_jobs_never_start,
    what_runs_already_goes_on,
    what_runs_elsewhere_goes_on,
    terminated_jobs_end,
    a_blocking_job_may_finish_after_its_termination,
    stamped_jobs_are_revoked_by_their_stamps,
    stamped_jobs_that_wait_for_a_slot_are_revoked_too,
    hello_shares_what_is_revoked,
);
