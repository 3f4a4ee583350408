//! The server answers, and says no.

use queue_tests::{Bench, Driver, Proxy, RedisServer};

use super::site::{AWAY, BACK, Producer};
use crate::scene::Scene;

/// At its memory limit the server takes no writes but those that free memory. When there is room again all goes on, and what
/// ended meanwhile is settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &url, "j").await;
    let held = scene.send("crash.hold", ["long"]).await;
    let worker = scene.worker_at(&url, 4, &[]);
    scene.until_written("began", 1).await;
    let going = producer.go_on();
    for round in 1..=3 {
        scene.until_written("done", round * 30).await;
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        scene.open_gate("all");
        scene.until_logged("has no room left").await;
        assert!(!producer.try_send("refused").await);
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        let so_far = scene.written("done").len();
        scene.until_written("done", so_far + 20).await;
    }
    producer.stop(going).await;
    scene.until_back().await;
    scene.close(&url, &[&producer], vec![worker]).await;
    scene.assert_success(&url, &held).await;
    assert!(scene.logged(AWAY) <= 3, "one line per outage:\n{}", scene.log());
    scene.nobody_was_taken_for_dead();
}

/// The password is changed under a running worker, and changed back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_changed() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let with_password = url.replace("redis://", "redis://:s3cret@");
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    server.command(&["CONFIG", "SET", "requirepass", "s3cret"]);
    let mut admin = redis::Client::open(&*with_password).unwrap().get_connection().unwrap();
    let mut tell = |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| _ = command.arg(*word));
        command.query::<redis::Value>(&mut admin).unwrap();
    };
    let producer = Producer::at(&bench, &with_password, "j").await;
    let worker = scene.worker_at(&with_password, 4, &[]);
    producer.send("first").await;
    producer.until_all_ended(&scene).await;

    // Who is connected stays so; all others are asked for the new one.
    tell(&["CONFIG", "SET", "requirepass", "0ther"]);
    tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    tell(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    scene.until_logged("refused the user name or password").await;
    assert!(!producer.try_send("refused").await);
    tell(&["CONFIG", "SET", "requirepass", "s3cret"]);
    for n in 0..20 {
        producer.send(&format!("after{n}")).await;
    }
    producer.until_all_ended(&scene).await;
    scene.until_back().await;
    assert_eq!((scene.logged(AWAY), scene.logged(BACK)), (1, 1), "{}", scene.log());
    scene.close(&with_password, &[&producer], vec![worker]).await;
    assert!(!scene.log().contains("s3cret"), "a secret was logged");
    scene.nobody_was_taken_for_dead();
}

/// A worker that is led to a replica says so and ends with code 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_on_a_replica() {
    let master = RedisServer::start(&[]);
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let bench = Bench::at(Driver::Redis, &master.url(), |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let mut worker = scene.worker_at(&replica.url(), 1, &[]);
    assert_eq!(worker.end().await.code(), Some(3));
    scene.until_logged("is read-only").await;
    scene.until_logged("connect to the primary").await;
}

/// The server becomes a replica under a running worker, and a master again: what it refuses is an outage, and connections
/// are made anew, since its name may lead elsewhere by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demoted_for_a_while() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &url, "j").await;
    let held = scene.send("crash.hold", ["long"]).await;
    let worker = scene.worker_at(&url, 4, &[]);
    scene.until_written("began", 1).await;
    let going = producer.go_on();
    scene.until_written("done", 30).await;
    // Of nobody: so it keeps what it has.
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    scene.until_logged("is read-only").await;
    scene.open_gate("all");
    queue_tests::wait_until("the long one ends", || async { scene.written("done").contains_key("long") }).await;
    server.command(&["REPLICAOF", "NO", "ONE"]);
    let so_far = scene.written("done").len();
    scene.until_written("done", so_far + 20).await;
    producer.stop(going).await;
    scene.until_back().await;
    assert_eq!((scene.logged(AWAY), scene.logged(BACK)), (1, 1), "{}", scene.log());
    scene.close(&url, &[&producer], vec![worker]).await;
    scene.assert_success(&url, &held).await;
}

/// What the name of the server leads to is another one by now, while the old one, a replica, keeps its connections: the first
/// write that it refuses lets them go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_to_another_server() {
    const AT_ONCE: [&str; 2] = ["--repl-diskless-sync-delay", "0"];
    let old = RedisServer::start(&AT_ONCE);
    let new = RedisServer::start(&["--replicaof", "127.0.0.1", &old.port().to_string()]);
    let proxy = Proxy::start(old.address()).await;
    let bench = Bench::at(Driver::Redis, &old.url(), |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let held = scene.send("crash.hold", ["long"]).await;
    let worker = scene.worker_at(&proxy.url(), 2, &[]);
    scene.until_written("began", 1).await;
    queue_tests::wait_until("the replica has its lease", || async {
        new.command(&["INFO", "replication"]).contains("master_link_status:up")
            && new.command(&["KEYS", "*:held:*"]).contains(":held:")
    })
    .await;

    new.command(&["REPLICAOF", "NO", "ONE"]);
    proxy.lead_to(new.address());
    old.command(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    let producer = Producer::at(&bench, &new.url(), "j").await;
    for n in 0..20 {
        producer.send(&format!("after{n}")).await;
    }
    producer.until_all_ended(&scene).await;
    scene.open_gate("all");
    queue_tests::wait_until("the long one ends", || async { scene.written("done").contains_key("long") }).await;
    scene.close(&new.url(), &[&producer], vec![worker]).await;
    scene.assert_success(&new.url(), &held).await;
    scene.nobody_was_taken_for_dead();
}
