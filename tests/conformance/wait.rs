//! Waiting for a message: who wakes, with what, and what a wait leaves behind.

use std::sync::Arc;
use std::time::Duration;

use queue_core::store::Delivery;
use queue_tests::{Bench, PATIENCE, SECOND, TestWorker, label, labels};
use tokio::task::JoinHandle;

use crate::drain::drain;

/// A wait in the background; it is begun when this returns, as far as one can tell from outside.
async fn waiting(worker: &TestWorker, limit: usize, at_most: Duration) -> JoinHandle<Vec<Delivery>> {
    let worker = worker.clone();
    let wait = tokio::spawn(async move { worker.wait_for(limit, at_most).await });
    // No event tells that a wait has begun; a wait that begins later must pass these tests just as well.
    tokio::time::sleep(Duration::from_millis(20)).await;
    wait
}

/// Asks like a worker does: wait, and when nothing came, lease.
async fn next(worker: &TestWorker, limit: usize) -> Vec<Delivery> {
    loop {
        let came = worker.wait_for(limit, PATIENCE).await;
        if !came.is_empty() {
            return came;
        }
        let came = worker.take(limit).await;
        if !came.is_empty() {
            return came;
        }
    }
}

/// A push wakes a worker that waits, and it has the message in its hands.
async fn a_push_wakes_a_waiting_worker(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    let wait = waiting(&worker, 1, PATIENCE).await;
    bench.enqueue("mail", &["m1"]).await;
    let came = wait.await.unwrap();
    assert_eq!(labels(&came), ["m1"]);
    assert_eq!(worker.held().await.unwrap(), 1);
    assert_eq!(worker.finish(&came[0]).await, queue_core::store::Settled::Done);
}

/// A push from another store on the same data wakes it too.
async fn a_push_from_elsewhere_wakes_it(bench: &Bench) {
    let other = bench.other_store().await;
    let worker = bench.worker("a", &["mail"]).await;
    let wait = waiting(&worker, 1, PATIENCE).await;
    other.enqueue(&[bench.message("mail", "m1")]).await.unwrap();
    assert_eq!(labels(&wait.await.unwrap()), ["m1"]);
}

/// A message that was there before is found without a push.
async fn a_wait_finds_what_is_there(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(labels(&next(&worker, 1).await), ["m1"]);
}

/// A wait sees every queue of the worker, and their low priorities.
async fn a_wait_sees_every_queue(bench: &Bench) {
    let worker = bench.worker("a", &["one", "two", "three"]).await;
    for queue in ["two", "three", "one"] {
        let wait = waiting(&worker, 1, PATIENCE).await;
        bench.enqueue(queue, &[queue]).await;
        assert_eq!(labels(&wait.await.unwrap()), [queue]);
    }
}

/// One push wakes one of eight waiting workers; the others sleep on and get the next ones.
async fn a_push_wakes_one_of_eight(bench: &Bench) {
    let mut waits = Vec::new();
    for n in 0..8 {
        let worker = bench.worker(&format!("w{n}"), &["mail"]).await;
        waits.push(waiting(&worker, 4, PATIENCE).await);
    }
    for n in 0..8 {
        bench.enqueue("mail", &[&format!("m{n}")]).await;
        queue_tests::wait_until("a worker wakes", || async {
            waits.iter().filter(|wait| wait.is_finished()).count() > n
        })
        .await;
    }
    let mut came = Vec::new();
    for wait in waits {
        let woken = labels(&wait.await.unwrap());
        assert_eq!(woken.len(), 1, "a worker was woken for {woken:?}");
        came.extend(woken);
    }
    came.sort();
    assert_eq!(came, ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"]);
}

/// A wait brings no more than its limit; what came beyond it goes back and is there for others, unsuspected.
async fn what_is_beyond_the_limit_goes_back(bench: &Bench) {
    let worker = bench.worker("a", &["one", "two", "three"]).await;
    let other = bench.worker("b", &["one", "two", "three"]).await;
    for round in 0..10 {
        let wait = waiting(&worker, 1, PATIENCE).await;
        let all: Vec<_> = ["one", "two", "three"].map(|queue| bench.message(queue, &format!("{queue}{round}"))).into();
        bench.store.enqueue(&all).await.unwrap();
        let mut came = wait.await.unwrap();
        assert!(came.len() <= 1, "limit 1, came {:?}", labels(&came));
        queue_tests::wait_until("the rest can be leased", || async {
            came.len()
                + bench.counts("one").await.ready as usize
                + bench.counts("two").await.ready as usize
                + bench.counts("three").await.ready as usize
                == 3
        })
        .await;
        let rest = other.take(10).await;
        assert!(rest.iter().all(|delivery| !delivery.redelivered && !delivery.suspect));
        let settled: Vec<_> = rest.iter().map(queue_tests::done).collect();
        assert!(other.settle(&settled).await.unwrap().iter().all(|s| *s == queue_core::store::Settled::Done));
        if let Some(mine) = came.pop() {
            assert_eq!(worker.finish(&mine).await, queue_core::store::Settled::Done);
        }
    }
}

/// A wait whose future is dropped takes nothing with it: what is pushed afterwards reaches somebody.
async fn a_dropped_wait_loses_nothing(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    for round in 0..5 {
        let wait = waiting(&a, 1, PATIENCE).await;
        wait.abort();
        // A wait may end early, with nothing; not with a message that nobody has sent.
        assert!(wait.await.unwrap_or_default().is_empty());
        bench.enqueue("mail", &[&format!("m{round}")]).await;
        assert_eq!(drain(bench, "mail", &[&a, &b], 1).await, [format!("m{round}")]);
    }
}

/// Dropping a wait in the same moment as a push arrives loses nothing either.
async fn a_wait_dropped_at_the_push_loses_nothing(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    for round in 0..20 {
        let wait = waiting(&a, 1, PATIENCE).await;
        bench.enqueue("mail", &[&format!("m{round}")]).await;
        wait.abort();
        // It may have been faster than the abort; then the message is in our hands.
        let mut came: Vec<_> = wait.await.unwrap_or_default();
        if let Some(mine) = came.pop() {
            assert_eq!(label(mine.payload()), format!("m{round}"));
            assert_eq!(a.finish(&mine).await, queue_core::store::Settled::Done);
        } else {
            assert_eq!(drain(bench, "mail", &[&a, &b], 1).await, [format!("m{round}")]);
        }
    }
}

/// A wait ends by itself, empty.
async fn a_wait_ends_at_most_then(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    assert!(worker.wait_for(1, Duration::from_millis(50)).await.is_empty());
    assert!(worker.wait_for(1, Duration::ZERO).await.is_empty());
    // And has not left a hook that swallows what comes later.
    bench.enqueue("mail", &["m1"]).await;
    let other = bench.worker("b", &["mail"]).await;
    assert_eq!(drain(bench, "mail", &[&worker, &other], 1).await, ["m1"]);
}

/// A due message wakes a waiting worker when another one's heartbeat promotes it: nobody has to ask again and again.
async fn a_promoted_message_wakes_a_worker(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    bench.enqueue_in(20 * SECOND, "mail", "m1").await;
    let wait = waiting(&a, 1, PATIENCE).await;
    let beat = b.pulse().await;
    let due = beat.next_due.expect("a heartbeat says when the next message is due");
    assert!(due > bench.store.now().await.unwrap());
    assert_eq!(beat.promoted, 0);

    bench.advance(21 * SECOND);
    assert_eq!(b.pulse().await.promoted, 1);
    assert_eq!(labels(&wait.await.unwrap()), ["m1"]);
    assert!(b.pulse().await.next_due.is_none());
}

/// A worker alone that waits and leases, as its heartbeat's `next_due` tells it, gets a due message without another
/// heartbeat, and not before its time.
async fn a_worker_alone_meets_the_due_time(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    let message = bench.message_in(Duration::from_millis(300), "mail", "m1").await;
    let due = message.due.unwrap();
    bench.store.enqueue(&[message]).await.unwrap();
    let told = worker.pulse().await.next_due;
    // On a busy host it is due by now.
    assert!(told == Some(due) || bench.store.now().await.unwrap() >= due, "{told:?}");
    assert_eq!(labels(&next(&worker, 1).await), ["m1"]);
    assert!(bench.store.now().await.unwrap() >= due);
}

/// A settlement's follow-up wakes a waiting worker as any other message does.
async fn a_follow_up_wakes_a_worker(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["next"]).await);
    bench.enqueue("mail", &["m1"]).await;
    let first = a.take_one().await;
    let wait = waiting(&b, 1, PATIENCE).await;
    let settlement = queue_tests::with_follow(queue_tests::done(&first), bench.message("next", "m2"));
    assert_eq!(a.settle_one(settlement).await, queue_core::store::Settled::Done);
    assert_eq!(labels(&wait.await.unwrap()), ["m2"]);
}

/// Given-back messages wake a waiting worker.
async fn a_message_given_back_wakes_a_worker(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    bench.enqueue("mail", &["m1"]).await;
    let mine = a.take(1).await;
    let wait = waiting(&b, 1, PATIENCE).await;
    assert_eq!(a.return_all(&mine).await, 1);
    assert_eq!(labels(&wait.await.unwrap()), ["m1"]);
}

/// Many workers that wait and many producers: each message reaches exactly one of them.
async fn waiting_workers_share_the_load(bench: &Bench) {
    let finished = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let mut workers = Vec::new();
    for n in 0..4 {
        let worker = bench.worker(&format!("w{n}"), &["mail"]).await;
        let finished = Arc::clone(&finished);
        workers.push(tokio::spawn(async move {
            loop {
                for delivery in next(&worker, 2).await {
                    assert_eq!(worker.finish(&delivery).await, queue_core::store::Settled::Done);
                    finished.lock().await.push(label(delivery.payload()));
                }
            }
        }));
    }
    for n in 0..100 {
        bench.enqueue("mail", &[&format!("m{n}")]).await;
    }
    queue_tests::wait_until("all are finished", || async { finished.lock().await.len() >= 100 }).await;
    workers.iter().for_each(JoinHandle::abort);
    let finished = finished.lock().await;
    let different: std::collections::HashSet<_> = finished.iter().collect();
    assert_eq!((finished.len(), different.len()), (100, 100));
}

/// A wait may be for ever.
async fn a_wait_without_end_ends_at_the_push(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    let wait = waiting(&worker, 1, Duration::MAX).await;
    bench.enqueue("mail", &["m1"]).await;
    assert!(wait.await.unwrap().len() <= 1);
}

queue_tests::conformance!(
    a_push_wakes_a_waiting_worker,
    a_push_from_elsewhere_wakes_it,
    a_wait_finds_what_is_there,
    a_wait_sees_every_queue,
    a_push_wakes_one_of_eight,
    what_is_beyond_the_limit_goes_back,
    a_dropped_wait_loses_nothing,
    a_wait_dropped_at_the_push_loses_nothing,
    a_wait_ends_at_most_then,
    a_promoted_message_wakes_a_worker,
    a_worker_alone_meets_the_due_time,
    a_follow_up_wakes_a_worker,
    a_message_given_back_wakes_a_worker,
    waiting_workers_share_the_load,
    a_wait_without_end_ends_at_the_push,
);
