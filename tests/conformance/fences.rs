//! A worker that was taken for dead and acts again: nothing it does reaches what is no longer its own.

use queue_core::store::{Delivery, JobState, Settled};
use queue_tests::{Bench, PATIENCE, TestWorker, dead_letter, done, labels, result, with_follow, with_result};

use crate::drain::drain;
use crate::reconcile::dropped_after;

/// `a` leased the messages, stopped, and was reclaimed by `b`, who is alive.
struct Zombie {
    a: TestWorker,
    b: TestWorker,
    lost: Vec<Delivery>,
}

async fn zombie(bench: &Bench, labels: &[&str]) -> Zombie {
    bench.enqueue("mail", labels).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let lost = a.take(10).await;
    assert_eq!(lost.len(), labels.len());
    assert_eq!(bench.bury(&[&b]).await, labels.len());
    Zombie { a, b, lost }
}

/// Its settlement is refused, and none of it happens: not while the message waits, not while another has it.
async fn its_settlement_is_refused(bench: &Bench) {
    let Zombie { a, b, lost } = zombie(bench, &["m1"]).await;
    let late = || {
        let late = with_result(dead_letter(&lost[0], "late"), result(&bench.id("m1"), "FAILURE", "late"));
        with_follow(late, bench.message("next", "n1"))
    };
    assert_eq!(a.settle_one(late()).await, Settled::LeaseLost);
    let again = b.take_one().await;
    assert_eq!(again.payload(), lost[0].payload());
    assert_eq!(a.settle_one(late()).await, Settled::LeaseLost);

    assert!(bench.result("m1").await.is_none());
    assert_eq!((bench.counts("next").await.ready, bench.counts("mail").await.dead), (0, 0));
    assert_eq!(b.finish(&again).await, Settled::Done);
    assert_eq!(a.settle_one(late()).await, Settled::LeaseLost);
}

/// In a batch, what it still has settles and what it lost does not.
async fn a_fresh_lease_beside_a_lost_one(bench: &Bench) {
    let Zombie { a, b, lost } = zombie(bench, &["m1"]).await;
    let again = b.take_one().await;
    assert!(a.pulse().await.fenced);
    bench.enqueue("mail", &["m2"]).await;
    let fresh = a.take_one().await;
    let batch = [
        with_follow(done(&lost[0]), bench.message("next", "of the lost one")),
        with_follow(done(&fresh), bench.message("next", "of the fresh one")),
    ];
    assert_eq!(a.settle(&batch).await.unwrap(), [Settled::LeaseLost, Settled::Done]);
    let next = bench.worker("c", &["next"]).await;
    assert_eq!(next.finish_all().await, ["of the fresh one"]);
    assert_eq!(b.finish(&again).await, Settled::Done);
}

/// It gives nothing back: the message has an owner already.
async fn it_gives_nothing_back(bench: &Bench) {
    let Zombie { a, b, lost } = zombie(bench, &["m1", "m2"]).await;
    let again = b.take_one().await;
    assert_eq!(a.return_all(&lost).await, 0);
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.leased), (1, 1));
    assert_eq!(b.finish(&again).await, Settled::Done);
}

/// Its progress is not stored.
async fn its_progress_is_refused(bench: &Bench) {
    let Zombie { a, b, lost } = zombie(bench, &["m1"]).await;
    let progress = [result(&bench.id("m1"), "PROGRESS", "99 %")];
    assert!(!a.progress(&lost[0].tag, &progress).await.unwrap());
    let again = b.take_one().await;
    assert!(!a.progress(&lost[0].tag, &progress).await.unwrap());
    assert!(bench.result("m1").await.is_none());
    assert!(b.progress(&again.tag, &progress).await.unwrap());
    assert_eq!(b.finish(&again).await, Settled::Done);
}

/// It takes nobody off suspicion, not even the suspect that it ran itself.
async fn it_absolves_nobody(bench: &Bench) {
    let Zombie { a, b, .. } = zombie(bench, &["m1"]).await;
    assert!(a.pulse().await.fenced);
    let suspect = a.take_one().await;
    assert!(suspect.suspect);
    assert_eq!(bench.bury(&[&b]).await, 1);

    assert!(a.absolve(&suspect.tag).await.unwrap().is_none());
    let again = b.take_one().await;
    assert!(again.suspect);
    assert!(a.absolve(&suspect.tag).await.unwrap().is_none());
    // It is the suspect of its new worker still, and no ordinary message of anybody.
    assert_eq!((b.held().await.unwrap(), bench.counts("mail").await.leased), (1, 1));
    assert_eq!(bench.bury(&[&a]).await, 1);
    assert_eq!(a.take_one().await.deaths, 2);
}

/// What a worker gave back is not its own any more, though the worker lives: another has it.
async fn what_was_given_back_is_anothers(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let mine = a.take(1).await;
    assert_eq!(a.return_all(&mine).await, 1);
    let yours = b.take_one().await;

    let progress = [result(&bench.id("m1"), "PROGRESS", 1)];
    assert_eq!(a.settle_one(dead_letter(&mine[0], "late")).await, Settled::LeaseLost);
    assert_eq!(a.finish(&mine[0]).await, Settled::LeaseLost);
    assert!(!a.progress(&mine[0].tag, &progress).await.unwrap());
    assert_eq!(a.return_all(&mine).await, 0);
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.leased, counts.dead), (0, 1, 0));
    assert!(bench.result("m1").await.is_none());
    assert_eq!(b.finish(&yours).await, Settled::Done);
}

/// A suspect that was given back and leased by another is no longer absolved by the first.
async fn a_suspect_given_back_is_anothers(bench: &Bench) {
    let Zombie { b, .. } = zombie(bench, &["m1"]).await;
    let c = bench.worker("c", &["mail"]).await;
    let mine = b.take(1).await;
    assert!(mine[0].suspect);
    assert_eq!(b.return_all(&mine).await, 1);
    let yours = c.take_one().await;
    assert!(yours.suspect);
    assert!(b.absolve(&mine[0].tag).await.unwrap().is_none());
    assert_eq!(bench.bury(&[&b]).await, 1);
    assert_eq!(b.take_one().await.deaths, 1, "it was the only suspect of the one that died");
}

/// What it leased but was never handed (its future was dropped) is lost with the rest: it does not hand it out later.
async fn what_it_never_saw_is_lost_too(bench: &Bench) {
    for polls in 1..=12 {
        bench.enqueue("mail", &["m1"]).await;
        let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
        drop(dropped_after(polls, a.lease(&a.request(1))).await);
        let _ = bench.bury(&[&b]).await;
        let theirs = b.take_one().await;
        let late = a.lease(&a.request(1)).await.unwrap_or_default();
        assert!(late.is_empty(), "dropped after {polls} polls");
        assert_eq!(b.finish(&theirs).await, Settled::Done);
    }
}

/// What it leases before it knows is truly its own, or nothing at all; either way nothing is stranded.
async fn its_lease_is_whole_or_nothing(bench: &Bench) {
    let Zombie { a, b, .. } = zombie(bench, &["m1", "m2"]).await;
    bench.enqueue("mail", &["m3", "m4"]).await;
    let mut finished = Vec::new();
    // An error is a fair answer too: it has not been told yet.
    for delivery in a.lease(&a.request(10)).await.unwrap_or_default() {
        assert_eq!(a.finish(&delivery).await, Settled::Done);
        finished.extend(labels(std::slice::from_ref(&delivery)));
    }
    finished.extend(drain(bench, "mail", &[&a, &b], 4 - finished.len()).await);
    finished.sort();
    assert_eq!(finished, ["m1", "m2", "m3", "m4"]);
}

/// A wait that it begins before it knows strands nothing.
async fn its_wait_strands_nothing(bench: &Bench) {
    let Zombie { a, b, .. } = zombie(bench, &["m1"]).await;
    assert_eq!(b.finish_all().await, ["m1"]);
    let zombie = a.clone();
    let wait = tokio::spawn(async move { zombie.wait(&zombie.request(1), PATIENCE / 10).await.unwrap_or_default() });
    bench.enqueue("mail", &["m2"]).await;
    let came = wait.await.unwrap();
    for delivery in &came {
        assert_eq!(a.finish(delivery).await, Settled::Done);
    }
    assert_eq!(drain(bench, "mail", &[&a, &b], 1 - came.len()).await.len() + came.len(), 1);
}

/// A wait that was under way when it was reclaimed strands nothing either.
async fn a_wait_under_way_strands_nothing(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let waiting = a.clone();
    let wait = tokio::spawn(async move { waiting.wait(&waiting.request(1), PATIENCE / 10).await.unwrap_or_default() });
    bench.enqueue("other", &["not for them"]).await;
    assert_eq!(bench.bury(&[&b]).await, 0);
    bench.enqueue("mail", &["m1", "m2", "m3"]).await;
    let came = wait.await.unwrap();
    for delivery in &came {
        assert_eq!(a.finish(delivery).await, Settled::Done);
    }
    assert_eq!(drain(bench, "mail", &[&a, &b], 3 - came.len()).await.len() + came.len(), 3);
}

/// A dropped wait of a reclaimed worker does not go on swallowing messages.
async fn its_dropped_wait_swallows_nothing(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let waiting = a.clone();
    let wait = tokio::spawn(async move { waiting.wait(&waiting.request(1), PATIENCE).await });
    tokio::task::yield_now().await;
    wait.abort();
    let _ = wait.await;
    let _ = bench.bury(&[&b]).await;
    bench.enqueue("mail", &["m1", "m2"]).await;
    // The zombie never acts again: whatever it may have swallowed comes back when it is reclaimed once more.
    let mut finished = Vec::new();
    for _ in 0..3 {
        finished.extend(b.finish_all().await);
        let _ = bench.bury(&[&b]).await;
    }
    finished.sort();
    assert_eq!(finished, ["m1", "m2"]);
    drop(a);
}

/// Its heartbeat tells it, once; then it works on as a fresh incarnation.
async fn its_heartbeat_starts_it_afresh(bench: &Bench) {
    let Zombie { a, b, lost } = zombie(bench, &["m1"]).await;
    let beat = a.pulse().await;
    assert!(beat.fenced);
    assert_eq!(a.held().await.unwrap(), 0);
    assert!(!a.pulse().await.fenced);

    let again = a.take_one().await;
    assert_eq!(again.payload(), lost[0].payload());
    assert!(again.redelivered && again.suspect);
    assert_eq!(a.finish(&lost[0]).await, Settled::LeaseLost, "the old lease stays lost");
    assert_eq!(bench.live(PATIENCE, &[&a, &b]).await, 0, "the fresh incarnation lives");
    assert_eq!(a.finish(&again).await, Settled::Done);
}

/// A fresh incarnation that dies is reclaimed in its turn.
async fn it_may_die_again(bench: &Bench) {
    let Zombie { a, b, .. } = zombie(bench, &["m1"]).await;
    assert!(a.pulse().await.fenced);
    let again = a.take_one().await;
    assert_eq!(bench.bury(&[&b]).await, 1);
    assert_eq!(a.finish(&again).await, Settled::LeaseLost);
    let third = b.take_one().await;
    assert_eq!((third.deaths, third.suspect), (1, true));
    assert_eq!(b.finish(&third).await, Settled::Done);
}

/// When it closes, it takes nothing from those who hold its messages now.
async fn its_close_harms_nobody(bench: &Bench) {
    let Zombie { a, b, .. } = zombie(bench, &["m1", "m2"]).await;
    let again = b.take_one().await;
    a.close().await.unwrap();
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.leased), (1, 1));
    assert_eq!(b.finish(&again).await, Settled::Done);
    let workers = bench.store.workers().await.unwrap();
    assert!(workers.iter().any(|worker| worker.incarnation == b.incarnation()));
}

/// What the new owner set aside stays set aside, and what it deleted stays deleted.
async fn it_cannot_undo_an_ending(bench: &Bench) {
    let Zombie { a, b, lost } = zombie(bench, &["m1"]).await;
    let again = b.take_one().await;
    assert_eq!(b.settle_one(dead_letter(&again, "for good")).await, Settled::Done);
    assert_eq!(a.finish(&lost[0]).await, Settled::LeaseLost);
    assert_eq!(a.return_all(&lost).await, 0);
    assert_eq!(bench.page("mail", JobState::Dead, 10).await.jobs.len(), 1);
    assert_eq!(bench.counts("mail").await.ready, 0);
}

/// A worker that was reclaimed holding nothing is fenced as well.
async fn an_idle_worker_is_fenced_too(bench: &Bench) {
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(bench.bury(&[&b]).await, 0);
    let _ = a.pulse().await;
    bench.enqueue("mail", &["m1"]).await;
    let delivery = a.take_one().await;
    assert_eq!(bench.live(PATIENCE, &[&a, &b]).await, 0);
    assert_eq!(a.finish(&delivery).await, Settled::Done);
}

queue_tests::conformance!(
    its_settlement_is_refused,
    a_fresh_lease_beside_a_lost_one,
    it_gives_nothing_back,
    its_progress_is_refused,
    it_absolves_nobody,
    what_was_given_back_is_anothers,
    a_suspect_given_back_is_anothers,
    what_it_never_saw_is_lost_too,
    its_lease_is_whole_or_nothing,
    its_wait_strands_nothing,
    a_wait_under_way_strands_nothing,
    its_dropped_wait_swallows_nothing,
    its_heartbeat_starts_it_afresh,
    it_may_die_again,
    its_close_harms_nobody,
    it_cannot_undo_an_ending,
    an_idle_worker_is_fenced_too,
);
