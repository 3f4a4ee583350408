//! Sentinels hand the queue over to a replica.

use queue_tests::{Bench, Driver, SentinelSet};

use super::site::{AWAY, BACK, Producer};
use crate::scene::{QUEUE, Scene};

/// The master is killed, with one of the sentinels that the URL names. A replica takes over: what was accepted is there, what
/// ran ends well, and what comes is consumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_replaced() {
    let mut set = SentinelSet::start(None).await;
    let url = set.url("");
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &url, "j").await;
    let held = scene.send("crash.hold", ["long"]).await;
    let workers = vec![scene.worker_at(&url, 4, &[]), scene.worker_at(&set.celery_url(), 4, &[])];
    scene.until_written("began", 1).await;
    assert_eq!(bench.counts(QUEUE).await.leased, 1);
    let going = producer.go_on();
    scene.until_written("done", 50).await;
    producer.stop(going).await;
    set.until_caught_up().await;

    set.kill_a_sentinel();
    let old = set.master().port();
    set.master().kill();
    scene.until_logged(AWAY).await;
    scene.open_gate("all");
    let master = set.until_other_master(old).await;
    for n in 0..20 {
        producer.send(&format!("after{n}")).await;
    }
    producer.until_all_ended(&scene).await;
    scene.until_back().await;
    assert_eq!((scene.logged(AWAY), scene.logged(BACK)), (2, 2), "one line per worker:\n{}", scene.log());
    scene.close(&master.url(), &[&producer], workers).await;
    scene.assert_success(&master.url(), &held).await;
    assert_eq!(scene.logged("took back what dead workers held"), 0, "{}", scene.log());
}

/// A replica is promoted while the master is well and workers hold leases: they follow it, and their leases stand. Servers
/// with a password, which nobody hears of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_is_followed() {
    let set = SentinelSet::start(Some("s3cret")).await;
    let url = set.url(":s3cret@");
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &url, "j").await;
    scene.send("crash.hold", ["long"]).await;
    let worker = scene.worker_at(&url, 4, &[]);
    scene.until_written("began", 1).await;
    let going = producer.go_on();
    scene.until_written("done", 50).await;
    producer.stop(going).await;
    set.until_caught_up().await;

    let old = set.master_port();
    set.fail_over();
    set.until_other_master(old).await;
    for n in 0..20 {
        producer.send(&format!("after{n}")).await;
    }
    producer.until_all_ended(&scene).await;
    scene.open_gate("all");
    queue_tests::wait_until("the long one ends", || async { scene.written("done").contains_key("long") }).await;
    producer.until_empty(&bench).await;
    let master = format!("redis://:s3cret@127.0.0.1:{}/0", set.master_port());
    scene.close(&master, &[&producer], vec![worker]).await;
    assert_eq!(scene.logged(AWAY), scene.logged(BACK), "{}", scene.log());
    assert!(scene.logged(AWAY) <= 1, "{}", scene.log());
    assert!(!scene.log().contains("s3cret"), "a secret was logged");
    scene.nobody_was_taken_for_dead();
}
