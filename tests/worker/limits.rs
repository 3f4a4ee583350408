//! Time limits, and blocking bodies that do not return.

use queue_core::prelude::*;
use queue_core::store::DeadReason;
use queue_tests::Bench;
use queue_worker::WorkerError;

use crate::scene::{SOON, Stage, client, dead_letter, start, worker};
use crate::tasks::*;

const SHORT: Duration = Duration::from_millis(50);

async fn run_past_its_hard_limit_is_ended(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let client = client(bench);
    let job = client.send(hold.s().time_limit(SHORT)).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.exc_type, "TimeLimitExceeded");
    assert_eq!(dead_letter(bench).await.1, DeadReason::TimeLimit);
    stage.open();
    assert_eq!(client.send(add.s(1, 1)).await.unwrap().get(SOON).await.unwrap(), 2);
    assert_eq!(stage.said(), ["started"]);
}

/// A limit of 10^19 s, as any producer may write it, is beyond what a clock can add.
async fn limit_beyond_all_clocks_is_none(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let call =
        add.s(1, 1).time_limit(Duration::from_secs(u64::MAX / 2)).soft_time_limit(Duration::from_secs(u64::MAX / 4));
    assert_eq!(client(bench).send(call).await.unwrap().get(SOON).await.unwrap(), 2);
    let call = add.s(1, 1).time_limit(Duration::MAX).soft_time_limit(Duration::MAX);
    assert_eq!(client(bench).send(call).await.unwrap().get(SOON).await.unwrap(), 2);
}

async fn soft_limit_asks_the_body_to_end(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let call = obedient.s().soft_time_limit(SHORT).time_limit(minutes(5)).max_retries(0);
    let job = client(bench).send(call).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.message, "I was asked to end");
    assert_eq!(stage.said(), ["started", "asked to end"]);
}

async fn stuck_thread_fails_its_job_and_gives_its_slot_back_when_it_returns(bench: &Bench) {
    let stage = Stage::default();
    let worker = start(bench, &stage).await;
    let client = client(bench);
    let job = client.send(hold_blocking.s().time_limit(SHORT)).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.exc_type, "TimeLimitExceeded");
    // One of four slots is stuck: the worker goes on with the others.
    assert_eq!(client.send(add.s(1, 1)).await.unwrap().get(SOON).await.unwrap(), 2);
    stage.open();
    stage.heard("ended", 1).await;
    worker.shutdown();
    worker.wait().await.unwrap();
}

async fn worker_with_half_of_its_slots_stuck_gives_up(bench: &Bench) {
    let stage = Stage::default();
    let worker = worker(bench, &stage).concurrency(2).grace(SHORT).start(client(bench)).await.unwrap();
    let client = client(bench);
    let waiting = client.send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    client.send(hold_blocking.s().time_limit(SHORT)).await.unwrap();
    let error = tokio::time::timeout(SOON, worker.wait()).await.unwrap().unwrap_err();
    assert!(matches!(error, WorkerError::Stuck { stuck: 1, slots: 2 }), "{error}");
    assert_eq!(error.exit(), queue_worker::Exit::Stuck);
    // What the other slot ran was given back, and runs on the next worker.
    assert_eq!(bench.counts("q").await.ready, 1);
    stage.open();
    let _next = start(bench, &stage).await;
    assert_eq!(waiting.get(SOON).await.unwrap(), 7);
}

queue_tests::conformance!(
    run_past_its_hard_limit_is_ended,
    limit_beyond_all_clocks_is_none,
    soft_limit_asks_the_body_to_end,
    stuck_thread_fails_its_job_and_gives_its_slot_back_when_it_returns,
    worker_with_half_of_its_slots_stuck_gives_up,
);
