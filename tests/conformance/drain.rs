//! Emptying a queue with workers that may have something left to reconcile.

use queue_core::store::Settled;
use queue_tests::{Bench, PATIENCE, TestWorker, label};

/// Lets the workers beat, lease and finish until `expected` messages came out and the queue is empty in every state
/// but dead; the labels, sorted. A message that comes out twice, or stays in somebody's hands, fails the test.
pub(crate) async fn drain(bench: &Bench, queue: &str, workers: &[&TestWorker], expected: usize) -> Vec<String> {
    let started = std::time::Instant::now();
    let mut finished = Vec::new();
    loop {
        for worker in workers {
            let _ = worker.pulse().await;
            for delivery in worker.take(100).await {
                assert_eq!(worker.finish(&delivery).await, Settled::Done, "of {}", label(delivery.payload()));
                finished.push(label(delivery.payload()));
            }
        }
        let counts = bench.counts(queue).await;
        assert!(finished.len() <= expected, "more came out than went in: {finished:?}");
        if finished.len() == expected && (counts.ready, counts.leased, counts.scheduled) == (0, 0, 0) {
            finished.sort();
            return finished;
        }
        assert!(started.elapsed() < PATIENCE, "stranded: {finished:?} of {expected} came out, {counts:?} stay");
        tokio::task::yield_now().await;
    }
}
