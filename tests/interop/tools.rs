//! Celery's own tools.

use queue_tests::{CeleryVersion, wait_for};
use serde_json::{Value, json};

use crate::on_celery;
use crate::scene::Scene;

/// `celery status` and `celery inspect` find who answers.
async fn commands(scene: &Scene) {
    let worker = scene.celery.worker("py", &[]);
    worker.ready();
    // With time enough for a slow machine: it ends as soon as the one worker that is named has answered.
    let named = ["-d", worker.name(), "--timeout", "30"];
    let status = scene.celery.command(&[&["status"], &named[..]].concat());
    assert!(status.status.success() && status.stdout.contains(worker.name()), "{status:?}");
    let registered = scene.celery.command(&[&["inspect", "registered", "--json"], &named[..]].concat());
    assert!(registered.stdout.contains("tasks.add"), "{registered:?}");
}

/// Rust workers answer Celery's own commands as Celery's workers do.
async fn commands_to_rust(scene: &Scene) {
    let _rust = scene.rust_worker("rust");
    let python = scene.celery.worker("py", &[]);
    python.ready();
    let node = "rust-rust@test";
    wait_for("the Rust worker", || async {
        let status = scene.celery.command(&["status"]);
        (status.stdout.contains(node) && status.stdout.contains(python.name())).then_some(())
    })
    .await;
    let run = |words: &[&str]| {
        let mut all = words.to_vec();
        all.extend(["-d", node, "--json", "--timeout", "30"]);
        let done = scene.celery.command(&all);
        assert!(done.status.success(), "{words:?}: {done:?}");
        let found = done.stdout.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Value = found.unwrap_or_else(|| panic!("{words:?}: {}", done.stdout));
        // `inspect` prints an object by node, `control` a list of such.
        if found.is_array() { found[0][node].clone() } else { found[node].clone() }
    };
    assert_eq!(run(&["inspect", "ping"]), json!({ "ok": "pong" }));
    for method in ["active", "reserved", "scheduled", "revoked"] {
        assert_eq!(run(&["inspect", method]), json!([]), "{method}");
    }
    assert!(run(&["inspect", "registered"]).as_array().unwrap().contains(&json!("tasks.add")));
    assert_eq!(run(&["inspect", "stats"])["pool"]["max-concurrency"], json!(8));
    assert_eq!(run(&["inspect", "active_queues"])[0]["name"], json!("rust"));
    assert!(run(&["inspect", "conf"]).is_object());
    assert!(run(&["inspect", "clock"])["clock"].is_number());
    assert_eq!(run(&["inspect", "query_task", "nobody"]), json!({}));
    assert_eq!(
        run(&["control", "rate_limit", "tasks.add", "100/s"]),
        json!({ "ok": "new rate limit set successfully" })
    );
    assert_eq!(
        run(&["control", "time_limit", "tasks.add", "10", "20"]),
        json!({ "ok": "time limits set successfully" })
    );
    assert_eq!(run(&["control", "pool_grow", "2"]), json!({ "ok": "pool will grow" }));
    assert_eq!(run(&["inspect", "stats"])["pool"]["max-concurrency"], json!(10));
    assert_eq!(run(&["control", "add_consumer", "more"]), json!({ "ok": "add consumer more" }));
    assert_eq!(run(&["inspect", "active_queues"]).as_array().unwrap().len(), 2);
    let mut client = scene.celery.client();
    assert_eq!(client.run("add.apply_async((1, 2), queue='more').get(timeout=20)"), json!(3));
    assert_eq!(run(&["control", "cancel_consumer", "more"]), json!({ "ok": "no longer consuming from more" }));
    // What runs is seen, found by its id, and can be stopped.
    client
        .run("held = progress.apply_async(('never',), queue='rust'); until(lambda: held.state == 'PROGRESS'); held.id");
    let id = client.run("held.id");
    let id = id.as_str().unwrap();
    assert_eq!(run(&["inspect", "active"])[0]["id"], json!(id));
    assert_eq!(run(&["inspect", "query_task", id])[id][0], json!("active"));
    client.run("held.revoke(terminate=True)");
    assert_eq!(client.run("until(lambda: held.state == 'REVOKED'); held.state"), json!("REVOKED"));
    assert!(run(&["inspect", "revoked"]).as_array().unwrap().contains(&json!(id)));
}

/// Flower shows a Rust worker, its page and its tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flower_sees_rust_workers() {
    let scene = Scene::new(CeleryVersion::Latest);
    let flower = scene.celery.flower();
    let _rust = scene.rust_worker("rust");
    let node = "rust-rust@test";
    wait_for("the Rust worker in Flower", || async {
        let (status, page) = flower.get("/api/workers?refresh=true");
        (status == 200 && page.contains(node) && page.contains("tasks.add")).then_some(())
    })
    .await;
    let (status, page) = flower.get(&format!("/worker/{node}"));
    assert_eq!(status, 200, "{page}");
    // Flower has switched events on by now, or does within five seconds.
    let mut client = scene.celery.client();
    wait_for("a task in Flower", || {
        client.run("add.apply_async((20, 22), queue='rust').get(timeout=20)");
        let (status, page) = flower.get("/api/tasks");
        async move { (status == 200 && page.contains("tasks.add") && page.contains("SUCCESS")).then_some(()) }
    })
    .await;
}

/// Flower lists who sends events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flower() {
    let scene = Scene::new(CeleryVersion::Latest);
    let flower = scene.celery.flower();
    let worker = scene.celery.worker("py", &["-E"]);
    wait_for("the worker in Flower", || async {
        let (status, page) = flower.get("/api/workers?refresh=true");
        (status == 200 && page.contains(worker.name())).then_some(())
    })
    .await;
}

on_celery!(commands, commands_to_rust);
