//! The server dies and comes back: with all it knew, with nothing, slowly.

use queue_tests::{Bench, Driver, RedisServer, signal};

use super::site::{AWAY, BACK, Producer};
use crate::scene::Scene;

/// What was acknowledged survives: `everysec` may put off even the write to the file.
const AOF: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// `kill -9` of the server under load; what it acknowledged it still knows, and what ended meanwhile is settled late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_restarted_with_its_file() {
    let server = RedisServer::start(&AOF);
    let url = server.url();
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let held = scene.send("crash.hold", ["long"]).await;
    let producer = Producer::at(&bench, &url, "j").await;
    let workers = vec![scene.worker_at(&url, 4, &[]), scene.worker_at(&url, 4, &[])];
    scene.until_written("began", 1).await;
    let going = producer.go_on();
    for round in 1..=3 {
        scene.until_written("done", round * 50).await;
        server.kill();
        scene.until_logged(AWAY).await;
        if round == 2 {
            // Ends while there is nobody to tell.
            scene.open_gate("all");
            queue_tests::wait_until("the long one ends", || async { scene.written("done").contains_key("long") }).await;
        }
        server.restart(&AOF);
    }
    scene.until_written("done", 200).await;
    producer.stop(going).await;
    scene.until_back().await;
    scene.close(&url, &[&producer], workers).await;
    scene.assert_success(&url, &held).await;
    assert!(scene.logged(AWAY) <= 6, "one line per outage and worker:\n{}", scene.log());
    assert_eq!(scene.logged("took back what dead workers held"), 0, "{}", scene.log());
    assert_eq!(scene.written("done")["long"], 1);
}

/// What the server forgot is gone, with the workers' registration and the scripts. They go on with what comes, and what they
/// ran is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_empty() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &url, "j").await;
    producer.send("first").await;
    let worker = scene.worker_at(&url, 4, &[]);
    scene.until_written("done", 1).await;
    scene.send("crash.hold", ["forgotten"]).await;
    scene.until_written("began", 1).await;
    server.kill();
    scene.until_logged(AWAY).await;
    producer.forget();
    server.restart(&[]);
    for n in 0..20 {
        producer.send(&format!("after{n}")).await;
    }
    producer.until_all_ended(&scene).await;
    scene.open_gate("all");
    scene.until_logged("the lease of this task was lost before its end was stored").await;
    scene.until_back().await;
    assert_eq!((scene.logged(AWAY), scene.logged(BACK)), (1, 1), "{}", scene.log());
    scene.close(&url, &[&producer], vec![worker]).await;
    scene.nobody_was_taken_for_dead();
}

/// A server without its scripts is no outage at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_flushed() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &url, "j").await;
    let worker = scene.worker_at(&url, 4, &[]);
    let going = producer.go_on();
    for round in 1..=20 {
        scene.until_written("done", round * 10).await;
        server.command(&["SCRIPT", "FLUSH"]);
    }
    producer.stop(going).await;
    scene.close(&url, &[&producer], vec![worker]).await;
    assert_eq!(scene.logged(AWAY), 0, "{}", scene.log());
    scene.nobody_was_taken_for_dead();
}

/// A server that loads its file answers everything with LOADING: the worker waits, and what it holds stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loading() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let held = scene.send("crash.hold", ["long"]).await;
    let worker = scene.worker_at(&url, 2, &[]);
    scene.until_written("began", 1).await;
    let producer = Producer::at(&bench, &url, "j").await;
    // Each key takes 10 ms to load.
    for n in 0..200 {
        server.command(&["SET", &format!("ballast{n}"), "1", "EX", "3600"]);
    }
    assert!(server.command(&["SAVE"]).starts_with("+OK"));
    server.kill();
    scene.until_logged(AWAY).await;
    server.restart(&["--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024"]);
    assert!(server.command(&["PING"]).starts_with("-LOADING"), "it should be loading");
    scene.open_gate("all");
    producer.send("after").await;
    scene.until_back().await;
    assert_eq!((scene.logged(AWAY), scene.logged(BACK)), (1, 1), "{}", scene.log());
    scene.close(&url, &[&producer], vec![worker]).await;
    scene.assert_success(&url, &held).await;
    scene.nobody_was_taken_for_dead();
}

/// A worker that is started while there is no server says so and ends with code 3 at once, or, told to wait, comes up when
/// the server does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_too_early() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    scene.dismiss_undertaker().await;
    let producer = Producer::at(&bench, &url, "j").await;
    server.kill();
    let mut refused = scene.worker_at(&url, 1, &[]);
    assert_eq!(refused.end().await.code(), Some(3));
    scene.until_logged("is unreachable").await;

    let mut given_up = scene.worker_with(1, &["--wait", "300ms"], &[]);
    assert_eq!(given_up.end().await.code(), Some(3));
    let waiting = "waiting for the store";
    assert_eq!(scene.logged(waiting), 1);
    let mut asked = scene.worker_with(1, &["--wait", "1h"], &[]);
    queue_tests::wait_until("it waits", || async { scene.logged(waiting) == 2 }).await;
    signal(asked.pid(), "TERM");
    assert!(asked.end().await.success(), "asked to stop while it waits, it stops");

    let patient = scene.worker_with(1, &["--wait", "1h"], &[]);
    queue_tests::wait_until("it waits", || async { scene.logged(waiting) == 3 }).await;
    server.restart(&[]);
    producer.send("first").await;
    scene.close(&url, &[&producer], vec![patient]).await;
}
