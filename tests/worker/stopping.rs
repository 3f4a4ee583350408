//! How a worker ends, and what becomes of what it runs.

use queue_core::prelude::*;
use queue_core::store::DeadReason;
use queue_tests::Bench;

use crate::scene::{SOON, Stage, client, dead_letter, start, worker};
use crate::tasks::*;

const SHORT: Duration = Duration::from_millis(50);

/// A body has a fifth of the grace period to heed the request to end, in which a busy host may not give it its turn: then it is cut
/// off unasked, and the next worker has longer.
const LONGER_AND_LONGER: [Duration; 3] = [SHORT, seconds(1), seconds(10)];

async fn running_task_finishes_within_the_grace_period(bench: &Bench) {
    let stage = Stage::default();
    let worker = start(bench, &stage).await;
    let client = client(bench);
    let job = client.send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    worker.shutdown();
    let later = client.send(add.s(1, 1)).await.unwrap();
    stage.open();
    let report = worker.wait().await.unwrap();
    assert_eq!((report.succeeded, report.given_back), (1, 0));
    assert_eq!(job.get(SOON).await.unwrap(), 7);
    // It took no more.
    assert!(later.meta().await.unwrap().is_none());
    assert_eq!(bench.counts("q").await.ready, 1);
    assert!(bench.store.workers().await.unwrap().iter().all(|one| one.queues != [bench.queue("q")]), "it signed off");
}

async fn what_does_not_finish_in_time_is_given_back_without_an_attempt(bench: &Bench) {
    let stage = Stage::default();
    let worker = worker(bench, &stage).grace(SHORT).start(client(bench)).await.unwrap();
    let job = client(bench).send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().given_back, 1);
    let counts = bench.counts("q").await;
    assert_eq!((counts.ready, counts.leased, counts.suspects), (1, 0, 0));
    stage.open();
    let _next = start(bench, &stage).await;
    assert_eq!(job.get(SOON).await.unwrap(), 7);
    assert_eq!(stage.said(), ["started", "started", "ended"]);
}

/// What waits for a place while others are asked to end, and cut off, does not begin.
async fn what_has_not_begun_does_not_begin_at_the_end(bench: &Bench) {
    client(bench).send_many((0..6).map(|_| obedient.s())).await.unwrap();
    for grace in LONGER_AND_LONGER {
        let stage = Stage::default();
        let stops = worker(bench, &stage).concurrency(1).prefetch(5).grace(grace).start(client(bench)).await.unwrap();
        stage.heard("started", 1).await;
        queue_tests::wait_until("all are fetched", || async { bench.counts("q").await.leased == 6 }).await;
        stops.shutdown();
        assert_eq!(stops.wait().await.unwrap().given_back, 6);
        assert_eq!(bench.counts("q").await.ready, 6);
        if stage.said() != ["started"] {
            assert_eq!(stage.said(), ["started", "asked to end"]);
            return;
        }
    }
    panic!("the first was not asked to end");
}

async fn body_that_heeds_the_request_to_end_spends_no_attempt(bench: &Bench) {
    client(bench).send(obedient.s()).await.unwrap();
    for grace in LONGER_AND_LONGER {
        let stage = Stage::default();
        let worker = worker(bench, &stage).grace(grace).start(client(bench)).await.unwrap();
        stage.heard("started", 1).await;
        worker.shutdown();
        assert_eq!(worker.wait().await.unwrap().given_back, 1);
        let counts = bench.counts("q").await;
        assert_eq!((counts.ready, counts.scheduled, counts.dead), (1, 0, 0));
        if stage.said() != ["started"] {
            assert_eq!(stage.said(), ["started", "asked to end"]);
            return;
        }
    }
    panic!("it was not asked to end");
}

async fn aborted_worker_gives_back_at_once(bench: &Bench) {
    let stage = Stage::default();
    let worker = worker(bench, &stage).grace(hours(1)).start(client(bench)).await.unwrap();
    client(bench).send(hold.s()).await.unwrap();
    client(bench).send(hold_blocking.s()).await.unwrap();
    stage.heard("started", 2).await;
    worker.shutdown();
    worker.abort();
    assert_eq!(tokio::time::timeout(SOON, worker.wait()).await.unwrap().unwrap().given_back, 2);
    assert_eq!(bench.counts("q").await.ready, 2);
    stage.open();
}

async fn early_ack_leaves_no_message_behind_while_the_task_runs(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let job = client(bench).send(hold_early.s()).await.unwrap();
    stage.heard("started", 1).await;
    let counts = bench.counts("q").await;
    assert_eq!((counts.ready, counts.leased), (0, 0));
    stage.open();
    assert_eq!(job.get(SOON).await.unwrap(), 7);
}

async fn early_acknowledged_task_that_cannot_finish_is_set_aside(bench: &Bench) {
    let stage = Stage::default();
    let worker = worker(bench, &stage).grace(SHORT).start(client(bench)).await.unwrap();
    let job = client(bench).send(hold_early.s()).await.unwrap();
    stage.heard("started", 1).await;
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().given_back, 0);
    assert_eq!(dead_letter(bench).await.1, DeadReason::Failed);
    assert!(matches!(job.get(SOON).await, Err(JobError::Failed(_))));
}

/// The runtime of an embedded worker ends without a word to it: nobody keeps the leases of what nobody runs.
async fn what_a_worker_held_runs_elsewhere_when_its_runtime_is_gone(bench: &Bench) {
    let stage = Stage::default();
    let gone = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, client) = (worker(bench, &stage), client(bench));
    let handle = gone.spawn(first.start(client.clone())).await.unwrap().unwrap();
    let job = client.send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    gone.shutdown_background();
    handle.stopped().await;
    let _next = start(bench, &stage).await;
    stage.heard("started", 2).await;
    stage.open();
    assert_eq!(job.get(SOON).await.unwrap(), 7);
}

async fn embedded_worker_runs_until_its_future_ends(bench: &Bench) {
    let stage = Stage::default();
    let job = client(bench).send(add.s(20, 22)).await.unwrap();
    let done = async {
        assert_eq!(job.get(SOON).await.unwrap(), 42);
    };
    let report = worker(bench, &stage).run(client(bench), done).await.unwrap();
    assert_eq!(report.succeeded, 1);
}

queue_tests::conformance!(
    running_task_finishes_within_the_grace_period,
    what_does_not_finish_in_time_is_given_back_without_an_attempt,
    what_has_not_begun_does_not_begin_at_the_end,
    body_that_heeds_the_request_to_end_spends_no_attempt,
    aborted_worker_gives_back_at_once,
    early_ack_leaves_no_message_behind_while_the_task_runs,
    early_acknowledged_task_that_cannot_finish_is_set_aside,
    embedded_worker_runs_until_its_future_ends,
    what_a_worker_held_runs_elsewhere_when_its_runtime_is_gone,
);
