//! Tasks that shall not start: a worker that leases one is told so.

use std::time::Duration;

use queue_core::store::{StoreOptions, connect_with};
use queue_tests::{Bench, Driver, RedisServer, SECOND, TestWorker, wait_until};

async fn revoked(worker: &TestWorker, bench: &Bench, labels: &[&str]) -> Vec<bool> {
    let ids: Vec<_> = labels.iter().map(|label| bench.id(label)).collect();
    worker.revoked(&ids.iter().collect::<Vec<_>>()).await.unwrap()
}

/// Who leases a message after its task was revoked is told; of the others, not.
async fn a_later_lease_is_told(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(revoked(&worker, bench, &["m1", "m2"]).await, [false, false]);
    bench.enqueue("mail", &["m1", "m2", "m3"]).await;
    bench.store.revoke(&[bench.id("m2"), bench.id("m3")], 60 * SECOND).await.unwrap();
    assert_eq!(worker.take(3).await.len(), 3);
    assert_eq!(revoked(&worker, bench, &["m1", "m2", "m3"]).await, [false, true, true]);
}

/// A revocation before the worker started counts, and so does one after it has looked.
async fn before_and_after_the_first_look(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3"]).await;
    bench.store.revoke(&[bench.id("m1")], 60 * SECOND).await.unwrap();
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(worker.take(1).await.len(), 1);
    assert_eq!(revoked(&worker, bench, &["m1"]).await, [true]);

    bench.other_store().await.revoke(&[bench.id("m2")], 60 * SECOND).await.unwrap();
    assert_eq!(worker.take(1).await.len(), 1);
    assert_eq!(revoked(&worker, bench, &["m2", "m1", "m3"]).await, [true, true, false]);
}

/// Asking for nothing is no error, nor is revoking nothing.
async fn nothing_is_nothing(bench: &Bench) {
    bench.store.revoke(&[], SECOND).await.unwrap();
    let worker = bench.worker("a", &["mail"]).await;
    assert!(worker.revoked(&[]).await.unwrap().is_empty());
}

/// A revocation is kept as long as asked, no longer.
async fn a_revocation_ends(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    bench.store.revoke(&[bench.id("m1")], 60 * SECOND).await.unwrap();
    bench.store.revoke(&[bench.id("m2")], 600 * SECOND).await.unwrap();
    assert_eq!(revoked(&worker, bench, &["m1", "m2"]).await, [true, true]);
    bench.advance(61 * SECOND);
    wait_until("the revocation ends", || async { revoked(&worker, bench, &["m1"]).await == [false] }).await;
    assert_eq!(revoked(&worker, bench, &["m2"]).await, [true]);
}

/// Thousands at once.
async fn many_at_once(bench: &Bench) {
    let worker = bench.worker("a", &["mail"]).await;
    let ids: Vec<_> = (0..3000).map(|n| bench.id(&format!("m{n}"))).collect();
    bench.store.revoke(&ids, 60 * SECOND).await.unwrap();
    let all = worker.revoked(&ids.iter().collect::<Vec<_>>()).await.unwrap();
    assert!(all.len() == 3000 && all.iter().all(|revoked| *revoked));
}

/// What is revoked now can be listed, at most as many as asked for.
async fn the_revoked_can_be_listed(bench: &Bench) {
    bench.store.revoke(&[bench.id("m1")], 60 * SECOND).await.unwrap();
    bench.store.revoke(&[bench.id("m2"), bench.id("m3")], 600 * SECOND).await.unwrap();
    let listed = async |limit| bench.store.revocations(limit).await.unwrap();
    let all = listed(100_000).await;
    assert!([bench.id("m1"), bench.id("m2"), bench.id("m3")].iter().all(|id| all.contains(id)), "{all:?}");
    assert_eq!(listed(1).await.len(), 1);
    bench.advance(61 * SECOND);
    let left = listed(100_000).await;
    assert!(left.contains(&bench.id("m2")) && !left.contains(&bench.id("m1")), "{left:?}");
}

queue_tests::conformance!(
    the_revoked_can_be_listed,
    a_later_lease_is_told,
    before_and_after_the_first_look,
    nothing_is_nothing,
    a_revocation_ends,
    many_at_once,
);

/// A revocation ends no sooner and no later on a host whose clock is set by days while it runs, beside a store with a clock of its
/// own. A server of the test's own: who is told of others' revocations looks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_ends_in_time_on_a_host_whose_clock_is_set() {
    const DAY_MS: i64 = 86_400_000;
    let server = RedisServer::start(&[]);
    let bench = &Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let options = StoreOptions { clock: bench.clock.wrong_by(DAY_MS), ..bench.options().clone() };
    let store = connect_with(bench.url(), options).await.unwrap();
    let worker = bench.worker_on(&store, "a", &["mail"]).await;
    bench.store.revoke(&[bench.id("long")], 600 * SECOND).await.unwrap();
    wait_until("it has heard of it", || async { revoked(&worker, bench, &["long"]).await == [true] }).await;
    for (short, wrong) in [("short", -DAY_MS), ("other", DAY_MS)] {
        bench.store.revoke(&[bench.id(short)], 30 * SECOND).await.unwrap();
        wait_until("it has heard of it", || async { revoked(&worker, bench, &[short]).await == [true] }).await;
        store.clock().set_wrong_by(wrong);
        assert_eq!(revoked(&worker, bench, &[short, "long"]).await, [true, true]);
        bench.advance(31 * SECOND);
        assert_eq!(revoked(&worker, bench, &[short, "long"]).await, [false, true]);
    }
}

/// A revocation may be for ever, and those that come after it are told as before: none of them can be spoilt by how long another is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_for_ever_spoils_no_other() {
    let server = RedisServer::start(&[]);
    let bench = &Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let worker = bench.worker("a", &["mail"]).await;
    let labels = ["ever", "after", "beside"];
    assert_eq!(revoked(&worker, bench, &labels).await, [false; 3]);
    bench.store.revoke(&[bench.id("ever")], Duration::MAX).await.unwrap();
    bench.store.revoke(&[bench.id("after")], 60 * SECOND).await.unwrap();
    // As a program of another version may have put it.
    server.command(&["ZADD", "queue:revoked", "9223372036854775807", "somebody's"]);
    bench.store.revoke(&[bench.id("beside")], 60 * SECOND).await.unwrap();
    wait_until("it has heard of them", || async { revoked(&worker, bench, &labels).await == [true; 3] }).await;
    bench.advance(61 * SECOND);
    wait_until("two end", || async { revoked(&worker, bench, &labels).await == [true, false, false] }).await;
}
