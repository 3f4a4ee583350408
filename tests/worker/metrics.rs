//! Metrics that have a value only when something is wrong, or under way: each is brought about, and its value is looked at.

use std::net::SocketAddr;
use std::time::Duration;

use queue_tests::{Bench, Fault, metric, script_hash, wait_until};

use crate::outages::behind_proxy;
use crate::probe::begin;
use crate::scene::{SOON, Stage, client, settled};
use crate::tasks::*;

/// Waits until a line of the metrics has this value.
async fn shows(address: SocketAddr, line: &str, value: f64) {
    wait_until(&format!("{line} {value}"), || async { metric(address, line).await == Some(value) }).await;
}

/// A slot is stuck from when its job is past its limit until its thread comes back.
async fn stuck_slot_is_told_while_it_lasts(bench: &Bench) {
    let stage = Stage::default();
    let (handle, address) = begin(bench, &stage).await;
    assert_eq!(metric(address, "queue_slots_stuck").await, Some(0.0));
    client(bench).send(hold_blocking.s().time_limit(Duration::from_millis(50))).await.unwrap();
    shows(address, "queue_slots_stuck", 1.0).await;
    // The job has ended, its thread has not.
    settled(bench).await;
    assert_eq!(metric(address, "queue_slots_stuck").await, Some(1.0));
    stage.open();
    shows(address, "queue_slots_stuck", 0.0).await;
    assert_eq!(stage.count("ended"), 1);
    handle.shutdown();
    handle.wait().await.unwrap();
}

/// However they gather: each end is in one call to the store, and no call is empty.
async fn each_end_is_in_one_batch(bench: &Bench) {
    const JOBS: u32 = 40;
    let (handle, address) = begin(bench, &Stage::default()).await;
    client(bench).send_many((0..JOBS).map(|n| add.s(i64::from(n), 1))).await.unwrap();
    settled(bench).await;
    shows(address, "queue_settle_batch_size_sum", f64::from(JOBS)).await;
    let calls = metric(address, "queue_settle_batch_size_count").await.unwrap();
    assert!((1.0..=f64::from(JOBS)).contains(&calls), "{calls} calls");
    assert_eq!(metric(address, r#"queue_settle_batch_size_bucket{le="+Inf"}"#).await, Some(calls));
    shows(address, "queue_ends_waiting", 0.0).await;
    handle.shutdown();
    handle.wait().await.unwrap();
}

/// The store goes away at the call that carries one end. What ends meanwhile waits and is counted; when the store is back that one
/// goes again, and all the others after it in a single call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_that_wait_for_the_store_are_told_and_go_in_one_call() {
    let (bench, proxy, direct) = behind_proxy().await;
    let stage = Stage::default();
    let (handle, address) = begin(&bench, &stage).await;
    let held = direct.send_many([hold.s(), hold.s(), hold.s()]).await.unwrap();
    stage.heard("started", 3).await;
    assert_eq!(metric(address, "queue_ends_waiting").await, Some(0.0));
    assert_eq!(metric(address, "queue_settle_batch_size_count").await, Some(0.0));

    proxy.arm(&script_hash("settle"), Fault::CutRequest(0));
    proxy.refuse(true);
    let first = direct.send(say.s("first".to_owned())).await.unwrap();
    wait_until("its end is under way", || async { proxy.lost() == 1 }).await;
    shows(address, "queue_ends_waiting", 1.0).await;
    stage.open();
    shows(address, "queue_ends_waiting", 4.0).await;
    assert_eq!(metric(address, "queue_settle_batch_size_count").await, Some(0.0), "nothing has arrived");

    proxy.refuse(false);
    first.get(SOON).await.unwrap();
    for job in &held {
        assert_eq!(job.get(SOON).await.unwrap(), 7);
    }
    shows(address, "queue_ends_waiting", 0.0).await;
    let of = |le| format!(r#"queue_settle_batch_size_bucket{{le="{le}"}}"#);
    for (line, value) in [(of("1"), 1.0), (of("2"), 1.0), (of("5"), 2.0), (of("+Inf"), 2.0)] {
        assert_eq!(metric(address, &line).await, Some(value), "{line}");
    }
    assert_eq!(metric(address, "queue_settle_batch_size_sum").await, Some(4.0));
    handle.shutdown();
    assert_eq!(handle.wait().await.unwrap().succeeded, 4);
}

queue_tests::conformance!(stuck_slot_is_told_while_it_lasts, each_end_is_in_one_batch);
