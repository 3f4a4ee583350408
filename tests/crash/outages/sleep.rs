//! A server that sleeps: it answers nobody, and its clock goes on.

use queue_tests::{Bench, Driver, RedisServer};

use super::site::Producer;
use crate::scene::Scene;

/// How long it sleeps, in seconds; `QUEUE_OUTAGE_SLEEP_S` says otherwise.
fn nap() -> u64 {
    std::env::var("QUEUE_OUTAGE_SLEEP_S").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(9)
}

/// The store sleeps past every lease. Two workers each run a job that lasts through it: neither takes the other for dead, and
/// both settle what ended meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_slept_reclaims_nobody() {
    const LEASE: [(&str, &str); 1] = [("CRASH_LEASE_MS", "4000")];
    let server = RedisServer::start_with_debug();
    let url = server.url();
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &url, "j").await;
    let jobs = [scene.send("crash.hold", ["a"]).await, scene.send("crash.hold", ["b"]).await];
    let first = scene.worker_at(&url, 1, &LEASE);
    scene.until_written("began", 1).await;
    let second = scene.worker_at(&url, 1, &LEASE);
    scene.until_written("began", 2).await;

    let sleeping = {
        let (server, nap) = (server.address(), nap().to_string());
        tokio::task::spawn_blocking(move || {
            let mut server = redis::Client::open(format!("redis://{server}/0")).unwrap().get_connection().unwrap();
            redis::cmd("DEBUG").arg("SLEEP").arg(nap).query::<()>(&mut server).unwrap();
        })
    };
    scene.until_logged(super::site::AWAY).await;
    // One ends while the store sleeps, the other when it is awake.
    scene.open_gate(&first.pid().to_string());
    queue_tests::wait_until("its body ends", || async { scene.written("done").len() == 1 }).await;
    sleeping.await.unwrap();
    // Longer than the grace: who wants to reclaim does it now.
    let woken = bench.reopen(&url).await.unwrap().now().await.unwrap();
    producer.send("after").await;
    producer.until_all_ended(&scene).await;
    let store = bench.reopen(&url).await.unwrap();
    queue_tests::wait_until("the grace is over", || async {
        store.now().await.is_ok_and(|now| woken.until(now).as_secs() >= 8)
    })
    .await;
    scene.open_gate("all");
    scene.until_back().await;
    scene.close(&url, &[&producer], vec![first, second]).await;
    for job in &jobs {
        scene.assert_success(&url, job).await;
    }
    scene.nobody_was_taken_for_dead();
    assert_eq!(scene.written("began").into_values().sum::<usize>(), 2);
}
