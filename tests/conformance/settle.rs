//! Ending deliveries: each in one step that happens as a whole or not at all.

use std::time::Duration;

use queue_core::store::{Ending, JobState, Settled, Settlement};
use queue_tests::{Bench, SECOND, dead_letter, done, labels, meta, result, with_follow, with_result};

/// A settled message is gone: from the worker, from the queue, for good.
async fn a_settled_message_is_gone(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let delivery = a.take_one().await;
    assert_eq!(a.finish(&delivery).await, Settled::Done);

    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.leased, counts.dead, counts.scheduled), (0, 0, 0, 0));
    assert_eq!(bench.bury(&[&b]).await, 0);
    assert!(b.take(10).await.is_empty());
}

/// Settling nothing is no error.
async fn an_empty_batch_is_nothing(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    assert!(worker.settle(&[]).await.unwrap().is_empty());
}

/// Result, follow-ups and removal happen together.
async fn all_of_a_settlement_happens(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    let mut settlement = with_result(done(&delivery), result(&bench.id("m1"), "SUCCESS", 42));
    settlement = with_result(settlement, result(&bench.id("parent"), "STARTED", "part 1"));
    settlement = with_follow(settlement, bench.message("next", "n1"));
    settlement = with_follow(settlement, bench.message("next", "n2"));
    settlement = with_follow(settlement, bench.message_in(60 * SECOND, "mail", "again").await);
    assert_eq!(worker.settle_one(settlement).await, Settled::Done);

    assert_eq!(bench.result("m1").await.unwrap(), meta(&bench.id("m1"), "SUCCESS", &42.into()));
    assert_eq!(bench.result("parent").await.unwrap(), meta(&bench.id("parent"), "STARTED", &"part 1".into()));
    let next = bench.worker("b", &["next"]).await;
    assert_eq!(labels(&next.take(10).await), ["n1", "n2"]);
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.scheduled, counts.leased), (0, 1, 0));
}

/// A batch may hold every kind of ending; the answers come in the order asked.
async fn a_batch_may_be_mixed(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3", "m4", "m5"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let taken = worker.take(5).await;
    assert_eq!(worker.finish(&taken[1]).await, Settled::Done);

    let batch = [
        with_result(done(&taken[0]), result(&bench.id("m1"), "SUCCESS", 1)),
        with_result(done(&taken[1]), result(&bench.id("m2"), "SUCCESS", "too late")),
        dead_letter(&taken[2], "it broke"),
        with_follow(done(&taken[3]), bench.message_in(60 * SECOND, "mail", "m4 again").await),
    ];
    let answers = worker.settle(&batch).await.unwrap();
    assert_eq!(answers, [Settled::Done, Settled::LeaseLost, Settled::Done, Settled::Done]);

    assert!(bench.result("m1").await.is_some() && bench.result("m2").await.is_none());
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.scheduled, counts.leased, counts.dead), (0, 1, 1, 1));
    assert_eq!(worker.finish(&taken[4]).await, Settled::Done);
}

/// A thousand settlements at once.
async fn a_large_batch_settles_whole(bench: &Bench) {
    let messages: Vec<_> = (0..1000).map(|n| bench.message("mail", &format!("m{n}"))).collect();
    bench.store.enqueue(&messages).await.unwrap();
    let worker = bench.worker("a", &["mail"]).await;
    let mut taken = Vec::new();
    while taken.len() < 1000 {
        taken.extend(worker.take(1000).await);
    }
    let all = labels(&taken).into_iter().zip(&taken);
    let batch: Vec<_> =
        all.map(|(label, delivery)| with_result(done(delivery), result(&bench.id(&label), "SUCCESS", label))).collect();
    assert!(worker.settle(&batch).await.unwrap().iter().all(|settled| *settled == Settled::Done));
    let ids: Vec<_> = (0..1000).map(|n| bench.id(&format!("m{n}"))).collect();
    assert!(bench.store.get_results(&ids).await.unwrap().iter().all(Option::is_some));
    assert_eq!(bench.counts("mail").await.leased, 0);
}

/// A delivery settles once; the second time nothing of it happens.
async fn twice_is_refused(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    assert_eq!(worker.finish(&delivery).await, Settled::Done);
    let again = with_follow(dead_letter(&delivery, "again"), bench.message("mail", "n1"));
    let again = with_result(again, result(&bench.id("m1"), "FAILURE", "again"));
    assert_eq!(worker.settle_one(again).await, Settled::LeaseLost);

    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.dead), (0, 0));
    assert!(bench.result("m1").await.is_none());
}

/// Twice in one batch is once.
async fn twice_in_one_batch_is_once(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    let first = with_follow(done(&delivery), bench.message("next", "n1"));
    let second = with_follow(done(&delivery), bench.message("next", "n2"));
    assert_eq!(worker.settle(&[first, second]).await.unwrap(), [Settled::Done, Settled::LeaseLost]);
    let next = bench.worker("b", &["next"]).await;
    assert_eq!(next.finish_all().await, ["n1"]);
}

/// The same bytes delivered twice are two deliveries: each settles once, no more.
async fn twins_settle_once_each(bench: &Bench) {
    bench.enqueue("mail", &["twin", "twin"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let twins = worker.take(2).await;
    assert_eq!(worker.held().await.unwrap(), 2);
    assert_eq!(worker.settle(&[done(&twins[0]), done(&twins[1])]).await.unwrap(), [Settled::Done, Settled::Done]);
    assert_eq!(worker.held().await.unwrap(), 0);
    assert_eq!(worker.finish(&twins[0]).await, Settled::LeaseLost);
}

/// Twins in two workers' hands do not settle for each other.
async fn twins_in_two_hands_stay_apart(bench: &Bench) {
    bench.enqueue("mail", &["twin", "twin"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let (mine, yours) = (a.take_one().await, b.take_one().await);
    assert_eq!(a.finish(&mine).await, Settled::Done);
    assert_eq!(a.finish(&mine).await, Settled::LeaseLost);
    assert_eq!(b.held().await.unwrap(), 1);
    assert_eq!(b.finish(&yours).await, Settled::Done);
}

/// A dead letter keeps the original bytes, the reason and the time, and no worker gets it.
async fn a_dead_letter_is_kept(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    let before = bench.store.now().await.unwrap();
    let settlement =
        with_result(dead_letter(&delivery, "boom: a \"quote\"\nand é"), result(&bench.id("m1"), "FAILURE", 0));
    let settlement = with_follow(settlement, bench.message("next", "errback"));
    let Ending::Dead(letter) = settlement.ending.clone() else { unreachable!() };
    assert_eq!(worker.settle_one(settlement).await, Settled::Done);

    let jobs = bench.page("mail", JobState::Dead, 10).await.jobs;
    assert_eq!(jobs.len(), 1);
    assert_eq!(&jobs[0].payload, delivery.payload());
    assert_eq!((&jobs[0].queue, jobs[0].state), (&bench.queue("mail"), JobState::Dead));
    let (at, kept) = jobs[0].dead.clone().unwrap();
    assert!(at >= before && at <= bench.store.now().await.unwrap());
    assert_eq!(kept, *letter);
    assert!(bench.result("m1").await.is_some());
    assert_eq!(bench.counts("next").await.ready, 1);
    assert!(worker.take(10).await.is_empty());
}

/// What was acknowledged early settles without a lease: its result, its follow-ups, its dead letter.
async fn an_early_acknowledged_run_settles(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    assert_eq!(worker.finish(&delivery).await, Settled::Done);

    let early = Settlement { tag: None, ..done(&delivery) };
    let success = with_result(early.clone(), result(&bench.id("m1"), "SUCCESS", 1));
    let success = with_follow(success, bench.message("next", "n1"));
    assert_eq!(worker.settle_one(success).await, Settled::Done);
    assert!(bench.result("m1").await.is_some());
    assert_eq!(bench.counts("next").await.ready, 1);

    let kept = Some(Box::new((bench.queue("mail"), 3, delivery.payload().clone())));
    let dead = Settlement { ending: dead_letter(&delivery, "too bad").ending, early: kept, ..early };
    assert_eq!(worker.settle_one(dead).await, Settled::Done);
    let jobs = bench.page("mail", JobState::Dead, 10).await.jobs;
    assert_eq!((jobs.len(), jobs[0].step), (1, 3));
    assert_eq!(&jobs[0].payload, delivery.payload());
}

/// A stored SUCCESS stands: the settlement happens, its result does not.
async fn a_success_is_not_overwritten(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    bench.store.put_results(&[result(&bench.id("m1"), "SUCCESS", "first")]).await.unwrap();
    let settlement = with_result(done(&delivery), result(&bench.id("m1"), "FAILURE", "second"));
    assert_eq!(worker.settle_one(with_follow(settlement, bench.message("next", "n1"))).await, Settled::Done);
    assert_eq!(bench.result("m1").await.unwrap(), meta(&bench.id("m1"), "SUCCESS", &"first".into()));
    assert_eq!(bench.counts("next").await.ready, 1);
}

/// A result that was there before is overwritten when it is no SUCCESS, even if its text speaks of one.
async fn anything_else_is_overwritten(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    let before = result(&bench.id("m1"), "RETRY", r#"{"status": "SUCCESS"}"#);
    bench.store.put_results(&[before]).await.unwrap();
    let settlement = with_result(done(&delivery), result(&bench.id("m1"), "SUCCESS", "second"));
    assert_eq!(worker.settle_one(settlement).await, Settled::Done);
    assert_eq!(bench.result("m1").await.unwrap(), meta(&bench.id("m1"), "SUCCESS", &"second".into()));
}

/// Progress is stored while the delivery stands, and never over a SUCCESS.
async fn progress_is_stored_while_it_stands(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    let report = |value: &str| [result(&bench.id("m1"), "PROGRESS", value)];
    assert!(worker.progress(&delivery.tag, &report("10 %")).await.unwrap());
    assert!(worker.progress(&delivery.tag, &report("20 %")).await.unwrap());
    assert_eq!(bench.result("m1").await.unwrap(), meta(&bench.id("m1"), "PROGRESS", &"20 %".into()));

    let settlement = with_result(done(&delivery), result(&bench.id("m1"), "RETRY", "later"));
    assert_eq!(worker.settle_one(settlement).await, Settled::Done);
    assert!(!worker.progress(&delivery.tag, &report("30 %")).await.unwrap());
    assert_eq!(bench.result("m1").await.unwrap(), meta(&bench.id("m1"), "RETRY", &"later".into()));
}

/// Two workers settle at the same time; each only its own.
async fn concurrent_settles_are_apart(bench: &Bench) {
    let messages: Vec<_> = (0..200).map(|n| bench.message("mail", &format!("m{n}"))).collect();
    bench.store.enqueue(&messages).await.unwrap();
    let worker = bench.worker("a", &["mail"]).await;
    let taken = worker.take(200).await;
    let batch: Vec<_> = taken.iter().map(|delivery| with_follow(done(delivery), bench.message("next", "n"))).collect();
    // The same batch from four sides: each delivery settles for exactly one of them.
    let calls = (0..4).map(|_| {
        let (worker, batch) = (worker.clone(), batch.clone());
        tokio::spawn(async move { worker.settle(&batch).await.unwrap() })
    });
    let mut settled = 0;
    for call in calls.collect::<Vec<_>>() {
        settled += call.await.unwrap().iter().filter(|settled| **settled == Settled::Done).count();
    }
    assert_eq!(settled, 200);
    assert_eq!(bench.counts("next").await.ready, 200);
}

/// Settling within the lease works however long the run took, as long as the worker beats.
async fn a_long_run_settles(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let delivery = a.take_one().await;
    assert_eq!(bench.live(Duration::from_secs(120), &[&a, &b]).await, 0);
    assert_eq!(a.finish(&delivery).await, Settled::Done);
}

queue_tests::conformance!(
    variants:
    a_settled_message_is_gone,
    an_empty_batch_is_nothing,
    all_of_a_settlement_happens,
    a_batch_may_be_mixed,
    a_large_batch_settles_whole,
    twice_is_refused,
    twice_in_one_batch_is_once,
    twins_settle_once_each,
    twins_in_two_hands_stay_apart,
    a_dead_letter_is_kept,
    an_early_acknowledged_run_settles,
    a_success_is_not_overwritten,
    anything_else_is_overwritten,
    progress_is_stored_while_it_stands,
    concurrent_settles_are_apart,
    a_long_run_settles,
);
