//! The server is well, and the lines to it are not.

use std::time::Duration;

use queue_tests::{Bench, Driver, Proxy, RedisServer, SECOND};

use super::site::{AWAY, BACK, Producer};
use crate::scene::Scene;

/// Every connection of everybody is killed every second under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_clients_killed_again_and_again() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &url, "j").await;
    let workers = vec![scene.worker_at(&url, 4, &[]), scene.worker_at(&url, 4, &[])];
    let going = producer.go_on();
    for round in 1..=5 {
        scene.until_written("done", round * 20).await;
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        // The pace of the fault.
        tokio::time::sleep(SECOND).await;
    }
    producer.stop(going).await;
    scene.close(&url, &[&producer], workers).await;
    assert!(scene.logged(AWAY) <= 10, "one line per outage and worker at most:\n{}", scene.log());
    assert_eq!(scene.logged(AWAY), scene.logged(BACK), "{}", scene.log());
    scene.nobody_was_taken_for_dead();
}

/// Cuts, half-closed connections, and none that can be made for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_half_closed_and_refused() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &server.url(), "j").await;
    let worker = scene.worker_at(&proxy.url(), 4, &[]);
    let going = producer.go_on();
    for round in 1..=6 {
        scene.until_written("done", round * 30).await;
        let before = proxy.connections();
        proxy.refuse(round % 3 == 0);
        if round % 2 == 0 {
            proxy.cut()
        } else {
            proxy.half_close()
        }
        // Those that broke come back, also where they are refused first.
        queue_tests::wait_until("it connects again", || async { proxy.connections() > before }).await;
        proxy.refuse(false);
    }
    scene.until_written("done", 250).await;
    producer.stop(going).await;
    scene.close(&server.url(), &[&producer], vec![worker]).await;
    assert!(scene.logged(AWAY) <= 6, "one line per outage at most:\n{}", scene.log());
    assert_eq!(scene.logged(AWAY), scene.logged(BACK), "{}", scene.log());
    scene.nobody_was_taken_for_dead();
}

/// Replies take long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delayed() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &server.url(), "j").await;
    proxy.delay(Duration::from_millis(200));
    let worker = scene.worker_at(&proxy.url(), 20, &[]);
    for n in 0..100 {
        producer.send(&format!("slow{n}")).await;
    }
    scene.close(&server.url(), &[&producer], vec![worker]).await;
    assert_eq!(scene.logged(AWAY), 0, "{}", scene.log());
    scene.nobody_was_taken_for_dead();
}

/// A black hole swallows the connections there are: they stay open and nothing comes, for ever. What the heartbeat finds out
/// is true for the connection that waits in silence too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn black_holed() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.address()).await;
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &server.url(), "j").await;
    let worker = scene.worker_at(&proxy.url(), 4, &[("CRASH_RESPONSE_MS", "60000")]);
    producer.send("first").await;
    producer.until_all_ended(&scene).await;

    // Idle: only the heartbeat speaks, and is not answered. Its new connection is well.
    let before = proxy.connections();
    proxy.black_hole();
    queue_tests::wait_until("it connects again", || async { proxy.connections() > before }).await;
    // The connection that waits for messages would learn of it in 35 seconds, the one that leases in a minute.
    producer.send("second").await;
    producer.until_all_ended(&scene).await;
    producer.until_empty(&bench).await;
    scene.close(&server.url(), &[&producer], vec![worker]).await;
    assert!(scene.logged(AWAY) <= 1, "{}", scene.log());
    assert_eq!(scene.logged(AWAY), scene.logged(BACK), "{}", scene.log());
    scene.nobody_was_taken_for_dead();
}
