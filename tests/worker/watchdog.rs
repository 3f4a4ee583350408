//! A worker that should get messages and gets none makes its connections anew; one that should not, does not.

use std::net::SocketAddr;
use std::time::Duration;

use queue_tests::{Bench, Fault, metric, wait_until};
use queue_worker::WorkerHandle;

use crate::outages::behind_proxy;
use crate::probe::ANY;
use crate::scene::{SOON, Stage, client, worker};
use crate::tasks::*;

const NEVER: Duration = Duration::from_secs(3600);
/// Two heartbeats in a row.
const STALLED: Duration = Duration::from_millis(1500);
const TRIPS: &str = "queue_watchdog_trips_total";
const BEATS: &str = "queue_heartbeats_total";

async fn begin(bench: &Bench, stage: &Stage) -> (WorkerHandle, SocketAddr) {
    let worker = worker(bench, stage).concurrency(2).probe(ANY.parse().unwrap()).patience(NEVER, NEVER, STALLED);
    let handle = worker.start(client(bench)).await.unwrap();
    let address = handle.probe().unwrap();
    (handle, address)
}

/// Waits for so many more heartbeats.
async fn beats(address: SocketAddr, more: f64) {
    let before = metric(address, BEATS).await.unwrap();
    wait_until("heartbeats", || async { metric(address, BEATS).await.unwrap() >= before + more }).await;
}

/// The wait's connection goes dead without anybody noticing: without the watchdog the job would wait for 35 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_whose_connection_is_dead_is_made_anew() {
    let (bench, proxy, direct) = behind_proxy().await;
    proxy.arm("BLMOVE", Fault::SwallowRequest);
    let (handle, address) = begin(&bench, &Stage::default()).await;
    wait_until("the wait is dead", || async { proxy.lost() == 1 }).await;
    assert_eq!(metric(address, TRIPS).await, Some(0.0));
    let job = direct.send(add.s(1, 2)).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 3);
    let trips = metric(address, TRIPS).await;
    assert!(trips >= Some(1.0), "{trips:?}");
    assert!(metric(address, "queue_reconnects_total").await.unwrap() >= 1.0);
    // And the new one is alive.
    assert_eq!(direct.send(add.s(2, 2)).await.unwrap().get(SOON).await.unwrap(), 4);
    beats(address, 3.0).await;
    assert_eq!(metric(address, TRIPS).await, trips);
    handle.shutdown();
    handle.wait().await.unwrap();
}

/// Messages lie ready, and all slots are taken.
async fn busy_worker_is_left_alone(bench: &Bench) {
    let stage = Stage::default();
    let (handle, address) = begin(bench, &stage).await;
    let client = client(bench);
    client.send_many([hold.s(), hold.s()]).await.unwrap();
    stage.heard("started", 2).await;
    client.send_many((0..5).map(|n| add.s(n, n))).await.unwrap();
    beats(address, 4.0).await;
    assert_eq!(metric(address, TRIPS).await, Some(0.0));
    let counts = bench.counts("q").await;
    assert_eq!(counts.ready, 5, "{counts:?} {:?}", stage.said());
    stage.open();
    handle.shutdown();
    handle.wait().await.unwrap();
}

queue_tests::conformance!(busy_worker_is_left_alone);
