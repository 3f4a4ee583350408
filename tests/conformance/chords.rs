//! Chords: every part counts once, the last one brings one dispatch, and one end ends it.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use queue_core::store::{ChordStart, ChordStep, Delivery, Settled, Settlement, StoredResult, Topic};
use queue_tests::{Bench, Chord, PATIENCE, SECOND, TestWorker, done, label, labels, result, with_chord};
use queue_tests::{with_follow, with_result};

use crate::idempotency::{keyed, number, once};

const A_DAY: Option<Duration> = Some(Duration::from_secs(86_400));

/// A chord of `size` parts that has begun, and a worker.
pub(crate) async fn begun(bench: &Bench, size: u64) -> (Chord, TestWorker) {
    let chord = Chord::new(bench, "chord");
    bench.store.begin_chords(&[chord.start(size)]).await.unwrap();
    (chord, bench.worker("a", &["mail"]).await)
}

/// What came in.
pub(crate) async fn members(bench: &Bench, chord: &Chord) -> Vec<Bytes> {
    bench.store.chord_parts(&chord.group).await.unwrap().members
}

/// The chord is complete: its dispatch, leased to `worker`.
pub(crate) async fn dispatch(chord: &Chord, worker: &TestWorker) -> Delivery {
    let delivery = worker.take_one().await;
    assert_eq!(delivery.payload(), chord.dispatch());
    delivery
}

/// A chord of one part that is complete; its claim is `m1`'s.
pub(crate) async fn complete(bench: &Bench) -> (Chord, TestWorker, Delivery) {
    let (chord, a) = begun(bench, 1).await;
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    let delivery = dispatch(&chord, &a).await;
    (chord, a, delivery)
}

/// The last part brings the dispatch, once; before that there is none.
async fn the_last_part_brings_the_dispatch(bench: &Bench) {
    let (chord, a) = begun(bench, 3).await;
    for (index, label) in ["m1", "m2", "m3"].iter().enumerate() {
        assert!(a.take(10).await.is_empty(), "before {label}");
        assert_eq!(chord.finish(bench, &a, label, index as i64).await, Settled::Done);
    }
    let delivery = dispatch(&chord, &a).await;
    assert_eq!((&delivery.queue, delivery.step), (&bench.queue("mail"), 0));
    assert!(!delivery.suspect && !delivery.redelivered);
    assert_eq!(members(bench, &chord).await, ["m1", "m2", "m3"].map(|label| chord.member(label, label)));
    assert!(a.take(10).await.is_empty());
    assert_eq!((a.held().await.unwrap(), bench.counts("mail").await.leased), (1, 1));
}

/// A part that ran twice counts once, whatever it returned: the first result stands, also after the chord is complete.
async fn a_part_counts_once(bench: &Bench) {
    let (chord, a) = begun(bench, 2).await;
    for value in ["first", "second"] {
        bench.enqueue("mail", &["m1"]).await;
        let delivery = a.take_one().await;
        let settlement = with_chord(done(&delivery), chord.part("m1", Some(0), value));
        assert_eq!(a.settle_one(settlement).await, Settled::Done);
    }
    assert!(a.take(10).await.is_empty());
    assert_eq!(members(bench, &chord).await, [chord.member("m1", "first")]);

    assert_eq!(chord.finish(bench, &a, "m2", 1).await, Settled::Done);
    let _held = dispatch(&chord, &a).await;
    assert_eq!(chord.finish(bench, &a, "m2", 1).await, Settled::Done);
    assert!(a.take(10).await.is_empty(), "a second dispatch");
    assert_eq!(members(bench, &chord).await.len(), 2);
}

/// One task at two places of the header counts at each.
async fn one_task_may_have_two_places(bench: &Bench) {
    let (chord, a) = begun(bench, 2).await;
    for (index, value) in [(0, "first"), (1, "second")] {
        bench.enqueue("mail", &["m1"]).await;
        let delivery = a.take_one().await;
        let settlement = with_chord(done(&delivery), chord.part("m1", Some(index), value));
        assert_eq!(a.settle_one(settlement).await, Settled::Done);
    }
    let _held = dispatch(&chord, &a).await;
    assert_eq!(members(bench, &chord).await, [chord.member("m1", "first"), chord.member("m1", "second")]);
}

/// A part that comes in after the end is nothing.
async fn a_late_part_is_nothing(bench: &Bench) {
    let (chord, a, delivery) = complete(bench).await;
    assert_eq!(a.settle_one(chord.end(&delivery, "m1", false)).await, Settled::Done);
    for label in ["m1", "m2"] {
        assert_eq!(chord.finish(bench, &a, label, 0).await, Settled::Done);
    }
    assert!(members(bench, &chord).await.is_empty());
    assert!(a.take(10).await.is_empty());
}

/// More parts may be added while one of the header's tasks runs, in the same step as its own part.
async fn a_chord_may_grow(bench: &Bench) {
    let (chord, a) = begun(bench, 1).await;
    bench.enqueue("mail", &["m1"]).await;
    let first = a.take_one().await;
    let settlement = with_chord(done(&first), chord.grow(2));
    let settlement = with_chord(settlement, chord.part("m1", Some(0), "m1"));
    assert_eq!(a.settle_one(settlement).await, Settled::Done);
    for (label, index) in [("m2", 0), ("m3", 1)] {
        assert!(a.take(10).await.is_empty(), "before {label}");
        assert_eq!(chord.finish(bench, &a, label, index).await, Settled::Done);
    }
    let _held = dispatch(&chord, &a).await;
}

/// Parts may come in, and a chord may grow, before its size is known.
async fn parts_may_come_first(bench: &Bench) {
    let (chord, a) = (Chord::new(bench, "chord"), bench.worker("a", &["mail"]).await);
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    assert_eq!(a.settle_one(with_chord(Settlement::early(), chord.grow(1))).await, Settled::Done);
    bench.store.begin_chords(&[chord.start(2)]).await.unwrap();
    assert_eq!(chord.finish(bench, &a, "m2", 1).await, Settled::Done);
    assert!(a.take(10).await.is_empty());
    assert_eq!(chord.finish(bench, &a, "m3", 2).await, Settled::Done);
    let _held = dispatch(&chord, &a).await;
}

/// A part, its result and its removal are one step: with the lease lost, none of it happens.
async fn a_lost_part_is_nothing(bench: &Bench) {
    let (chord, a) = begun(bench, 1).await;
    let b = bench.worker("b", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    let delivery = a.take_one().await;
    assert_eq!(bench.bury(&[&b]).await, 1);
    let part = |delivery: &Delivery, value: &str| {
        let settlement = with_result(done(delivery), result(&bench.id("m1"), "SUCCESS", value));
        with_chord(with_chord(settlement, chord.grow(5)), chord.part("m1", Some(0), value))
    };
    assert_eq!(a.settle_one(part(&delivery, "lost")).await, Settled::LeaseLost);
    assert!(members(bench, &chord).await.is_empty());
    assert!(bench.result("m1").await.is_none());

    let again = b.take_one().await;
    let mut settlement = part(&again, "won");
    settlement.chords.remove(0);
    assert_eq!(b.settle_one(settlement).await, Settled::Done);
    assert_eq!(members(bench, &chord).await, [chord.member("m1", "won")]);
    assert!(bench.result("m1").await.is_some());
    let _held = dispatch(&chord, &b).await;
}

/// Whoever was to send the body and died is replaced.
async fn a_dead_workers_dispatch_is_anothers(bench: &Bench) {
    for taken in [true, false] {
        let chord = Chord::new(bench, if taken { "taken" } else { "not taken" });
        bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
        let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
        assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
        if taken {
            let _held = dispatch(&chord, &a).await;
        }
        let _ = bench.bury(&[&b]).await;
        let delivery = dispatch(&chord, &b).await;
        assert_eq!(b.settle_one(chord.end(&delivery, "m1", false)).await, Settled::Done);
        assert!(b.take(10).await.is_empty());
    }
}

/// A dispatch that is given back, by hand or by signing off, reaches another worker.
async fn a_returned_dispatch_is_anothers(bench: &Bench) {
    let (chord, a, delivery) = complete(bench).await;
    assert_eq!(a.return_all(&[delivery]).await, 1);
    let b = bench.worker("b", &["mail"]).await;
    let _held = dispatch(&chord, &b).await;
    b.close().await.unwrap();
    let delivery = dispatch(&chord, &a).await;
    assert_eq!(a.settle_one(chord.end(&delivery, "m1", false)).await, Settled::Done);
}

/// A worker that waits is woken by the dispatch.
async fn a_waiting_worker_is_woken(bench: &Bench) {
    let (chord, a) = begun(bench, 1).await;
    bench.enqueue("mail", &["m1"]).await;
    let delivery = a.take_one().await;
    let settlement = with_chord(done(&delivery), chord.part("m1", Some(0), "m1"));
    let (came, settled) = tokio::join!(a.wait_for(1, PATIENCE), a.settle_one(settlement));
    assert_eq!(settled, Settled::Done);
    let came = if came.is_empty() { a.take(1).await } else { came };
    assert_eq!(labels(&came), ["dispatch"]);
    assert_eq!(a.settle_one(chord.end(&came[0], "m1", false)).await, Settled::Done);
}

/// The dispatch does not queue up behind the jobs that wait.
async fn a_dispatch_comes_first(bench: &Bench) {
    let (chord, a) = begun(bench, 1).await;
    bench.enqueue("mail", &["m1", "m2", "m3"]).await;
    let delivery = a.take_one().await;
    let settlement = with_chord(done(&delivery), chord.part("m1", Some(0), "m1"));
    assert_eq!(a.settle_one(settlement).await, Settled::Done);
    assert_eq!(labels(&a.take(3).await), ["dispatch", "m2", "m3"]);
}

/// A part that was acknowledged early counts too, and its dispatch is leased all the same.
async fn an_early_acknowledged_part_counts(bench: &Bench) {
    let (chord, a) = begun(bench, 1).await;
    let settlement = with_chord(Settlement::early(), chord.part("m1", Some(0), "m1"));
    assert_eq!(a.settle_one(settlement).await, Settled::Done);
    let _held = dispatch(&chord, &a).await;
}

/// A worker that was reclaimed and does not know it yet settles what it had acknowledged early: the dispatch is not put into
/// dead hands.
async fn a_dispatch_is_not_put_into_dead_hands(bench: &Bench) {
    let (chord, a) = begun(bench, 1).await;
    let b = bench.worker("b", &["mail"]).await;
    let _ = bench.bury(&[&b]).await;
    let settlement = with_chord(Settlement::early(), chord.part("m1", Some(0), "m1"));
    assert_eq!(a.settle_one(settlement).await, Settled::Done);
    let _held = dispatch(&chord, &b).await;
}

/// The parts come in the order of their indexes, those without one last.
async fn parts_are_in_order(bench: &Bench) {
    let (chord, a) = begun(bench, 600).await;
    let mut steps = vec![chord.part("m9", None, "last")];
    steps.extend((0..599).rev().map(|n| chord.part(&format!("m{n}"), Some(n), "x")));
    for batch in steps.chunks(100) {
        let settlement = Settlement { chords: batch.to_vec(), ..Settlement::early() };
        assert_eq!(a.settle_one(settlement).await, Settled::Done);
    }
    let mut expected: Vec<_> = (0..599).map(|n| chord.member(&format!("m{n}"), "x")).collect();
    expected.push(chord.member("m9", "last"));
    assert_eq!(members(bench, &chord).await, expected);
    let _held = dispatch(&chord, &a).await;
}

/// A thousand parts, some of them run twice, settled by three workers at once: one dispatch.
async fn many_parts_bring_one_dispatch(bench: &Bench) {
    const PARTS: i64 = 1000;
    let (chord, a) = begun(bench, PARTS as u64).await;
    let messages: Vec<_> = (0..PARTS).map(|n| bench.message("mail", &format!("m{n}"))).collect();
    bench.store.enqueue(&messages).await.unwrap();
    bench.store.enqueue(&messages[..100]).await.unwrap();
    let workers = [a, bench.worker("b", &["mail"]).await, bench.worker("c", &["mail"]).await];
    let run = |worker: TestWorker| {
        let chord = chord.clone();
        async move {
            let mut dispatches = 0;
            loop {
                let came = worker.take(20).await;
                if came.is_empty() {
                    return dispatches;
                }
                let mut batch = Vec::new();
                for delivery in &came {
                    let name = label(delivery.payload());
                    dispatches += usize::from(name == "dispatch");
                    let index = name.strip_prefix('m').and_then(|n| n.parse().ok());
                    let settlement = done(delivery);
                    batch.push(match index {
                        Some(index) => with_chord(settlement, chord.part(&name, Some(index), "x")),
                        None => settlement,
                    });
                }
                let answers = worker.settle(&batch).await.unwrap();
                assert!(answers.iter().all(|answer| *answer == Settled::Done), "{answers:?}");
            }
        }
    };
    let runs = workers.clone().map(|worker| tokio::spawn(run(worker)));
    let mut dispatches = 0;
    for run in runs {
        dispatches += run.await.unwrap();
    }
    // The last settlement may have been made while the others had gone home.
    for worker in workers {
        dispatches += run(worker).await;
    }
    assert_eq!(dispatches, 1);
    let different: HashSet<_> = members(bench, &chord).await.into_iter().collect();
    assert_eq!(different.len(), PARTS as usize);
}

/// A chord may begin within a settlement: its size and its parts go out together, or not at all.
async fn a_chord_begins_within_a_settlement(bench: &Bench) {
    let (chord, a) = (Chord::new(bench, "chord"), bench.worker("a", &["mail"]).await);
    bench.enqueue("mail", &["parent"]).await;
    let parent = a.take_one().await;
    let start = ChordStart { meta: Some(Bytes::from_static(b"{}")), ..chord.start(2) };
    let begin = with_chord(done(&parent), ChordStep::Begin(start));
    let begin = with_follow(with_follow(begin, bench.message("mail", "m1")), bench.message("mail", "m2"));
    assert_eq!(a.settle_one(begin.clone()).await, Settled::Done);
    assert_eq!(bench.store.chord_parts(&chord.group).await.unwrap().meta.as_deref(), Some(&b"{}"[..]));
    for (index, delivery) in a.take(10).await.iter().enumerate() {
        let name = label(delivery.payload());
        let settlement = with_chord(done(delivery), chord.part(&name, Some(index as i64), &name));
        assert_eq!(a.settle_one(settlement).await, Settled::Done);
    }
    let _held = dispatch(&chord, &a).await;
    assert_eq!(a.settle_one(begin).await, Settled::LeaseLost);
}

/// The same group may be a chord again after it ended.
async fn a_chord_may_begin_again(bench: &Bench) {
    let (chord, a, delivery) = complete(bench).await;
    assert_eq!(a.settle_one(chord.end(&delivery, "m1", false)).await, Settled::Done);
    for within in [false, true] {
        if within {
            let begin = with_chord(Settlement::early(), ChordStep::Begin(chord.start(1)));
            assert_eq!(a.settle_one(begin).await, Settled::Done);
        } else {
            bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
        }
        assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
        let again = dispatch(&chord, &a).await;
        assert_eq!(a.settle_one(chord.end(&again, "m1", false)).await, Settled::Done);
    }
}

/// Beginning twice is harmless while no part has come in; two chords are apart.
async fn beginning_twice_is_harmless(bench: &Bench) {
    let (chord, a) = begun(bench, 1).await;
    let other = Chord::new(bench, "other");
    bench.store.begin_chords(&[chord.start(1), other.start(2)]).await.unwrap();
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    assert_eq!(dispatch(&chord, &a).await.payload(), chord.dispatch());
    assert!(members(bench, &other).await.is_empty());
}

/// A saved group is kept, replaced and forgotten; it is the meta of the chord whose header it is.
async fn a_group_is_saved_and_forgotten(bench: &Bench) {
    let id = bench.id("group");
    let group =
        |meta: &'static str| StoredResult { id: id.clone(), meta: Bytes::from_static(meta.as_bytes()), ttl: A_DAY };
    let saved = async || bench.store.get_group(&id).await.unwrap();
    assert_eq!(saved().await, None);
    assert!(!bench.store.forget_group(&id).await.unwrap());
    for meta in ["{\"result\": [[\"g\", null], []]}", "another"] {
        bench.store.put_group(&group(meta)).await.unwrap();
        assert_eq!(saved().await.unwrap(), meta);
        assert_eq!(bench.store.chord_parts(id.as_str()).await.unwrap().meta.unwrap(), meta);
        assert_eq!(bench.result("group").await, None, "a group is no result");
    }
    assert!(bench.store.forget_group(&id).await.unwrap());
    assert_eq!(saved().await, None);
}

queue_tests::conformance!(
    variants:
    the_last_part_brings_the_dispatch,
    a_part_counts_once,
    one_task_may_have_two_places,
    a_late_part_is_nothing,
    a_chord_may_grow,
    parts_may_come_first,
    a_lost_part_is_nothing,
    a_dead_workers_dispatch_is_anothers,
    a_returned_dispatch_is_anothers,
    a_waiting_worker_is_woken,
    a_dispatch_comes_first,
    an_early_acknowledged_part_counts,
    a_dispatch_is_not_put_into_dead_hands,
    parts_are_in_order,
    many_parts_bring_one_dispatch,
    a_chord_begins_within_a_settlement,
    a_chord_may_begin_again,
    beginning_twice_is_harmless,
    a_group_is_saved_and_forgotten,
);

/// What expires in the file: a chord nobody finishes, its parts, a saved group; and a heartbeat sweeps them.
async fn what_expires_is_not_there(bench: &Bench) {
    let (chord, a) = begun(bench, 2).await;
    let id = bench.id("group");
    bench.store.put_group(&StoredResult { id: id.clone(), meta: Bytes::from_static(b"{}"), ttl: A_DAY }).await.unwrap();
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    bench.advance(31 * 86_400 * SECOND);
    assert!(bench.store.get_group(&id).await.unwrap().is_none());
    assert!(members(bench, &chord).await.is_empty());
    // The second part alone is no chord of two any more.
    assert_eq!(chord.finish(bench, &a, "m2", 1).await, Settled::Done);
    assert_eq!(members(bench, &chord).await, [chord.member("m2", "m2")]);
    assert!(a.take(10).await.is_empty());
}

queue_tests::on_driver!(sqlite, SqliteFile: what_expires_is_not_there, expired_rows_are_swept);

/// Tables of what expires.
const EXPIRING: [&str; 8] = ["chord", "chord_part", "group_meta", "post", "producer", "result", "revoked", "sent"];

/// A heartbeat deletes the rows of what has expired; of posts the next post does, too.
async fn expired_rows_are_swept(bench: &Bench) {
    let (chord, a) = begun(bench, 2).await;
    bench
        .store
        .put_group(&StoredResult { id: bench.id("g"), meta: Bytes::from_static(b"{}"), ttl: A_DAY })
        .await
        .unwrap();
    assert_eq!(chord.finish(bench, &a, "m1", 0).await, Settled::Done);
    bench.store.put_results(&[result(&bench.id("r"), "SUCCESS", 1)]).await.unwrap();
    bench.store.revoke(&[bench.id("r")], 86_400 * SECOND).await.unwrap();
    let parcel = keyed(bench, "k", vec![bench.message("other", "m2")]);
    assert_eq!(once(bench, &[parcel], Some(number(bench, 1, 1))).await, [None]);
    bench.store.publish(&Topic::Control, b"post").await.unwrap();
    let file = ::rusqlite::Connection::open(bench.url().trim_start_matches("sqlite:")).unwrap();
    let rows = || {
        EXPIRING.map(|table| {
            let count = format!("SELECT count(*) FROM {table}");
            (table, file.query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap())
        })
    };
    assert_eq!(rows(), EXPIRING.map(|table| (table, 1)));
    bench.advance(31 * 86_400 * SECOND);
    bench.store.publish(&Topic::Control, b"another").await.unwrap();
    assert_eq!(rows(), EXPIRING.map(|table| (table, 1)), "one post came, and one went");
    bench.advance(61 * SECOND);
    let _ = a.pulse().await;
    assert_eq!(rows(), EXPIRING.map(|table| (table, 0)));
}
