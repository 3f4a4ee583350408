//! Messages that are not run: unknown, unreadable, revoked, expired, too early, poisoned.

use bytes::Bytes;
use queue_core::message::{DecodeLimits, Message};
use queue_core::prelude::*;
use queue_core::store::{DeadReason, JobState, Outgoing};
use queue_tests::{Bench, wait_until};
use queue_worker::WorkerHandle;

use crate::scene::{SOON, Stage, client, dead_letter, start, worker};
use crate::tasks::*;

async fn unknown_task_is_set_aside_and_the_nearest_name_is_said(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let job = client(bench).send(Call::named("t.ad").args(json!([1, 2]))).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.exc_type, "NotRegistered");
    assert!(why.message.contains("did you mean `t.add`?"), "{}", why.message);
    assert_eq!(dead_letter(bench).await.1, DeadReason::UnknownTask);
}

/// A task that this worker does not know is given back before it is a dead letter: another worker may know it. Time is moved.
async fn unknown_task_is_given_back_first(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let job = client(bench).send(Call::named("t.elsewhere").header("tenant", "acme")).await.unwrap();
    for tries in 1..=3 {
        let headers = queue_tests::wait_for("it is given back", || async {
            let waiting = bench.page("q", JobState::Scheduled, 1).await.jobs.pop()?;
            let message = Message::decode(&waiting.payload, &DecodeLimits::default()).unwrap();
            let headers: serde_json::Value = message.headers.parse().unwrap();
            (headers["unknown_here"] == tries).then_some(headers)
        })
        .await;
        assert_eq!((&headers["tenant"], &headers["retries"]), (&json!("acme"), &json!(null)));
        assert!(job.meta().await.unwrap().is_none());
        bench.advance(Duration::from_secs(5));
    }
    assert_eq!(dead_letter(bench).await.1, DeadReason::UnknownTask);
}

async fn bytes_that_are_no_message_are_kept_as_they_came(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    for nonsense in
        [&b"not json"[..], b"\xff\xfe", b"{}", b"[1, 2]", b"{\"body\": \"%%%\", \"headers\": {\"task\": 5}}"]
    {
        let message = Outgoing { payload: Bytes::from_static(nonsense), ..bench.message("q", "n") };
        bench.store.enqueue(&[message]).await.unwrap();
        let (job, reason, error) = dead_letter(bench).await;
        assert_eq!(reason, DeadReason::Undecodable, "{error}");
        assert_eq!(job.payload, nonsense);
        assert!(!error.is_empty());
        bench.store.delete(&[job.key]).await.unwrap();
    }
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let message = Outgoing { payload: nested.into(), ..bench.message("q", "n") };
    bench.store.enqueue(&[message]).await.unwrap();
    assert_eq!(dead_letter(bench).await.1, DeadReason::Undecodable);
    assert_eq!(client(bench).send(add.s(1, 1)).await.unwrap().get(SOON).await.unwrap(), 2);
}

async fn revoked_job_does_not_start(bench: &Bench) {
    let stage = Stage::default();
    let client = client(bench);
    let job = client.send(say.s("ran")).await.unwrap();
    let other = client.send(say.s("other")).await.unwrap();
    job.revoke().await.unwrap();
    let worker = start(bench, &stage).await;
    assert!(matches!(job.get(SOON).await, Err(JobError::Revoked(_))));
    other.get(SOON).await.unwrap();
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().revoked, 1);
    assert_eq!(stage.said(), ["other"]);
}

async fn job_revoked_while_the_worker_runs_does_not_start_either(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let client = client(bench);
    client.send(say.s("first")).await.unwrap();
    stage.heard("first", 1).await;
    let job = client.send(say.s("ran").countdown(hours(1))).await.unwrap();
    job.revoke().await.unwrap();
    bench.advance(hours(2));
    assert!(matches!(job.get(SOON).await, Err(JobError::Revoked(_))));
    assert_eq!(stage.count("ran"), 0);
}

async fn expired_job_does_not_start(bench: &Bench) {
    let stage = Stage::default();
    let job = client(bench).send(say.s("ran").expires(minutes(5))).await.unwrap();
    bench.advance(minutes(6));
    let _worker = start(bench, &stage).await;
    assert!(matches!(job.get(SOON).await, Err(JobError::Revoked(why)) if why.contains("expired")));
    assert_eq!(dead_letter(bench).await.1, DeadReason::Expired);
    assert_eq!(stage.count("ran"), 0);
}

/// A worker with one slot, which is taken; what comes is held until it is free.
async fn full(bench: &Bench, stage: &Stage) -> WorkerHandle {
    let handle = worker(bench, stage).concurrency(1).prefetch(100).start(client(bench)).await.unwrap();
    client(bench).send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    handle
}

async fn job_that_expires_while_it_waits_for_a_slot_does_not_start(bench: &Bench) {
    let stage = Stage::default();
    let worker = full(bench, &stage).await;
    let job = client(bench).send(say.s("ran").expires(minutes(5))).await.unwrap();
    wait_until("it is held", || async { bench.counts("q").await.leased == 2 }).await;
    bench.advance(minutes(6));
    stage.open();
    assert!(matches!(job.get(SOON).await, Err(JobError::Revoked(why)) if why.contains("expired")));
    assert_eq!(dead_letter(bench).await.1, DeadReason::Expired);
    worker.shutdown();
    let report = worker.wait().await.unwrap();
    assert_eq!((stage.count("ran"), report.succeeded, report.revoked), (0, 1, 1));
}

async fn job_that_is_revoked_while_it_waits_for_a_slot_does_not_start(bench: &Bench) {
    let stage = Stage::default();
    let worker = full(bench, &stage).await;
    let client = client(bench);
    let job = client.send(say.s("ran")).await.unwrap();
    wait_until("it is held", || async { bench.counts("q").await.leased == 2 }).await;
    let later = bench.id("later");
    client.revoke(&[job.id().clone(), later.clone()]).await.unwrap();
    // The news may be on its way: until it is there, what comes later is held as well.
    wait_until("the worker has heard of it", || async {
        client.send(say.s("ran").task_id(later.as_str())).await.unwrap();
        client.result(&later).await.unwrap().is_some()
    })
    .await;
    stage.open();
    assert!(matches!(job.get(SOON).await, Err(JobError::Revoked(_))));
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().succeeded, 1);
    assert_eq!(stage.count("ran"), 0);
}

/// A Python producer puts a message with an ETA straight into the queue.
async fn message_that_comes_too_early_waits_in_the_store(bench: &Bench) {
    let stage = Stage::default();
    let id = bench.id("early");
    let eta = bench.store.now().await.unwrap().after(hours(1)).to_celery();
    let envelope = json!({
        "body": "[[\"ran\"], {}, null]", "content-type": "application/json",
        "headers": {"task": "t.say", "id": id.as_str(), "eta": eta},
        "properties": {"delivery_tag": "1", "delivery_info": {"exchange": "", "routing_key": "q"}},
    });
    let message = Outgoing { payload: envelope.to_string().into(), ..bench.message("q", "early") };
    bench.store.enqueue(&[message]).await.unwrap();
    let _worker = start(bench, &stage).await;
    queue_tests::wait_until("it waits", || async { bench.counts("q").await.scheduled == 1 }).await;
    assert_eq!(stage.count("ran"), 0);
    bench.advance(hours(2));
    stage.heard("ran", 1).await;
}

/// The first death only makes it a suspect; the three after that are its own.
async fn message_whose_workers_die_is_poison(bench: &Bench) {
    let job = client(bench).send(say.s("ran")).await.unwrap();
    for letter in ["a", "b", "c", "d"] {
        let doomed = bench.worker(letter, &["q"]).await;
        let sweeper = bench.worker("s", &["q"]).await;
        let mut request = doomed.request(1);
        request.suspect = true;
        let leased = doomed.lease(&request).await.unwrap();
        assert_eq!(leased.len(), 1, "{letter} has something to die of");
        bench.bury(&[&sweeper]).await;
    }
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it must not run") };
    assert_eq!(why.exc_type, "WorkerLostError");
    assert_eq!(dead_letter(bench).await.1, DeadReason::Poison);
    assert_eq!(stage.count("ran"), 0);
}

queue_tests::conformance!(
    unknown_task_is_set_aside_and_the_nearest_name_is_said,
    unknown_task_is_given_back_first,
    bytes_that_are_no_message_are_kept_as_they_came,
    revoked_job_does_not_start,
    job_revoked_while_the_worker_runs_does_not_start_either,
    expired_job_does_not_start,
    job_that_expires_while_it_waits_for_a_slot_does_not_start,
    job_that_is_revoked_while_it_waits_for_a_slot_does_not_start,
    message_that_comes_too_early_waits_in_the_store,
    message_whose_workers_die_is_poison,
);
