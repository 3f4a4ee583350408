//! Signing off.

use queue_core::Priority;
use queue_core::store::{ChordStep, Outgoing, Settled};
use queue_tests::{Bench, PATIENCE, done, labels, with_chord};

use crate::chords::begun;
use crate::drain::drain;
use crate::reconcile::dropped_after;

async fn signed_on(bench: &Bench, incarnation: &str) -> bool {
    let workers = bench.store.workers().await.unwrap();
    workers.iter().any(|worker| worker.incarnation == incarnation)
}

/// A worker that signs off leaves its messages at the front, unsuspected, in order; it is no worker any more.
async fn everything_is_given_back(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let taken = a.take(2).await;
    assert!(signed_on(bench, a.incarnation()).await);
    a.close().await.unwrap();
    a.close().await.unwrap();
    assert!(!signed_on(bench, a.incarnation()).await);
    assert!(signed_on(bench, b.incarnation()).await);

    assert_eq!(a.settle_one(queue_tests::done(&taken[0])).await, Settled::LeaseLost);
    let again = b.take(10).await;
    assert_eq!(labels(&again), ["m1", "m2", "m3"]);
    assert!(again.iter().all(|delivery| !delivery.suspect && !delivery.redelivered));
}

/// What was settled before is not given back.
async fn the_settled_stay_settled(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let taken = a.take(2).await;
    assert_eq!(a.finish(&taken[0]).await, Settled::Done);
    a.close().await.unwrap();
    assert_eq!(b.finish_all().await, ["m2"]);
}

/// A wait that is under way ends, and takes nothing with it.
async fn a_wait_under_way_takes_nothing(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let waiting = a.clone();
    let wait = tokio::spawn(async move { waiting.wait(&waiting.request(1), PATIENCE / 10).await.unwrap_or_default() });
    tokio::task::yield_now().await;
    a.close().await.unwrap();
    bench.enqueue("mail", &["m1"]).await;
    let came = wait.await.unwrap();
    let mut settled = 0;
    for delivery in &came {
        settled += usize::from(a.finish(delivery).await == Settled::Done);
    }
    let mut rest = Vec::new();
    for _ in 0..3 {
        rest.extend(b.finish_all().await);
        let _ = bench.bury(&[&b]).await;
    }
    assert_eq!(rest.len() + settled, 1);
}

/// What a dropped lease took goes back, too, also of a priority that was never used before.
async fn what_a_dropped_lease_took_is_given_back(bench: &Bench) {
    for polls in 1..=12 {
        let queue = format!("mail{polls}");
        let low = Outgoing { priority: Priority::LOWEST, ..bench.message(&queue, "low") };
        bench.store.enqueue(&[low]).await.unwrap();
        let a = bench.worker("a", &[&queue]).await;
        dropped_after(polls, a.lease(&a.request(1))).await;
        a.close().await.unwrap();
        let counts = bench.counts(&queue).await;
        let found = (counts.ready, counts.leased, counts.suspects);
        assert_eq!(found, (1, 0, 0), "dropped after {polls} polls");
    }
}

/// And so does the dispatch of a chord that was completed just now.
async fn a_dispatch_of_another_priority_is_given_back(bench: &Bench) {
    let (chord, a) = begun(bench, 1).await;
    bench.enqueue("mail", &["m1"]).await;
    let delivery = a.take_one().await;
    let ChordStep::Part(mut part) = chord.part("m1", Some(0), "one") else { panic!("a part is a part") };
    part.dispatch.priority = Priority::LOWEST;
    assert_eq!(a.settle_one(with_chord(done(&delivery), ChordStep::Part(part))).await, Settled::Done);
    a.close().await.unwrap();
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.leased), (1, 0));
}

/// Other workers notice nothing, and one that starts under the same host name is another worker.
async fn a_successor_is_another(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let a = bench.worker("a", &["mail"]).await;
    assert_eq!(a.take(1).await.len(), 1);
    let successor = bench.worker("a", &["mail"]).await;
    assert_eq!(labels(&successor.take(10).await), ["m2"]);
    a.close().await.unwrap();
    assert!(signed_on(bench, successor.incarnation()).await);
    assert_eq!(successor.held().await.unwrap(), 1);
    assert_eq!(labels(&successor.take(10).await), ["m1"]);
    successor.close().await.unwrap();
    let last = bench.worker("b", &["mail"]).await;
    assert_eq!(drain(bench, "mail", &[&last], 2).await, ["m1", "m2"]);
}

queue_tests::conformance!(
    everything_is_given_back,
    the_settled_stay_settled,
    a_wait_under_way_takes_nothing,
    what_a_dropped_lease_took_is_given_back,
    a_dispatch_of_another_priority_is_given_back,
    a_successor_is_another,
);
