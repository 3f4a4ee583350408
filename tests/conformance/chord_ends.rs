//! Who ends a chord, and that it ends once.

use queue_core::store::{Delivery, Settled, Settlement};
use queue_tests::{Bench, Chord, SECOND, result, with_chord, with_follow, with_result};

use crate::chords::{complete, dispatch, members};

/// The end: its follow-ups go out, what came in is forgotten, and nobody ends it again.
async fn a_chord_ends_once(bench: &Bench) {
    let (chord, a, delivery) = complete(bench).await;
    let body = with_follow(chord.end(&delivery, "m1", false), bench.message("body", "b1"));
    assert_eq!(a.settle_one(body).await, Settled::Done);
    assert!(members(bench, &chord).await.is_empty());
    assert_eq!(bench.counts("body").await.ready, 1);

    bench.enqueue("mail", &["m2"]).await;
    let other = a.take_one().await;
    let body = with_follow(chord.end(&other, "m1", false), bench.message("body", "b2"));
    assert_eq!(a.settle_one(body).await, Settled::ChordTaken);
    assert_eq!(bench.counts("body").await.ready, 1);
}

/// Who has another claim only loses the delivery: no result, no message, no part, and what came in stays.
async fn another_claim_ends_nothing(bench: &Bench) {
    let (chord, a, delivery) = complete(bench).await;
    let outer = Chord::new(bench, "outer");
    let settlement = with_result(chord.end(&delivery, "somebody else", false), result(&bench.id("m1"), "SUCCESS", 1));
    let settlement = with_follow(settlement, bench.message("body", "b1"));
    let settlement = with_chord(settlement, outer.part("m1", Some(0), "m1"));
    assert_eq!(a.settle_one(settlement).await, Settled::ChordTaken);
    assert_eq!((a.held().await.unwrap(), bench.counts("mail").await.leased), (0, 0));
    assert_eq!((bench.result("m1").await, bench.counts("body").await.ready), (None, 0));
    assert_eq!((members(bench, &chord).await.len(), members(bench, &outer).await.len()), (1, 0));

    bench.enqueue("mail", &["m2"]).await;
    let owner = a.take_one().await;
    assert_eq!(a.settle_one(chord.end(&owner, "m1", false)).await, Settled::Done);
}

/// An end whose lease was lost is no end.
async fn a_lost_end_is_nothing(bench: &Bench) {
    let (chord, a, delivery) = complete(bench).await;
    let b = bench.worker("b", &["mail"]).await;
    assert_eq!(bench.bury(&[&b]).await, 1);
    let end = |delivery: &Delivery| with_follow(chord.end(delivery, "m1", false), bench.message("body", "b1"));
    assert_eq!(a.settle_one(end(&delivery)).await, Settled::LeaseLost);
    let again = dispatch(&chord, &b).await;
    assert_eq!(b.settle_one(end(&again)).await, Settled::Done);
    assert_eq!(bench.counts("body").await.ready, 1);
}

/// Lets the claim to a chord run out. A server's own clock is not moved by the tests: there it is deleted.
async fn let_the_claim_run_out(bench: &Bench, chord: &Chord) {
    bench.advance(61 * SECOND);
    if let Some((url, prefix)) = bench.results() {
        let mut connection = ::redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let claim = format!("{prefix}celery-taskset-meta-{}.c", chord.group);
        let gone: i64 = ::redis::cmd("DEL").arg(claim).query_async(&mut connection).await.unwrap();
        assert_eq!(gone, 1, "there should be a claim");
    }
}

/// A claim that ran out may be taken by anybody, while the chord is there; once.
async fn a_claim_that_ran_out_is_free(bench: &Bench) {
    let (chord, a, delivery) = complete(bench).await;
    let_the_claim_run_out(bench, &chord).await;
    assert_eq!(a.settle_one(chord.end(&delivery, "somebody else", false)).await, Settled::Done);
    bench.enqueue("mail", &["m2"]).await;
    let other = a.take_one().await;
    assert_eq!(a.settle_one(chord.end(&other, "m1", false)).await, Settled::ChordTaken);
}

async fn let_an_hour_pass(bench: &Bench, chord: &Chord) {
    let_pass(bench, chord, 3600).await;
}

/// So many seconds pass. A server's own clock is not moved by the tests: there what would have ended by then is deleted.
async fn let_pass(bench: &Bench, chord: &Chord, seconds: u32) {
    bench.advance(seconds * SECOND);
    if let Some((url, prefix)) = bench.results() {
        let mut connection = ::redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        for part in ["", ".j", ".s", ".t", ".d", ".c"] {
            let key = format!("{prefix}celery-taskset-meta-{}{part}", chord.group);
            let left: i64 = ::redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
            if (0..=i64::from(seconds)).contains(&left) {
                let _: i64 = ::redis::cmd("DEL").arg(&key).query_async(&mut connection).await.unwrap();
            }
        }
    }
}

/// Once all parts are in, a chord waits for its end however soon its results would be forgotten: nobody runs them again. A part
/// that does run again takes nothing off that; what stays of a failed one is kept as long as results are.
async fn a_complete_chord_outlives_its_results(bench: &Bench) {
    let chord = Chord::new(bench, "chord").kept_for(30 * SECOND);
    bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
    let a = bench.worker("a", &["mail"]).await;
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    let delivery = dispatch(&chord, &a).await;
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    let_an_hour_pass(bench, &chord).await;
    let parts = bench.store.chord_parts(&chord.group).await.unwrap();
    assert_eq!((parts.members.len(), parts.size), (1, Some(1)));
    assert_eq!(a.settle_one(chord.end(&delivery, "m1", true)).await, Settled::Done);
    assert_eq!(members(bench, &chord).await.len(), 1);
    let_an_hour_pass(bench, &chord).await;
    assert_eq!(members(bench, &chord).await.len(), 0);
}

/// A part that is done gives its chord no less time than it had: the others may begin much later.
async fn a_part_takes_no_time_off_its_chord(bench: &Bench) {
    let chord = Chord::new(bench, "chord");
    bench.store.begin_chords(&[chord.start(2)]).await.unwrap();
    let (a, chord) = (bench.worker("a", &["mail"]).await, chord.kept_for(30 * SECOND));
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    let_an_hour_pass(bench, &chord).await;
    assert_eq!(chord.finish(bench, &a, "m2", 1).await, Settled::Done);
    let _held = dispatch(&chord, &a).await;
    assert_eq!(members(bench, &chord).await.len(), 2);
}

/// For ever is the longest time, whoever keeps results so: the client, or the worker. A part takes nothing off it, and what is
/// complete waits so long too.
async fn for_ever_is_the_longest(bench: &Bench) {
    let a = bench.worker("a", &["mail"]).await;
    for (name, client_keeps) in [("client's", true), ("worker's", false)] {
        let (brief, ever) = (Chord::new(bench, name).kept_for(30 * SECOND), Chord::new(bench, name).kept_for_ever());
        let (client, worker) = if client_keeps { (ever, brief) } else { (brief, ever) };
        bench.store.begin_chords(&[client.start(2)]).await.unwrap();
        assert_eq!(worker.finish(bench, &a, "m1", 0).await, Settled::Done);
        let_an_hour_pass(bench, &client).await;
        assert_eq!(worker.finish(bench, &a, "m2", 1).await, Settled::Done);
        let delivery = dispatch(&client, &a).await;
        let_pass(bench, &client, 31 * 86_400).await;
        assert_eq!(members(bench, &client).await.len(), 2, "{name}");
        assert_eq!(a.settle_one(worker.end(&delivery, "m2", false)).await, Settled::Done);
    }
}

/// What was added to a chord is kept as long as the chord, and the chord as long as that.
async fn more_parts_are_kept_as_long_as_their_chord(bench: &Bench) {
    let a = bench.worker("a", &["mail"]).await;
    for (name, client_keeps) in [("client's", true), ("worker's", false)] {
        let (brief, long) = (Chord::new(bench, name).kept_for(30 * SECOND), Chord::new(bench, name));
        let (client, worker) = if client_keeps { (long, brief) } else { (brief, long) };
        bench.store.begin_chords(&[client.start(1)]).await.unwrap();
        assert_eq!(a.settle_one(with_chord(Settlement::early(), worker.grow(1))).await, Settled::Done);
        let_an_hour_pass(bench, &client).await;
        assert_eq!(worker.finish(bench, &a, "m1", 0).await, Settled::Done);
        assert!(a.take(10).await.is_empty(), "{name}: there is one more");
        assert_eq!(worker.finish(bench, &a, "m2", 1).await, Settled::Done);
        let delivery = dispatch(&client, &a).await;
        assert_eq!(a.settle_one(worker.end(&delivery, "m2", false)).await, Settled::Done);
    }
}

/// A late part of a chord that is forgotten does not stay for ever, however long results do.
async fn a_forgotten_chord_is_not_kept_for_ever(bench: &Bench) {
    let (chord, a) = (Chord::new(bench, "chord").kept_for_ever(), bench.worker("a", &["mail"]).await);
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    assert_eq!(members(bench, &chord).await.len(), 1);
    let_pass(bench, &chord, 31 * 86_400).await;
    assert_eq!(members(bench, &chord).await.len(), 0);
}

/// A claim that ran out brings no second dispatch: who counted the last part once has sent one, and it is not lost.
async fn a_part_that_ran_again_sends_nothing(bench: &Bench) {
    let (chord, a, _held) = complete(bench).await;
    let_the_claim_run_out(bench, &chord).await;
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    assert!(a.take(10).await.is_empty());
}

/// A chord that grows although it is complete is not claimed a second time when it is complete again.
async fn a_claimed_chord_is_not_claimed_again(bench: &Bench) {
    let (chord, a, delivery) = complete(bench).await;
    assert_eq!(a.settle_one(with_chord(Settlement::early(), chord.grow(1))).await, Settled::Done);
    assert_eq!(chord.finish(bench, &a, "m2", 1).await, Settled::Done);
    assert!(a.take(10).await.is_empty());
    assert_eq!(a.settle_one(chord.end(&delivery, "m1", false)).await, Settled::Done);
}

/// A chord that never was, or has not begun, cannot be ended.
async fn nothing_ends_a_chord_that_is_not_there(bench: &Bench) {
    let (chord, a) = (Chord::new(bench, "chord"), bench.worker("a", &["mail"]).await);
    for parts in [0, 1] {
        if parts == 1 {
            assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
        }
        bench.enqueue("mail", &["m2"]).await;
        let delivery = a.take_one().await;
        let settlement = with_follow(chord.end(&delivery, "m1", false), bench.message("body", "b1"));
        assert_eq!(a.settle_one(settlement).await, Settled::ChordTaken);
        assert_eq!(bench.counts("body").await.ready, 0);
    }
}

/// A failed chord ends as well: what came in stays, late parts are nothing, nobody ends it again.
async fn a_failed_chord_ends_once(bench: &Bench) {
    let (chord, a, delivery) = complete(bench).await;
    let failed = with_result(chord.end(&delivery, "m1", true), result(&bench.id("body"), "FAILURE", "ChordError"));
    assert_eq!(a.settle_one(failed).await, Settled::Done);
    assert!(bench.result("body").await.is_some());
    assert_eq!(members(bench, &chord).await.len(), 1);

    assert_eq!(chord.finish(bench, &a, "m2", 1).await, Settled::Done);
    assert_eq!(members(bench, &chord).await.len(), 1);
    bench.enqueue("mail", &["m3"]).await;
    let other = a.take_one().await;
    assert_eq!(a.settle_one(chord.end(&other, "m1", true)).await, Settled::ChordTaken);
}

queue_tests::conformance!(
    variants:
    a_chord_ends_once,
    another_claim_ends_nothing,
    a_lost_end_is_nothing,
    a_claim_that_ran_out_is_free,
    a_complete_chord_outlives_its_results,
    a_part_takes_no_time_off_its_chord,
    for_ever_is_the_longest,
    more_parts_are_kept_as_long_as_their_chord,
    a_forgotten_chord_is_not_kept_for_ever,
    a_part_that_ran_again_sends_nothing,
    a_claimed_chord_is_not_claimed_again,
    nothing_ends_a_chord_that_is_not_there,
    a_failed_chord_ends_once,
);
