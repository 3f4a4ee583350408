//! Who is dead, who is only silent, and what becomes of the messages of the dead.

use std::time::Duration;

use queue_core::Priority;
use queue_core::store::{Outgoing, Settled};
use queue_tests::{Bench, SECOND, TestWorker, dead_letter, label, labels};

/// What a dead worker held comes to the next one, marked.
async fn the_messages_of_the_dead_come_back(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let lost = a.take_one().await;
    assert_eq!(bench.bury(&[&b]).await, 1);
    let again = b.take_one().await;
    assert_eq!(again.payload(), lost.payload());
    assert_eq!((&again.queue, again.step), (&lost.queue, lost.step));
    assert_eq!((again.redelivered, again.suspect, again.deaths), (true, true, 0));
    assert_eq!(b.finish(&again).await, Settled::Done);
}

/// The heartbeat that takes them back says from whom, and how many.
async fn the_sweeper_says_who_died(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(2).await.len(), 2);
    for _ in 0..10 {
        bench.advance(2 * SECOND);
        let beat = b.pulse().await;
        assert!(!beat.fenced);
        if beat.reclaimed > 0 {
            assert_eq!(beat.reclaimed, 2);
            assert_eq!(beat.dead_workers, [a.incarnation()]);
            return;
        }
    }
    panic!("nobody was reclaimed in 20 s");
}

/// A worker that dies is found within 14 s of its last heartbeat, while another one lives.
async fn a_dead_worker_is_found_in_time(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(1).await.len(), 1);
    let _ = a.pulse().await;
    assert_eq!(bench.live(14 * SECOND, &[&b]).await, 1);
}

/// Silence shorter than the lease is no offence.
async fn a_short_silence_is_nothing(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let delivery = a.take_one().await;
    for _ in 0..5 {
        assert_eq!(bench.live(6 * SECOND, &[&b]).await, 0);
        assert!(!a.pulse().await.fenced);
    }
    assert_eq!(a.finish(&delivery).await, Settled::Done);
}

/// A heartbeat within the grace clears the suspicion, and the next silence is measured afresh.
async fn a_heartbeat_clears_the_suspicion(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let delivery = a.take_one().await;
    for _ in 0..3 {
        // Past the lease of 7 s and swept: a suspect, with less than the grace of 3.5 s behind it.
        assert_eq!(bench.live(9 * SECOND, &[&b]).await, 0);
        assert!(!a.pulse().await.fenced);
    }
    assert_eq!(a.finish(&delivery).await, Settled::Done);
}

/// Suspicions do not add up: workers that are late again and again, with one always under suspicion so that the sweeps
/// never come to rest, live as long as each beats within its own grace.
async fn suspicions_do_not_add_up(bench: &Bench) {
    const STEP: Duration = Duration::from_secs(10);
    // All times are ten times what they are by default, so that those of the host do not matter.
    let bench = &Bench::with(bench.driver, |options| {
        for time in [&mut options.lease, &mut options.grace, &mut options.sweep_gap] {
            *time *= 10;
        }
    })
    .await;
    bench.enqueue("mail", &["m1", "m2"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let c = bench.worker("c", &["mail"]).await;
    let (first, second) = (a.take_one().await, c.take_one().await);
    let began = bench.clock.now();
    for step in 1..=40 {
        bench.advance_to(began, step * STEP);
        assert_eq!(b.pulse().await.reclaimed, 0, "after {step} steps");
        match step % 10 {
            0 => assert!(!a.pulse().await.fenced),
            5 => assert!(!c.pulse().await.fenced),
            _ => {}
        }
    }
    assert_eq!(a.finish(&first).await, Settled::Done);
    assert_eq!(c.finish(&second).await, Settled::Done);
}

/// A store that slept for an hour kills nobody: all its workers were silent, for no fault of theirs.
async fn a_store_that_slept_kills_nobody(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let (first, second) = (a.take_one().await, b.take_one().await);
    bench.advance(Duration::from_secs(3600));
    for worker in [&a, &b, &a, &b] {
        let beat = worker.pulse().await;
        assert!(!beat.fenced);
        assert_eq!(beat.reclaimed, 0);
        bench.advance(SECOND);
    }
    assert_eq!(a.finish(&first).await, Settled::Done);
    assert_eq!(b.finish(&second).await, Settled::Done);
}

/// A store that slept twice, with one sweep between, kills nobody either: the grace counts only while it answers.
async fn a_store_that_naps_kills_nobody(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let delivery = a.take_one().await;
    for _ in 0..5 {
        bench.advance(Duration::from_secs(600));
        assert_eq!(b.pulse().await.reclaimed, 0);
    }
    assert!(!a.pulse().await.fenced);
    assert_eq!(a.finish(&delivery).await, Settled::Done);
}

/// A nap too short to be told from a pause between two sweeps is no grace: who was marked by the one sweep between two sleeps lives.
async fn a_short_nap_is_no_grace(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let delivery = a.take_one().await;
    for _ in 0..3 {
        bench.advance(8 * SECOND);
        assert_eq!(b.pulse().await.reclaimed, 0);
        bench.advance(Duration::from_millis(3900));
        assert_eq!(b.pulse().await.reclaimed, 0);
        assert!(!a.pulse().await.fenced);
    }
    assert_eq!(a.finish(&delivery).await, Settled::Done);
}

/// Who is dead after the store slept is found all the same.
async fn the_dead_are_found_after_a_sleep(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(1).await.len(), 1);
    bench.advance(Duration::from_secs(3600));
    assert_eq!(bench.bury(&[&b]).await, 1);
}

/// Lets time pass while these live, with as much again for a host that is slow.
async fn bury_slowly(bench: &Bench, survivors: &[&TestWorker]) -> usize {
    bench.bury(survivors).await + bench.bury(survivors).await
}

/// The store's clock is set back: who died before is found as soon as anybody, and who lives, lives.
async fn a_clock_set_back_hides_no_dead(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(1).await.len(), 1);
    let held = b.take_one().await;
    assert_eq!(bench.live(4 * SECOND, &[&a, &b]).await, 0);
    bench.clock.set_back(Duration::from_secs(3600));
    assert_eq!(bury_slowly(bench, &[&b]).await, 1);
    assert!(!b.pulse().await.fenced);
    assert_eq!(b.finish(&held).await, Settled::Done);
}

/// So is who was under suspicion by then.
async fn a_clock_set_back_hides_no_suspect(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(1).await.len(), 1);
    assert_eq!(bench.live(9 * SECOND, &[&b]).await, 0);
    bench.clock.set_back(Duration::from_secs(3600));
    assert_eq!(bury_slowly(bench, &[&b]).await, 1);
}

/// When all are dead, the first worker to start later takes their messages back.
async fn a_newcomer_finds_the_dead(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!((a.take(1).await.len(), b.take(1).await.len()), (1, 1));
    bench.advance(Duration::from_secs(3600));
    let c = bench.worker("c", &["mail"]).await;
    assert_eq!(bench.bury(&[&c]).await, 2);
}

/// Two workers that sweep at the same time take each message back once.
async fn concurrent_sweeps_reclaim_once(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3"]).await;
    let dead = bench.worker("dead", &["mail"]).await;
    assert_eq!(dead.take(3).await.len(), 3);
    let (b, c) = (bench.worker("b", &["mail"]).await, bench.worker("c", &["mail"]).await);
    let (began, mut reclaimed) = (bench.clock.now(), 0);
    for beat in 1..=8 {
        bench.advance_to(began, beat * 2 * SECOND);
        let (first, second) = tokio::join!(b.pulse(), c.pulse());
        reclaimed += first.reclaimed + second.reclaimed;
    }
    assert_eq!(reclaimed, 3);
    assert_eq!(bench.counts("mail").await.ready, 3);
}

/// A worker of two queues that dies gives both back, also to workers that share only one of them.
async fn every_queue_of_the_dead_is_swept(bench: &Bench) {
    bench.enqueue("one", &["m1"]).await;
    bench.enqueue("two", &["m2"]).await;
    let both = bench.worker("both", &["one", "two"]).await;
    assert_eq!(both.take(2).await.len(), 2);
    let (one, two) = (bench.worker("b", &["one"]).await, bench.worker("c", &["two"]).await);
    assert_eq!(bench.bury(&[&one, &two]).await, 2);
    assert_eq!((one.finish_all().await, two.finish_all().await), (vec!["m1".to_owned()], vec!["m2".to_owned()]));
}

/// Suspects keep their order among themselves, and so do the innocent.
async fn order_is_kept(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3", "m4", "m5"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(3).await.len(), 3);
    assert_eq!(bench.bury(&[&b]).await, 3);
    let all = b.finish_all().await;
    let (suspects, innocent): (Vec<_>, Vec<_>) =
        all.iter().partition(|label| ["m1", "m2", "m3"].contains(&label.as_str()));
    assert_eq!(suspects, ["m1", "m2", "m3"]);
    assert_eq!(innocent, ["m4", "m5"]);
}

/// A suspect stays in its priority step.
async fn a_suspect_keeps_its_step(bench: &Bench) {
    let low = Outgoing { priority: Priority::new(6), ..bench.message("mail", "low") };
    bench.store.enqueue(&[low]).await.unwrap();
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(1).await.len(), 1);
    assert_eq!(bench.bury(&[&b]).await, 1);
    assert_eq!(b.take_one().await.step, 6);
}

/// A lease brings one suspect at most, and none when it says so; the innocent are not held up.
async fn suspects_come_one_at_a_time(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3", "m4", "m5"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(3).await.len(), 3);
    assert_eq!(bench.bury(&[&b]).await, 3);
    assert_eq!(bench.counts("mail").await.suspects, 3);

    let taken = b.take(10).await;
    assert_eq!(taken.iter().filter(|delivery| delivery.suspect).count(), 1);
    assert_eq!(taken.len(), 3, "one suspect and both innocents: {:?}", labels(&taken));
    assert!(b.take_unsuspected(10).await.is_empty());
    let c = bench.worker("c", &["mail"]).await;
    let other = c.take(10).await;
    assert_eq!(labels(&other), ["m2"], "another worker may run another suspect");
}

/// A lone waiting suspect does not keep a worker that may not run it busy, and is not woken for in vain.
async fn a_suspect_may_wait_for(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    assert_eq!(a.take(1).await.len(), 1);
    assert_eq!(bench.bury(&[&b]).await, 1);
    let request = queue_core::store::LeaseRequest { suspect: false, ..b.request(4) };
    assert!(b.wait(&request, Duration::from_millis(50)).await.unwrap().is_empty());
    assert!(b.take_one().await.suspect);
}

async fn die_holding(bench: &Bench, survivor: &TestWorker, how_many: usize) -> Vec<String> {
    let doomed = bench.worker("doomed", &["mail"]).await;
    let taken = doomed.take(how_many).await;
    assert_eq!(bench.bury(&[survivor]).await, taken.len());
    labels(&taken)
}

/// Only a death while it was the only suspect counts against a message.
async fn deaths_count_for_the_sole_suspect(bench: &Bench) {
    bench.enqueue("mail", &["poison"]).await;
    let b = bench.worker("b", &["mail"]).await;
    die_holding(bench, &b, 1).await;
    for deaths in 0..3 {
        let doomed = bench.worker("doomed", &["mail"]).await;
        let delivery = doomed.take_one().await;
        assert_eq!((delivery.deaths, delivery.suspect, delivery.redelivered), (deaths, true, true));
        assert_eq!(bench.bury(&[&b]).await, 1);
    }
    let convicted = b.take_one().await;
    assert_eq!(convicted.deaths, 3);
    assert_eq!(b.settle_one(dead_letter(&convicted, "poison")).await, Settled::Done);
}

/// A neighbour is never blamed: what ran beside a suspect becomes one itself, with no death to its name.
async fn a_neighbour_is_not_blamed(bench: &Bench) {
    bench.enqueue("mail", &["poison"]).await;
    let b = bench.worker("b", &["mail"]).await;
    die_holding(bench, &b, 1).await;
    bench.enqueue("mail", &["neighbour 1", "neighbour 2"]).await;
    assert_eq!(die_holding(bench, &b, 10).await.len(), 3);

    let mut deaths = std::collections::BTreeMap::new();
    for _ in 0..3 {
        let delivery = b.take_one().await;
        deaths.insert(label(delivery.payload()), delivery.deaths);
        assert_eq!(b.finish(&delivery).await, Settled::Done);
    }
    assert_eq!(
        deaths.into_iter().collect::<Vec<_>>(),
        [("neighbour 1".to_owned(), 0), ("neighbour 2".to_owned(), 0), ("poison".to_owned(), 1),]
    );
}

/// Who ran two suspects and died proves nothing against either.
async fn two_suspects_share_no_blame(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let b = bench.worker("b", &["mail"]).await;
    assert_eq!(die_holding(bench, &b, 2).await.len(), 2);
    let doomed = bench.worker("doomed", &["mail"]).await;
    let first = doomed.take_one().await;
    let second = doomed.take(1).await;
    assert!(first.suspect);
    assert_eq!(bench.bury(&[&b]).await, 1 + second.len());
    let mut deaths = 0;
    for _ in 0..2 {
        let again = b.take_one().await;
        deaths += again.deaths;
        assert_eq!(b.finish(&again).await, Settled::Done);
    }
    // A driver may refuse a worker its second suspect: then the first was alone.
    assert_eq!(deaths, u32::from(second.is_empty()), "it ran beside {} other suspect(s)", second.len());
}

/// A suspect that has run long enough is taken off suspicion: another may run beside it, and a death is not its fault.
async fn the_absolved_are_not_blamed(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let b = bench.worker("b", &["mail"]).await;
    assert_eq!(die_holding(bench, &b, 2).await.len(), 2);

    let doomed = bench.worker("doomed", &["mail"]).await;
    let first = doomed.take_one().await;
    assert!(doomed.absolve(&first.tag).await.unwrap().is_some());
    let second = doomed.take_one().await;
    assert_eq!((label(first.payload()), label(second.payload())), ("m1".to_owned(), "m2".to_owned()));
    assert_eq!(bench.bury(&[&b]).await, 2);

    let mut deaths = std::collections::BTreeMap::new();
    for _ in 0..2 {
        let delivery = b.take_one().await;
        assert!(delivery.suspect, "its next worker's death makes it a suspect again");
        deaths.insert(label(delivery.payload()), delivery.deaths);
        assert_eq!(b.finish(&delivery).await, Settled::Done);
    }
    assert_eq!(deaths.into_iter().collect::<Vec<_>>(), [("m1".to_owned(), 0), ("m2".to_owned(), 1)]);
}

/// The absolved settle with their new tag.
async fn the_absolved_settle(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let b = bench.worker("b", &["mail"]).await;
    die_holding(bench, &b, 1).await;
    let delivery = b.take_one().await;
    let tag = b.absolve(&delivery.tag).await.unwrap().unwrap();
    assert_eq!(b.held().await.unwrap(), 1);
    assert_eq!(b.settle_one(queue_core::store::Settlement::done(tag)).await, Settled::Done);
    assert_eq!(b.held().await.unwrap(), 0);
    assert_eq!(bench.counts("mail").await.leased, 0);
}

/// Settling clears the record: the same bytes sent again start with a clean slate.
async fn settling_clears_the_record(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let b = bench.worker("b", &["mail"]).await;
    die_holding(bench, &b, 1).await;
    die_holding(bench, &b, 1).await;
    let delivery = b.take_one().await;
    assert_eq!(delivery.deaths, 1);
    assert_eq!(b.finish(&delivery).await, Settled::Done);

    bench.enqueue("mail", &["m1"]).await;
    let fresh = b.take_one().await;
    assert_eq!((fresh.redelivered, fresh.suspect, fresh.deaths), (false, false, 0));
}

/// Giving back puts messages to the front, in their old order, and puts nobody under suspicion.
async fn giving_back_keeps_order_and_name(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3", "m4"]).await;
    let low = Outgoing { priority: Priority::LOWEST, ..bench.message("mail", "low") };
    bench.store.enqueue(&[low]).await.unwrap();
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let taken = a.take(3).await;
    assert_eq!(a.return_all(&taken).await, 3);
    assert_eq!(a.held().await.unwrap(), 0);
    assert_eq!(a.return_all(&taken).await, 0, "once");

    let again = b.take(10).await;
    assert_eq!(labels(&again), ["m1", "m2", "m3", "m4", "low"]);
    assert!(again.iter().all(|delivery| !delivery.redelivered && !delivery.suspect && delivery.deaths == 0));
    assert_eq!(b.return_all(&again).await, 5);
    assert_eq!(a.finish(&taken[0]).await, Settled::LeaseLost);
    assert_eq!(a.finish_all().await, ["m1", "m2", "m3", "m4", "low"]);
}

/// A suspect that is given back is still one, with its deaths: a worker that stops proves nobody innocent.
async fn giving_back_absolves_nobody(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let b = bench.worker("b", &["mail"]).await;
    die_holding(bench, &b, 1).await;
    die_holding(bench, &b, 1).await;
    let suspect = b.take(1).await;
    assert_eq!(b.return_all(&suspect).await, 1);
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.suspects, counts.leased), (1, 1, 0));
    assert!(b.take_unsuspected(10).await.is_empty());

    let again = b.take_one().await;
    assert_eq!((again.suspect, again.redelivered, again.deaths), (true, true, 1));
    b.close().await.unwrap();
    let c = bench.worker("c", &["mail"]).await;
    assert_eq!(c.take_one().await.deaths, 1, "nor does a worker that signs off");
}

/// Giving nothing back is no error.
async fn giving_back_nothing(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(worker.give_back(&[]).await.unwrap(), 0);
}

queue_tests::conformance!(
    the_messages_of_the_dead_come_back,
    the_sweeper_says_who_died,
    a_dead_worker_is_found_in_time,
    a_short_silence_is_nothing,
    a_heartbeat_clears_the_suspicion,
    suspicions_do_not_add_up,
    a_store_that_slept_kills_nobody,
    a_store_that_naps_kills_nobody,
    a_short_nap_is_no_grace,
    the_dead_are_found_after_a_sleep,
    a_clock_set_back_hides_no_dead,
    a_clock_set_back_hides_no_suspect,
    a_newcomer_finds_the_dead,
    concurrent_sweeps_reclaim_once,
    every_queue_of_the_dead_is_swept,
    order_is_kept,
    a_suspect_keeps_its_step,
    suspects_come_one_at_a_time,
    a_suspect_may_wait_for,
    deaths_count_for_the_sole_suspect,
    a_neighbour_is_not_blamed,
    two_suspects_share_no_blame,
    the_absolved_are_not_blamed,
    the_absolved_settle,
    settling_clears_the_record,
    giving_back_keeps_order_and_name,
    giving_back_absolves_nobody,
    giving_back_nothing,
);
