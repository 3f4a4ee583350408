//! Futures dropped at every point where they could stop: nothing is lost, nothing happens twice, nothing is stranded.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use queue_core::store::{Settled, Settlement};
use queue_tests::{Bench, PATIENCE, done, label, labels, result, with_follow, with_result};

use crate::drain::drain;

/// After so many polls a call of ours has come to its end, on every driver.
const POINTS: usize = 12;

/// Polls `inner` so often and gives it up then: `None`.
struct DroppedAfter<'a, F: Future> {
    inner: Pin<&'a mut F>,
    polls: usize,
}

impl<F: Future> Future for DroppedAfter<'_, F> {
    type Output = Option<F::Output>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls -= 1;
        match self.inner.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Runs `call` up to its nth stop and drops it there; what it returned when it was done before that.
pub(crate) async fn dropped_after<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    DroppedAfter { inner: call.as_mut(), polls }.await
}

/// A lease dropped anywhere: its messages reach somebody, once.
async fn a_dropped_lease(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    for polls in 1..=POINTS {
        bench.enqueue("mail", &["m1", "m2", "m3"]).await;
        let came = dropped_after(polls, a.lease(&a.request(2))).await.map(Result::unwrap).unwrap_or_default();
        for delivery in &came {
            assert_eq!(a.finish(delivery).await, Settled::Done);
        }
        let mut all = drain(bench, "mail", &[&a, &b], 3 - came.len()).await;
        all.extend(labels(&came));
        all.sort();
        assert_eq!(all, ["m1", "m2", "m3"], "dropped after {polls} polls");
    }
}

/// A wait dropped anywhere while messages come in.
async fn a_dropped_wait(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    for polls in 1..=POINTS {
        let request = a.request(1);
        let enqueue = async {
            tokio::task::yield_now().await;
            bench.enqueue("mail", &["m1", "m2"]).await;
        };
        let (came, ()) = tokio::join!(dropped_after(polls, a.wait(&request, PATIENCE / 30)), enqueue);
        let came = came.map(Result::unwrap).unwrap_or_default();
        for delivery in &came {
            assert_eq!(a.finish(delivery).await, Settled::Done);
        }
        let rest = drain(bench, "mail", &[&a, &b], 2 - came.len()).await;
        assert_eq!(came.len() + rest.len(), 2, "dropped after {polls} polls");
    }
}

/// A settlement dropped anywhere has happened as a whole or not at all; settling again makes sure.
async fn a_dropped_settlement(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    let next = bench.worker("b", &["next"]).await;
    for polls in 1..=POINTS {
        let name = format!("m{polls}");
        bench.enqueue("mail", &[&name]).await;
        let delivery = worker.take_one().await;
        let settlement = with_result(done(&delivery), result(&bench.id(&name), "SUCCESS", polls));
        let settlement = [with_follow(settlement, bench.message("next", &name))];
        let first = dropped_after(polls, worker.settle(&settlement)).await;
        let second = worker.settle(&settlement).await.unwrap()[0];
        if let Some(first) = first {
            assert_eq!((first.unwrap()[0], second), (Settled::Done, Settled::LeaseLost));
        }
        assert!(bench.result(&name).await.is_some(), "dropped after {polls} polls");
        assert_eq!(next.finish_all().await, [name], "dropped after {polls} polls");
        assert_eq!(worker.held().await.unwrap(), 0);
    }
}

/// Giving back, dropped anywhere: the messages are there once, or still in hand.
async fn a_dropped_give_back(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    for polls in 1..=POINTS {
        bench.enqueue("mail", &["m1", "m2"]).await;
        let taken = a.take(2).await;
        let tags: Vec<_> = taken.iter().map(|delivery| delivery.tag.clone()).collect();
        dropped_after(polls, a.give_back(&tags)).await;
        a.give_back(&tags).await.unwrap();
        assert_eq!(drain(bench, "mail", &[&a, &b], 2).await, ["m1", "m2"], "dropped after {polls} polls");
    }
}

/// Taking a suspect off suspicion, dropped anywhere: its body runs, and it is not handed out beside it; asking again makes sure.
async fn a_dropped_absolve(bench: &Bench) {
    let a = bench.worker("a", &["mail"]).await;
    for polls in 1..=POINTS {
        bench.enqueue("mail", &["m1"]).await;
        let doomed = bench.worker("doomed", &["mail"]).await;
        assert_eq!(doomed.take(1).await.len(), 1);
        assert_eq!(bench.bury(&[&a]).await, 1);
        let suspect = a.take_one().await;
        let first = dropped_after(polls, a.absolve(&suspect.tag)).await;
        // Another call that came to nothing: from here on the worker compares what it holds with what it knows.
        dropped_after(1, a.lease(&a.request(10))).await;
        for _ in 0..3 {
            // As long as a reply may be under way.
            tokio::time::sleep(queue_tests::SECOND / 30).await;
            assert_eq!(labels(&a.take(10).await), Vec::<String>::new(), "dropped after {polls} polls");
        }
        let absolved = match first {
            Some(answer) => answer,
            None => a.absolve(&suspect.tag).await,
        };
        let tag = absolved.unwrap().expect("its lease stands");
        assert_eq!(a.settle_one(Settlement::done(tag)).await, Settled::Done, "dropped after {polls} polls");
        assert_eq!(a.held().await.unwrap(), 0);
    }
}

/// A heartbeat dropped anywhere: whatever it promoted or took back is there once.
async fn a_dropped_heartbeat(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    for polls in 1..=POINTS {
        bench.enqueue("mail", &["m1"]).await;
        let doomed = bench.worker("doomed", &["mail"]).await;
        assert_eq!(doomed.take(1).await.len(), 1);
        bench.enqueue_in(queue_tests::SECOND, "mail", "m2").await;
        for _ in 0..8 {
            bench.advance(2 * queue_tests::SECOND);
            dropped_after(polls, a.beat()).await;
        }
        let _ = bench.bury(&[&a, &b]).await;
        assert_eq!(drain(bench, "mail", &[&a, &b], 2).await, ["m1", "m2"], "dropped after {polls} polls");
    }
}

/// An enqueue dropped anywhere has written its batch as a whole or not at all, and never twice.
async fn a_dropped_enqueue(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    for polls in 1..=POINTS {
        let batch = [bench.message("mail", "m1"), bench.message("mail", "m2")];
        let finished = dropped_after(polls, bench.store.enqueue(&batch)).await;
        // A later call of the same store comes after it.
        bench.enqueue("mail", &["last"]).await;
        let mut came = Vec::new();
        while came.last().is_none_or(|last| last != "last") {
            came.extend(worker.finish_all().await);
        }
        came.pop();
        assert!(came.is_empty() || came == ["m1", "m2"], "dropped after {polls} polls: {came:?}");
        assert!(finished.is_none() || came.len() == 2);
    }
}

/// A call dropped before it was ever polled does nothing.
async fn a_call_never_made(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    drop(worker.lease(&worker.request(1)));
    drop(worker.wait(&worker.request(1), PATIENCE));
    let delivery = worker.take_one().await;
    assert_eq!(label(delivery.payload()), "m1");
    drop(worker.settle(&[done(&delivery)]));
    assert_eq!(worker.finish(&delivery).await, Settled::Done);
}

/// Leases that are dropped again and again while others work: all that was sent comes out, once.
async fn leases_dropped_in_the_crowd(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let messages: Vec<_> = (0..60).map(|n| bench.message("mail", &format!("m{n:02}"))).collect();
    bench.store.enqueue(&messages).await.unwrap();
    let mut finished = Vec::new();
    for round in 0..30 {
        let came = dropped_after(1 + round % POINTS, a.lease(&a.request(3))).await;
        for delivery in came.map(Result::unwrap).unwrap_or_default() {
            assert_eq!(a.finish(&delivery).await, Settled::Done);
            finished.push(label(delivery.payload()));
        }
        if let Some(delivery) = b.take(1).await.pop() {
            assert_eq!(b.finish(&delivery).await, Settled::Done);
            finished.push(label(delivery.payload()));
        }
    }
    finished.extend(drain(bench, "mail", &[&a, &b], 60 - finished.len()).await);
    finished.sort();
    assert!(finished.iter().enumerate().all(|(n, label)| *label == format!("m{n:02}")), "{finished:?}");
}

/// A worker that was reclaimed leases the same message again and only then settles the lost lease: what it holds now is
/// not handed out a second time.
async fn a_late_settlement_of_a_lost_lease(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    bench.enqueue("mail", &["m1"]).await;
    let lost = a.take_one().await;
    assert_eq!(bench.bury(&[&b]).await, 1);
    assert!(a.pulse().await.fenced);
    let again = a.take_one().await;
    assert_eq!(a.finish(&lost).await, Settled::LeaseLost);
    for _ in 0..3 {
        a.pulse().await;
        assert_eq!(labels(&a.take(10).await), Vec::<String>::new());
    }
    assert_eq!(a.finish(&again).await, Settled::Done);
}

queue_tests::conformance!(
    a_dropped_lease,
    a_dropped_wait,
    a_dropped_settlement,
    a_dropped_give_back,
    a_dropped_absolve,
    a_dropped_heartbeat,
    a_dropped_enqueue,
    a_call_never_made,
    leases_dropped_in_the_crowd,
    a_late_settlement_of_a_lost_lease,
);
