//! Ends that the store refuses for good: whoever waits is told, wherever it waits.

use queue_core::TaskId;
use queue_core::canvas::Signature;
use queue_core::prelude::*;
use queue_core::store::{DeadReason, JobState};
use queue_tests::{Bench, Driver, RedisServer, wait_until};
use serde_json::Value;

use crate::scene::{SOON, Stage, client, dead_letter, settled, start};
use crate::tasks::*;

/// A bench on a server of its own, and a queue that nothing can be sent to.
async fn with_barred_queue(driver: Driver) -> (RedisServer, Bench, String) {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(driver, &server.url(), |_| ()).await;
    let barred = bench.queue("barred").to_string();
    assert!(server.command(&["SET", &barred, "hello"]).starts_with("+OK"));
    (server, bench, barred)
}

/// Why it failed.
async fn failure<T: serde::de::DeserializeOwned + 'static>(job: &JobHandle<T>) -> String {
    match job.get(SOON).await {
        Err(JobError::Failed(why)) => format!("{}: {}", why.exc_type, why.message),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it cannot have succeeded"),
    }
}

/// The same, of the task with this id.
async fn failure_of(bench: &Bench, id: &TaskId) -> String {
    failure(&client(bench).job::<Value>(id.clone())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn step_that_cannot_be_sent_fails_the_rest_and_the_chord_around_it() {
    let (_server, bench, barred) = with_barred_queue(Driver::Redis).await;
    let (stage, client) = (Stage::default(), client(&bench));
    let (first, last) = (bench.id("first"), bench.id("last"));
    let chain = add
        .s(1, 1)
        .task_id(first.as_str())
        .link_error(on_error.partial("told"))
        .then(mul.partial(2).queue(&barred))
        .then(add.partial(1).task_id(last.as_str()));
    let chord = Signature::chord([chain.into(), add.s(2, 2).into()], sum.partial().into());
    let body = client.send(chord).await.unwrap();
    let others = client.send_many((0..20).map(|n| add.s(n, 1))).await.unwrap();
    let worker = start(&bench, &stage).await;
    for (n, other) in (0..).zip(&others) {
        assert_eq!(other.get(SOON).await.unwrap(), n + 1, "it does not suffer for the one that is refused");
    }
    let why = failure_of(&bench, body.id()).await;
    assert!(why.starts_with("ChordError: Dependency") && why.contains("WRONGTYPE"), "{why}");
    for id in [&first, &last] {
        let why = failure_of(&bench, id).await;
        assert!(why.starts_with("StoreError: the store refused the end of this task"), "{why}");
    }
    stage.heard(&format!("told {first}"), 1).await;
    let (dead, reason, error) = dead_letter(&bench).await;
    assert_eq!((dead.dead.unwrap().1.id.as_deref(), reason), (Some(first.as_str()), DeadReason::Failed));
    assert!(error.contains("WRONGTYPE"), "{error}");
    settled(&bench).await;
    worker.shutdown();
    let report = worker.wait().await.unwrap();
    assert_eq!((report.succeeded, report.dead), (22, 1), "all others, and the errback");
    assert_eq!(stage.said().len(), 1, "{:?}", stage.said());
    assert_eq!(bench.counts("q").await.dead, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_that_cannot_be_sent_fails_with_all_behind_it() {
    barred_body(Driver::Redis).await;
    barred_body(Driver::RedisTwo).await;
}

async fn barred_body(driver: Driver) {
    let (_server, bench, barred) = with_barred_queue(driver).await;
    let (stage, client) = (Stage::default(), client(&bench));
    let (body, last) = (bench.id("body"), bench.id("last"));
    let sums = sum.partial().task_id(body.as_str()).queue(&barred).link_error(on_error.partial("told"));
    let chord = group([add.s(1, 1), add.s(2, 2)]).then(sums).then(add.partial(1).task_id(last.as_str()));
    client.send(chord).await.unwrap();
    let worker = start(&bench, &stage).await;
    for id in [&body, &last] {
        let why = failure_of(&bench, id).await;
        assert!(why.starts_with("ChordError: Callback error: the store refused it"), "{why}");
    }
    stage.heard(&format!("told {body}"), 1).await;
    settled(&bench).await;
    worker.shutdown();
    worker.wait().await.unwrap();
    assert_eq!(stage.said().len(), 1, "{:?}", stage.said());
    assert_eq!(bench.counts("q").await.dead, 0, "the chord has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failure_whose_errback_cannot_be_sent_keeps_its_words_and_is_told_to_the_rest() {
    let (_server, bench, barred) = with_barred_queue(Driver::Redis).await;
    let client = client(&bench);
    let _worker = start(&bench, &Stage::default()).await;
    let first = fail.s("boom").task_id(bench.id("first").as_str()).link_error(on_error.partial("told").queue(&barred));
    let last = client.send(first.then(add.partial(1))).await.unwrap();
    assert!(failure(&last).await.ends_with("boom"));
    assert!(failure_of(&bench, &bench.id("first")).await.ends_with("boom"));
    let (_, _, error) = dead_letter(&bench).await;
    assert!(error.ends_with("boom"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_chord_whose_errback_cannot_be_sent_keeps_its_words() {
    let (_server, bench, barred) = with_barred_queue(Driver::Redis).await;
    let client = client(&bench);
    let _worker = start(&bench, &Stage::default()).await;
    let body = sum.partial().link_error(on_error.partial("told").queue(&barred));
    let chord = Signature::chord([fail.s("boom").into(), add.s(2, 2).into()], body.into());
    let why = failure_of(&bench, client.send(chord).await.unwrap().id()).await;
    assert!(why.starts_with("ChordError: Dependency") && why.contains("boom"), "{why}");
}

/// Its message is gone from the store, and comes back as a dead letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn end_of_what_was_acknowledged_early_is_kept_aside_too() {
    let (_server, bench, barred) = with_barred_queue(Driver::Redis).await;
    let client = client(&bench);
    let _worker = start(&bench, &Stage::default()).await;
    let first = add.s(1, 1).task_id(bench.id("first").as_str()).acks_early(true);
    let last = client.send(first.then(mul.partial(2).queue(&barred))).await.unwrap();
    assert!(failure(&last).await.contains("WRONGTYPE"));
    let (dead, reason, _) = dead_letter(&bench).await;
    assert_eq!((dead.dead.unwrap().1.id.unwrap(), reason), (bench.id("first").to_string(), DeadReason::Failed));
}

/// Something else is where a chord counts: nothing can be told to it, and all others are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn part_that_cannot_be_counted_is_told_to_all_but_its_chord() {
    let (server, bench, _) = with_barred_queue(Driver::Redis).await;
    let (stage, client, first) = (Stage::default(), client(&bench), bench.id("first"));
    let part = fail.s("boom").task_id(first.as_str()).link_error(on_error.partial("told"));
    let chord = Signature::chord([part.into(), add.s(2, 2).into()], sum.partial().into());
    client.send(chord).await.unwrap();
    let group = group_of_ready(&bench).await;
    assert!(server.command(&["SET", &format!("celery-taskset-meta-{group}.j"), "hello"]).starts_with("+OK"));
    let _worker = start(&bench, &stage).await;
    assert!(failure_of(&bench, &first).await.ends_with("boom"), "it keeps its words");
    stage.heard(&format!("told {first}"), 1).await;
    wait_until("both parts aside", || async { bench.counts("q").await.dead == 2 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_part_that_cannot_be_counted_is_revoked() {
    let (server, bench, _) = with_barred_queue(Driver::Redis).await;
    let (client, first) = (client(&bench), bench.id("first"));
    let part = add.s(1, 1).task_id(first.as_str());
    client.send(Signature::chord([part.into(), add.s(2, 2).into()], sum.partial().into())).await.unwrap();
    let group = group_of_ready(&bench).await;
    assert!(server.command(&["SET", &format!("celery-taskset-meta-{group}.j"), "hello"]).starts_with("+OK"));
    client.revoke(std::slice::from_ref(&first)).await.unwrap();
    let worker = start(&bench, &Stage::default()).await;
    let ended = client.job::<Value>(first.clone()).get(SOON).await;
    assert!(matches!(ended, Err(JobError::Revoked(_))), "{ended:?}");
    settled(&bench).await;
    worker.shutdown();
    let report = worker.wait().await.unwrap();
    assert_eq!((report.succeeded, report.revoked, report.dead), (0, 1, 1));
    assert_eq!(bench.counts("q").await.dead, 1, "the other part");
}

/// The group of what waits in the queue.
async fn group_of_ready(bench: &Bench) -> String {
    let job = bench.page("q", JobState::Ready, 1).await.jobs.remove(0);
    let envelope: Value = serde_json::from_slice(&job.payload).unwrap();
    envelope["headers"]["group"].as_str().unwrap().to_owned()
}

/// A server that takes no longer value breaks the line off; the worker must not try that for ever, nor fail others for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn result_beyond_what_the_server_takes_is_a_failure() {
    let server = RedisServer::start(&["--proto-max-bulk-len", "1mb"]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let client = client(&bench);
    let _worker = start(&bench, &Stage::default()).await;
    for mib in [1_u32, 3, 20] {
        let last = client.send(large.s(mib << 20).then(Call::named("t.echo").partial::<String>())).await.unwrap();
        let others = client.send_many((0..20).map(|n| add.s(n, 1))).await.unwrap();
        let why = failure(&last).await;
        assert!(why.starts_with("StoreError: "), "{why}");
        for (n, other) in (0..).zip(&others) {
            assert_eq!(other.get(SOON).await.unwrap(), n + 1);
        }
    }
}

/// Returns so many bytes.
#[task(name = "t.large")]
async fn large(bytes: u32) -> String {
    "x".repeat(bytes as usize)
}
