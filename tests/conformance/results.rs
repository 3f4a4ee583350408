//! What tasks returned: stored, read, waited for, forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use queue_core::store::{Settled, StoredResult};
use queue_tests::{Bench, PATIENCE, SECOND, done, meta, result, with_result};

fn finished(meta: &[u8]) -> bool {
    meta.starts_with(br#"{"status": "SUCCESS""#) || meta.starts_with(br#"{"status": "FAILURE""#)
}

/// Waits in the background, as a caller of `job.get()` does.
fn waiting(bench: &Bench, label: &str) -> tokio::task::JoinHandle<Option<Bytes>> {
    let (store, id) = (Arc::clone(&bench.store), bench.id(label));
    tokio::spawn(async move { store.wait_result(&id, finished, PATIENCE).await.unwrap() })
}

/// Results come back byte for byte, in the order asked, with gaps where there is none.
async fn results_come_back(bench: &Bench) {
    let odd = StoredResult {
        id: bench.id("odd"),
        meta: Bytes::from_static(b"{\"status\": \"FAILURE\", \xff\0\r\n [] 1e400}"),
        ttl: None,
    };
    bench.store.put_results(&[result(&bench.id("r1"), "SUCCESS", 1), odd.clone()]).await.unwrap();
    let ids = ["odd", "none", "r1", "odd"].map(|label| bench.id(label));
    let found = bench.store.get_results(&ids).await.unwrap();
    let r1 = meta(&bench.id("r1"), "SUCCESS", &1.into());
    assert_eq!(found, [Some(odd.meta.clone()), None, Some(r1), Some(odd.meta)]);
}

/// A time to live that no clock can hold is a long one: a settle with it is done as any other.
async fn the_longest_time_to_live_is_kept(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    let of = |label: &str| StoredResult { ttl: Some(Duration::MAX), ..result(&bench.id(label), "SUCCESS", 1) };
    let held = worker.take_one().await;
    let settlement = queue_core::store::Settlement { results: vec![of("m1")], ..done(&held) };
    assert_eq!(worker.settle(&[settlement]).await.unwrap(), [Settled::Done]);
    bench.store.put_results(&[of("r1")]).await.unwrap();
    bench.store.put_group(&of("g1")).await.unwrap();
    bench.advance(86_400 * SECOND);
    for label in ["m1", "r1"] {
        assert!(bench.result(label).await.is_some(), "{label}");
    }
    assert!(bench.store.get_group(&bench.id("g1")).await.unwrap().is_some());
}

/// Nothing asked, nothing stored, nothing forgotten: no errors.
async fn empty_batches_are_nothing(bench: &Bench) {
    bench.store.put_results(&[]).await.unwrap();
    assert!(bench.store.get_results(&[]).await.unwrap().is_empty());
    assert!(bench.store.forget(&[]).await.unwrap().is_empty());
}

/// States follow each other until SUCCESS, which stands.
async fn success_is_final(bench: &Bench) {
    let id = bench.id("r1");
    for state in ["STARTED", "RETRY", "FAILURE", "SUCCESS"] {
        bench.store.put_results(&[result(&id, state, state)]).await.unwrap();
        assert_eq!(bench.result("r1").await.unwrap(), meta(&id, state, &state.into()));
    }
    for state in ["FAILURE", "SUCCESS", "STARTED", "REVOKED"] {
        bench.store.put_results(&[result(&id, state, "late")]).await.unwrap();
        assert_eq!(bench.result("r1").await.unwrap(), meta(&id, "SUCCESS", &"SUCCESS".into()));
    }
}

/// Only the state counts: a failure whose text quotes a success may be overwritten.
async fn a_quoted_success_is_not_final(bench: &Bench) {
    let id = bench.id("r1");
    bench.store.put_results(&[result(&id, "FAILURE", r#"{"status": "SUCCESS"}"#)]).await.unwrap();
    bench.store.put_results(&[result(&id, "RETRY", "again")]).await.unwrap();
    assert_eq!(bench.result("r1").await.unwrap(), meta(&id, "RETRY", &"again".into()));
}

/// The first SUCCESS of one batch stands.
async fn success_is_final_within_a_batch(bench: &Bench) {
    let id = bench.id("r1");
    let batch = [result(&id, "SUCCESS", "first"), result(&id, "FAILURE", "second"), result(&id, "SUCCESS", "third")];
    bench.store.put_results(&batch).await.unwrap();
    assert_eq!(bench.result("r1").await.unwrap(), meta(&id, "SUCCESS", &"first".into()));
}

/// A result with a time to live goes when it has passed, one without stays.
async fn expired_results_are_gone(bench: &Bench) {
    let brief = StoredResult { ttl: Some(SECOND), ..result(&bench.id("brief"), "SUCCESS", 1) };
    let stays = StoredResult { ttl: None, ..result(&bench.id("stays"), "SUCCESS", 1) };
    let began = Instant::now();
    bench.store.put_results(&[brief, stays]).await.unwrap();
    let found = bench.result("brief").await.is_some();
    assert!(found || began.elapsed() >= SECOND, "it went before its time");
    // A server may keep its own time for this, so the true time has to pass as well.
    bench.advance(2 * SECOND);
    queue_tests::wait_until("the result expires", || async { bench.result("brief").await.is_none() }).await;
    assert!(bench.result("stays").await.is_some());

    let again = result(&bench.id("brief"), "FAILURE", "again");
    bench.store.put_results(&[again]).await.unwrap();
    assert!(bench.result("brief").await.is_some(), "an expired SUCCESS stands in nobody's way");
}

/// Forgetting says what was there; a forgotten SUCCESS may be written anew.
async fn forgetting_deletes(bench: &Bench) {
    bench.store.put_results(&[result(&bench.id("r1"), "SUCCESS", 1)]).await.unwrap();
    let ids = ["r1", "none"].map(|label| bench.id(label));
    assert_eq!(bench.store.forget(&ids).await.unwrap(), [true, false]);
    assert_eq!(bench.store.forget(&ids).await.unwrap(), [false, false]);
    assert!(bench.result("r1").await.is_none());
    bench.store.put_results(&[result(&bench.id("r1"), "RETRY", 2)]).await.unwrap();
    assert!(bench.result("r1").await.is_some());
}

/// A wait for what is there already returns it.
async fn a_stored_result_ends_the_wait(bench: &Bench) {
    bench.store.put_results(&[result(&bench.id("r1"), "SUCCESS", 1)]).await.unwrap();
    assert_eq!(waiting(bench, "r1").await.unwrap(), bench.result("r1").await);
}

/// A wait ends when the result is put, but not for a state that the caller does not wait for.
async fn a_put_wakes_the_wait(bench: &Bench) {
    let wait = waiting(bench, "r1");
    bench.store.put_results(&[result(&bench.id("r1"), "STARTED", 0)]).await.unwrap();
    bench.store.put_results(&[result(&bench.id("other"), "SUCCESS", 0)]).await.unwrap();
    assert!(!wait.is_finished());
    bench.store.put_results(&[result(&bench.id("r1"), "FAILURE", "x")]).await.unwrap();
    assert_eq!(wait.await.unwrap().unwrap(), meta(&bench.id("r1"), "FAILURE", &"x".into()));
}

/// A wait ends when a worker's settlement stores the result.
async fn a_settlement_wakes_the_wait(bench: &Bench) {
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    let wait = waiting(bench, "m1");
    assert!(worker.progress(&delivery.tag, &[result(&bench.id("m1"), "STARTED", 0)]).await.unwrap());
    let settlement = with_result(done(&delivery), result(&bench.id("m1"), "SUCCESS", 42));
    assert_eq!(worker.settle_one(settlement).await, Settled::Done);
    assert_eq!(wait.await.unwrap().unwrap(), meta(&bench.id("m1"), "SUCCESS", &42.into()));
}

/// A wait in another store on the same data ends too.
async fn a_put_elsewhere_wakes_the_wait(bench: &Bench) {
    let other = bench.other_store().await;
    let wait = waiting(bench, "r1");
    other.put_results(&[result(&bench.id("r1"), "SUCCESS", 1)]).await.unwrap();
    assert!(wait.await.unwrap().is_some());
}

/// Progress wakes a wait that looks for it.
async fn a_wait_may_look_for_any_state(bench: &Bench) {
    let (store, id) = (Arc::clone(&bench.store), bench.id("r1"));
    let started: fn(&[u8]) -> bool = |meta| meta.starts_with(br#"{"status": "STARTED""#);
    let wait = tokio::spawn(async move { store.wait_result(&id, started, PATIENCE).await.unwrap() });
    bench.store.put_results(&[result(&bench.id("r1"), "STARTED", 0)]).await.unwrap();
    assert!(wait.await.unwrap().is_some());
}

/// A wait gives up at its timeout, with nothing.
async fn a_wait_times_out(bench: &Bench) {
    bench.store.put_results(&[result(&bench.id("r1"), "STARTED", 0)]).await.unwrap();
    let ended = bench.store.wait_result(&bench.id("r1"), finished, Duration::from_millis(50)).await.unwrap();
    assert_eq!(ended, None);
    let ended = bench.store.wait_result(&bench.id("none"), finished, Duration::ZERO).await.unwrap();
    assert_eq!(ended, None);
}

/// Hundreds of waits, on their own results and on one result together, all end.
async fn many_waits_end(bench: &Bench) {
    let mut waits: Vec<_> = (0..300).map(|n| waiting(bench, &format!("r{n}"))).collect();
    waits.extend((0..50).map(|_| waiting(bench, "r7")));
    // Dropped ones leave the rest alone.
    for wait in waits.drain(100..110).chain(std::iter::empty()) {
        wait.abort();
    }
    for part in (0..300).collect::<Vec<_>>().chunks(50) {
        let batch: Vec<_> = part.iter().map(|n| result(&bench.id(&format!("r{n}")), "SUCCESS", *n)).collect();
        bench.store.put_results(&batch).await.unwrap();
    }
    for wait in waits {
        assert!(wait.await.unwrap().is_some());
    }
}

/// No result slips between a wait's first look and its subscription.
async fn no_result_slips_through(bench: &Bench) {
    for n in 0..100 {
        let label = format!("r{n}");
        let wait = waiting(bench, &label);
        if n % 2 == 0 {
            tokio::task::yield_now().await;
        }
        bench.store.put_results(&[result(&bench.id(&label), "SUCCESS", n)]).await.unwrap();
        assert!(wait.await.unwrap().is_some(), "{label}");
    }
}

queue_tests::conformance!(
    variants:
    results_come_back,
    empty_batches_are_nothing,
    success_is_final,
    a_quoted_success_is_not_final,
    success_is_final_within_a_batch,
    expired_results_are_gone,
    the_longest_time_to_live_is_kept,
    forgetting_deletes,
    a_stored_result_ends_the_wait,
    a_put_wakes_the_wait,
    a_settlement_wakes_the_wait,
    a_put_elsewhere_wakes_the_wait,
    a_wait_may_look_for_any_state,
    a_wait_times_out,
    many_waits_end,
    no_result_slips_through,
);
