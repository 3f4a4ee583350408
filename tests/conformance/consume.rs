//! A worker that changes its queues, or its size, while it runs, and what is told of it.

use std::num::NonZeroUsize;

use queue_core::store::{LeaseRequest, Order, Settled, Share, WorkerInfo};
use queue_tests::{Bench, PATIENCE, SECOND, TestWorker, label, wait_for, wait_until};

use crate::reconcile::dropped_after;

fn request(bench: &Bench, queues: &[&str]) -> LeaseRequest {
    LeaseRequest {
        queues: queues.iter().map(|name| Share { queue: bench.queue(name), share: 0 }).collect(),
        order: Order::Strict,
        limit: NonZeroUsize::new(10).unwrap(),
        suspect: true,
    }
}

async fn consume(worker: &TestWorker, bench: &Bench, queues: &[&str]) {
    let queues: Vec<_> = queues.iter().map(|name| bench.queue(name)).collect();
    worker.consume(&queues).await.unwrap();
}

/// What the store says of this worker.
async fn described(worker: &TestWorker, bench: &Bench) -> WorkerInfo {
    let workers = bench.store.workers().await.unwrap();
    // A driver may add a generation.
    workers.into_iter().find(|info| info.incarnation.starts_with(worker.incarnation())).unwrap()
}

/// A queue that is added is leased from and waited on, with all its priorities, and what is held of it is kept alive.
async fn an_added_queue_is_one_of_its_queues(bench: &Bench) {
    let worker = bench.worker("a", &["first"]).await;
    consume(&worker, bench, &["first", "second"]).await;
    bench.enqueue("second", &["m1"]).await;
    let leased = worker.lease(&request(bench, &["first", "second"])).await.unwrap();
    assert_eq!(leased.iter().map(|one| label(one.payload())).collect::<Vec<_>>(), ["m1"]);

    let (both, other) = (request(bench, &["first", "second"]), bench.other_store().await);
    let (waited, sent) =
        tokio::join!(worker.wait(&both, PATIENCE), async { other.enqueue(&[bench.message("second", "m2")]).await });
    sent.unwrap();
    let mut found = waited.unwrap();
    if found.is_empty() {
        found = worker.lease(&both).await.unwrap();
    }
    assert_eq!(found.len(), 1);
    let rival = bench.worker("b", &["second"]).await;
    bench.bury(&[&worker, &rival]).await;
    assert!(rival.take(10).await.is_empty(), "both are held by a worker that lives");
    assert_eq!(bench.counts("second").await.leased, 2);
}

/// A queue that is named twice is one: what is held of it is not taken for something nobody heard of, and handed out once more.
async fn a_queue_that_is_named_twice_is_one(bench: &Bench) {
    let worker = bench.worker("a", &["q", "q"]).await;
    bench.enqueue("q", &["m1", "m2"]).await;
    let mut leased = worker.take(10).await;
    assert_eq!(leased.len(), 2);
    // More beats than it takes to find what nobody heard of.
    for _ in 0..200 {
        worker.pulse().await;
        leased.extend(worker.take(10).await);
    }
    assert_eq!((leased.len(), worker.held().await.unwrap()), (2, 2));
    assert_eq!(described(&worker, bench).await.queues, [bench.queue("q")]);
    for one in &leased {
        assert_eq!(worker.finish(one).await, Settled::Done);
    }
}

/// A queue that is dropped is not leased from; what is held of it is kept alive and may be settled.
async fn what_is_held_of_a_dropped_queue_stays(bench: &Bench) {
    let worker = bench.worker("a", &["first", "second"]).await;
    bench.enqueue("second", &["m1", "m2"]).await;
    let held = worker.lease(&LeaseRequest { limit: NonZeroUsize::MIN, ..request(bench, &["second"]) }).await.unwrap();
    let before = described(&worker, bench).await;
    bench.advance(SECOND);
    consume(&worker, bench, &["first"]).await;
    let now = described(&worker, bench).await;
    assert_eq!((now.queues, now.started), (vec![bench.queue("first")], before.started));
    bench.bury(&[&worker]).await;
    assert_eq!(worker.finish(&held[0]).await, queue_core::store::Settled::Done);
}

/// A worker that runs more tasks at once, or fewer, says so with its next heartbeat.
async fn a_worker_tells_how_many_tasks_it_runs_at_once_now(bench: &Bench) {
    let worker = bench.worker("a", &["q"]).await;
    assert_eq!(described(&worker, bench).await.concurrency, 4);
    for now in [7, 1] {
        worker.resize(now);
        worker.pulse().await;
        assert_eq!(described(&worker, bench).await.concurrency, now);
    }
}

/// A worker that was taken for dead and goes on has not started anew, and is what it was.
async fn a_worker_that_was_reclaimed_has_not_started_anew(bench: &Bench) {
    let (worker, rival) = (bench.worker("a", &["first"]).await, bench.worker("b", &["first"]).await);
    consume(&worker, bench, &["first", "second"]).await;
    worker.resize(2);
    worker.pulse().await;
    let before = described(&worker, bench).await;
    bench.enqueue("first", &["m1"]).await;
    let held = worker.take_one().await;
    consume(&rival, bench, &["first", "second"]).await;
    assert_eq!(bench.bury(&[&rival]).await, 1);
    assert!(worker.pulse().await.fenced);
    // It is registered under its other name.
    worker.pulse().await;
    let now = described(&worker, bench).await;
    assert_eq!((now.started, now.concurrency, now.queues), (before.started, 2, before.queues));
    assert_eq!(worker.finish(&held).await, Settled::LeaseLost);
}

/// What a dropped call had leased of a queue that is dropped then, too, is somebody else's: no lease would ask for it any more.
async fn what_nobody_was_handed_of_a_dropped_queue_comes_back(bench: &Bench) {
    let worker = bench.worker("a", &["first", "second"]).await;
    for polls in 1..=6 {
        bench.enqueue("second", &["m1"]).await;
        let came = dropped_after(polls, worker.lease(&request(bench, &["second"]))).await;
        consume(&worker, bench, &["first"]).await;
        worker.return_all(&came.map(Result::unwrap).unwrap_or_default()).await;
        wait_until("it lies ready again", || async {
            worker.pulse().await;
            let counts = bench.counts("second").await;
            (counts.ready, counts.leased) == (1, 0)
        })
        .await;
        consume(&worker, bench, &["first", "second"]).await;
        // The call may have reached the server only now.
        let again = wait_for("it is handed out", || async {
            worker.pulse().await;
            worker.take(1).await.pop()
        })
        .await;
        assert_eq!(worker.finish(&again).await, Settled::Done);
    }
}

/// A heartbeat tells whether anything lies ready in the queues consumed now.
async fn a_beat_tells_what_lies_ready(bench: &Bench) {
    let consumer = bench.worker("a", &["q", "other"]).await;
    bench.enqueue("other", &["m1"]).await;
    assert!(consumer.pulse().await.ready);
    consumer.consume(&[bench.queue("q")]).await.unwrap();
    assert!(!consumer.pulse().await.ready, "it does not consume it any more");
    bench.enqueue("q", &["m2"]).await;
    assert!(consumer.pulse().await.ready);
    assert_eq!(consumer.lease(&request(bench, &["q"])).await.unwrap().len(), 1);
    assert!(!consumer.pulse().await.ready, "what is held is not ready");
    bench.enqueue_in(60 * SECOND, "q", "m3").await;
    assert!(!consumer.pulse().await.ready, "nor is what waits for its time");
}

/// A heartbeat promotes what is due in an added queue, and tells what will be: a worker without a free slot leases nothing.
async fn an_added_queue_is_promoted(bench: &Bench) {
    let worker = bench.worker("a", &["first"]).await;
    consume(&worker, bench, &["first", "second"]).await;
    bench.enqueue_in(60 * SECOND, "second", "m1").await;
    wait_until("the heartbeat tells when it is due", || async { worker.pulse().await.next_due.is_some() }).await;
    bench.advance(61 * SECOND);
    assert_eq!(worker.pulse().await.promoted, 1);
    let counts = bench.counts("second").await;
    assert_eq!((counts.ready, counts.scheduled), (1, 0));
}

/// A worker without queues leases nothing, and may have queues again.
async fn no_queue_at_all_is_no_error(bench: &Bench) {
    let worker = bench.worker("a", &["first"]).await;
    bench.enqueue("first", &["m1"]).await;
    consume(&worker, bench, &[]).await;
    assert!(worker.lease(&request(bench, &[])).await.unwrap().is_empty());
    consume(&worker, bench, &["first"]).await;
    assert_eq!(worker.lease(&request(bench, &["first"])).await.unwrap().len(), 1);
}

/// What a worker that died held of an added queue is reclaimed.
async fn an_added_queue_is_reclaimed(bench: &Bench) {
    let (dead, rival) = (bench.worker("a", &["first"]).await, bench.worker("b", &["second"]).await);
    consume(&dead, bench, &["first", "second"]).await;
    bench.enqueue("second", &["m1"]).await;
    assert_eq!(dead.lease(&request(bench, &["second"])).await.unwrap().len(), 1);
    assert_eq!(bench.bury(&[&rival]).await, 1);
    assert!(rival.take_one().await.redelivered);
}

queue_tests::conformance!(
    an_added_queue_is_one_of_its_queues,
    a_queue_that_is_named_twice_is_one,
    what_is_held_of_a_dropped_queue_stays,
    what_nobody_was_handed_of_a_dropped_queue_comes_back,
    no_queue_at_all_is_no_error,
    an_added_queue_is_reclaimed,
    an_added_queue_is_promoted,
    a_beat_tells_what_lies_ready,
    a_worker_tells_how_many_tasks_it_runs_at_once_now,
    a_worker_that_was_reclaimed_has_not_started_anew,
);
