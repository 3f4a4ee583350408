//! Many ends in one call: any of what is held, in any order, of any kind, some of it for the second time.

use std::collections::BTreeSet;

use fastrand::Rng;
use queue_core::store::{Delivery, Settled, Settlement};
use queue_tests::{Bench, dead_letter, done, label, labels, meta, result, with_result};

/// Each end happens once and answers for itself, whatever stands beside it; what is not ended stays, in its order.
async fn any_of_them_in_any_order(bench: &Bench) {
    let seed = fastrand::u64(..);
    for round in 0..20 {
        let mut rng = Rng::with_seed(seed.wrapping_add(round));
        // Half of the rounds all ends are alike, as most are in life.
        let alike = rng.bool().then(|| rng.u8(1..8));
        Round { bench, rng, alike, name: format!("seed {seed} round {round}") }.run().await;
    }
}

/// What stays in between keeps its order.
async fn what_stays_keeps_its_order(bench: &Bench) {
    let sent: Vec<_> = (0..20).map(|n| format!("m{n}")).collect();
    bench.enqueue("mail", &sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (worker, next) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let held = worker.take(20).await;
    let stay = [2, 5, 8];
    let ends: Vec<_> = (0..20).filter(|place| !stay.contains(place)).map(|place| done(&held[place])).collect();
    assert!(worker.settle(&ends).await.unwrap().iter().all(|answer| *answer == Settled::Done));
    worker.close().await.unwrap();
    assert_eq!(labels(&next.take(20).await), ["m2", "m5", "m8"]);
}

struct Round<'a> {
    bench: &'a Bench,
    rng: Rng,
    alike: Option<u8>,
    name: String,
}

impl Round<'_> {
    async fn run(mut self) {
        let queue = format!("q{}", self.rng.u32(..));
        let count = self.rng.usize(1..80);
        let sent: Vec<String> = (0..count).map(|n| format!("{queue}-{n:02}")).collect();
        self.bench.enqueue(&queue, &sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let worker = self.bench.worker("a", &[&queue]).await;
        let held = worker.take(count).await;
        assert_eq!(labels(&held), sent, "{}", self.name);
        let (mut ended, mut stored) = (BTreeSet::new(), BTreeSet::new());
        while ended.len() < count {
            let places = self.choose(count, &ended);
            let batch: Vec<_> = places.iter().map(|place| self.end(&held[*place])).collect();
            let answers = worker.settle(&batch).await.unwrap();
            let expected: Vec<_> = places
                .iter()
                .map(|place| if ended.insert(*place) { Settled::Done } else { Settled::LeaseLost })
                .collect();
            assert_eq!(answers, expected, "{}: {places:?}", self.name);
            let with_result = batch.iter().zip(&answers).map(|(one, answer)| (one, *answer == Settled::Done));
            let with_result = with_result.map(|(one, done)| done && !one.results.is_empty());
            stored.extend(places.iter().zip(with_result).filter(|(_, stored)| *stored).map(|(place, _)| *place));
            self.check_results(&sent, &stored).await;
            if self.rng.u8(..) < 64 {
                break;
            }
        }
        worker.close().await.unwrap();
        let next = self.bench.worker("b", &[&queue]).await;
        let left: Vec<_> = (0..count).filter(|place| !ended.contains(place)).map(|place| sent[place].clone()).collect();
        assert_eq!(labels(&next.take(count).await), left, "{}", self.name);
    }

    /// Mostly the oldest that are left, nearly in their order; a few ended before.
    fn choose(&mut self, count: usize, ended: &BTreeSet<usize>) -> Vec<usize> {
        let size = self.rng.usize(1..=count);
        let skipped = self.rng.u8(0..50);
        let left: Vec<_> = (0..count).filter(|place| !ended.contains(place)).collect();
        let mut places: Vec<_> = left.iter().copied().filter(|_| self.rng.u8(0..100) >= skipped).take(size).collect();
        if let (Some(again), true) = (ended.first(), self.rng.bool()) {
            places.push(*again);
        }
        if places.is_empty() {
            places.extend(left.first());
        }
        for _ in 0..self.rng.usize(0..4) {
            let (one, other) = (self.rng.usize(..places.len()), self.rng.usize(..places.len()));
            places.swap(one, other);
        }
        places
    }

    fn end(&mut self, delivery: &Delivery) -> Settlement {
        let label = label(delivery.payload());
        match self.alike.unwrap_or_else(|| self.rng.u8(0..8)) {
            0 => dead_letter(delivery, "it broke"),
            1..4 => done(delivery),
            4 => {
                let stored = result(&self.bench.id(&label), "SUCCESS", label);
                with_result(done(delivery), queue_core::store::StoredResult { ttl: None, ..stored })
            }
            _ => with_result(done(delivery), result(&self.bench.id(&label), "SUCCESS", label)),
        }
    }

    /// Whose end said so has its own result, and nobody else has one.
    async fn check_results(&self, sent: &[String], stored: &BTreeSet<usize>) {
        for (place, label) in sent.iter().enumerate() {
            let found = self.bench.result(label).await;
            let expected =
                stored.contains(&place).then(|| meta(&self.bench.id(label), "SUCCESS", &label.clone().into()));
            assert_eq!(found, expected, "{}: {label}", self.name);
        }
    }
}

queue_tests::conformance!(
    variants:
    any_of_them_in_any_order,
    what_stays_keeps_its_order,
);
