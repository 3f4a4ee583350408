//! A server that sleeps: it answers nobody, and its clock goes on.

use std::time::{Duration, Instant};

use queue_tests::{RedisServer, wait_until};

use super::site::{AWAY, Site};

/// How long it sleeps at least; `QUEUE_OUTAGE_SLEEP_S` says otherwise, in seconds.
fn nap() -> Duration {
    let asked = std::env::var("QUEUE_OUTAGE_SLEEP_S").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(asked.unwrap_or(9))
}

/// The store sleeps past every lease. Two workers each run a job that lasts through it: neither takes the other for dead, and
/// both settle what ended meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_slept_reclaims_nobody() {
    const LEASE: [(&str, &str); 1] = [("CRASH_LEASE_MS", "4000")];
    let server = RedisServer::start(&[]);
    let url = server.url();
    let mut site = Site::at(&url).await;
    let jobs = [site.send("crash.hold", ["a"]).await, site.send("crash.hold", ["b"]).await];
    let first = site.hire_at(&url, 1, &LEASE);
    site.until_written("began", 1).await;
    site.hire_at(&url, 1, &LEASE);
    site.until_written("began", 2).await;

    let (began, sleeping) = (Instant::now(), server.nap());
    site.until_logged(AWAY).await;
    // One ends while the store sleeps, the other when it is awake.
    site.open_gate(&first.to_string());
    wait_until("its body ends", || async { site.written("done").len() == 1 }).await;
    tokio::time::sleep(nap().saturating_sub(began.elapsed())).await;
    drop(sleeping);
    // Longer than the grace: who wants to reclaim does it now.
    let store = site.bench.reopen(&url).await.unwrap();
    let woken = store.now().await.unwrap();
    site.producer.send("after").await;
    site.until_all_ended().await;
    wait_until("the grace is over", || async { store.now().await.is_ok_and(|now| woken.until(now).as_secs() >= 8) })
        .await;
    site.open_gate("all");
    site.close().await;
    // A heartbeat takes up to eight seconds to find out, and somebody has.
    site.each_told_some(usize::from(nap().as_secs() >= 15)..=1);
    for job in &jobs {
        assert!(site.producer.has_success(job).await, "no good end of a job is stored");
    }
    site.nobody_was_taken_for_dead();
    assert_eq!(site.written("began").into_values().sum::<usize>(), 2);
}
