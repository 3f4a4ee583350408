//! `queue inspect`, `queue control` and `queue events`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;

use queue_core::Client;
use queue_core::events::Event;
use queue_core::store::Interest;
use queue_tests::{PATIENCE, RedisServer, wait_for};
use queue_worker::{Worker, WorkerHandle};
use serde_json::{Value, json};

use crate::looks_like;
use crate::scene::{Ran, Scene, program};

/// A scene with a worker that answers.
async fn working(scene: &Scene) -> WorkerHandle {
    let client = Client::new(Arc::clone(&scene.store));
    let worker = Worker::new().queue("mail").queue("celery").concurrency(3).hostname("w@host");
    let handle = worker.start(client.clone()).await.unwrap();
    let asking = async { while client.inspect().to(["w@host"]).ping().await.unwrap().is_empty() {} };
    tokio::time::timeout(PATIENCE, asking).await.expect("the worker answers");
    handle
}

/// Runs `queue` with time enough for a slow machine; it ends as soon as the one worker has answered.
fn patient(scene: &Scene, args: &[&str]) -> Ran {
    scene.queue(&[args, &["--timeout", "30s"]].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_are_asked() {
    let scene = Scene::new().await;
    let handle = working(&scene).await;
    looks_like!("inspect_ping", patient(&scene, &["inspect", "ping"]));
    looks_like!("inspect_ping_json", patient(&scene, &["inspect", "ping", "--json"]));
    looks_like!("inspect_active", patient(&scene, &["inspect", "active"]));
    looks_like!("inspect_active_queues", patient(&scene, &["inspect", "active-queues"]));
    looks_like!("inspect_registered", patient(&scene, &["inspect", "registered", "max_retries", "acks_late"]));
    looks_like!("inspect_revoked", patient(&scene, &["inspect", "revoked"]));
    scene.schedule("later", "mail", "queue.send_email", std::time::Duration::from_secs(3600)).await;
    let found = scene.json(&["inspect", "query_task", "later", "nobody", "--timeout", "30s"]);
    assert_eq!(found["w@host"]["later"][0], "scheduled");
    assert_eq!(scene.json(&["inspect", "scheduled", "--timeout", "30s"])["w@host"][0]["request"]["id"], "later");
    let stats = patient(&scene, &["inspect", "stats", "--destination", "w@host"]);
    assert!(stats.stdout.contains("at once   3") && stats.code == Some(0), "{stats}");
    let conf = patient(&scene, &["inspect", "conf"]);
    assert!(conf.stdout.starts_with("w@host\n") && conf.stdout.contains("\"worker_concurrency\": 3"), "{conf}");
    handle.abort();
}

/// A worker's name is shown, and does nothing to the terminal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workers_name_moves_no_cursor() {
    let scene = Scene::new().await;
    let worker = Worker::new().queue("mail").hostname("w\u{1b}[2J@host");
    let handle = worker.start(Client::new(Arc::clone(&scene.store))).await.unwrap();
    let shown = wait_for("it answers", || async {
        let ran = scene.queue(&["inspect", "active", "--timeout", "2s"]);
        (ran.code == Some(0)).then_some(ran)
    });
    let shown = shown.await;
    assert_eq!(shown.stdout, "nothing at w\\u{1b}[2J@host\n", "{shown}");
    handle.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_are_told() {
    let scene = Scene::new().await;
    let handle = working(&scene).await;
    looks_like!("control_rate_limit", patient(&scene, &["control", "rate_limit", "queue.send_email", "10/m"]));
    looks_like!("control_refused", patient(&scene, &["control", "rate_limit", "no.such", "10/m"]));
    looks_like!("control_refused_json", patient(&scene, &["control", "autoscale", "4", "2", "--json"]));
    looks_like!("control_revoke", patient(&scene, &["control", "revoke", "a", "b"]));
    // Whoever is meant by a pattern is waited for all the time, which is too short for a slow machine.
    let heard = wait_for("the worker hears it", || async {
        let ran = scene.queue(&["control", "heartbeat", "--match", "w@*", "--timeout", "2s"]);
        ran.stdout.contains("w@host").then_some(ran)
    });
    looks_like!("control_heartbeat", heard.await);
    assert_eq!(patient(&scene, &["control", "pool-grow", "2"]).code, Some(0));
    assert_eq!(scene.json(&["inspect", "stats", "--timeout", "30s"])["w@host"]["pool"]["max-concurrency"], 5);
    let nobody = patient(&scene, &["control", "shutdown", "--destination", "x@nowhere"]);
    assert!(nobody.stdout.contains("if they are there"), "{nobody}");
    looks_like!("control_shutdown", patient(&scene, &["control", "shutdown"]));
    handle.wait().await.unwrap();
}

#[tokio::test]
async fn nobody_who_answers_is_an_error_of_its_own() {
    let scene = Scene::new().await;
    looks_like!("inspect_nobody", scene.queue(&["inspect", "ping"]));
    looks_like!("inspect_nobody_there", scene.queue(&["inspect", "ping", "-d", "x@y", "--timeout", "10ms"]));
    looks_like!("control_nobody", scene.queue(&["control", "shutdown"]));
}

fn event(value: Value) -> Event {
    Event::from_value(value).unwrap()
}

/// What a worker might tell, at fixed times.
fn told() -> Vec<Event> {
    let about = |kind: &str, at: f64, more: Value| {
        let mut all = json!({"type": kind, "hostname": "w@host", "timestamp": 1_795_380_740.0 + at});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event(all)
    };
    vec![
        about("worker-online", 0.0, json!({"active": 0, "processed": 0})),
        about("worker-heartbeat", 0.1, json!({})),
        about("task-received", 0.25, json!({"uuid": "m1", "name": "mail.send", "args": "(1, 'a')", "kwargs": "{}"})),
        about("task-succeeded", 0.5, json!({"uuid": "m1", "result": "'sent'\u{1b}[2J", "runtime": 0.25})),
        about("task-failed", 0.75, json!({"uuid": "m2", "exception": "SmtpError('refused')"})),
        about("task-\u{1b}[2Jodd", 0.8, json!({"uuid": "m2"})),
        about("task-revoked", 1.0, json!({"uuid": "m1", "terminated": true, "signum": 15, "expired": false})),
        about("worker-offline", 2.0, json!({"active": 0, "processed": 2})),
    ]
}

/// Runs `queue events` with these options while something is told; what it printed.
async fn events_shown(scene: &Scene, args: &[&str]) -> String {
    let mut child =
        program(scene.dir()).arg("events").args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may say that it listens before it does: tell until the first line comes.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (first, came) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            let _ = first.send(());
            all.push(line);
        }
        all
    });
    let probe = event(json!({"type": "probe", "hostname": "probe", "timestamp": 0}));
    while came.try_recv().is_err() {
        tell(scene, &probe).await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for event in told() {
        tell(scene, &event).await;
    }
    // The rest of the count.
    while child.try_wait().unwrap().is_none() {
        tell(scene, &probe).await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let lines = reading.join().unwrap();
    lines.into_iter().filter(|line| !line.contains("probe")).collect::<Vec<_>>().join("\n")
}

async fn tell(scene: &Scene, event: &Event) {
    let (topic, payload) = event.post();
    scene.store.publish(&topic, &payload).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_shown_as_they_come() {
    let scene = Scene::new().await;
    looks_like!("events", events_shown(&scene, &["--count", "60"]).await);
    looks_like!("events_json", events_shown(&scene, &["--count", "60", "--heartbeats", "--json"]).await);
}

/// Task events are asked for, where the user wants them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_may_be_asked_for() {
    let scene = Scene::new().await;
    let mut requests = scene.store.listen(Interest::Control).await.unwrap();
    let mut child = program(scene.dir()).args(["events", "--enable"]).stdout(Stdio::null()).spawn().unwrap();
    let request = tokio::time::timeout(PATIENCE, requests.next()).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&request).contains("enable_events"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn one_queue_that_is_none_does_not_hide_the_others() {
    let server = RedisServer::start(&[]);
    let scene = Scene::at(&server.url()).await;
    scene.send("m1", "mail", "mail.send", "[]").await;
    scene.send("x1", "odd", "mail.send", "[]").await;
    server.command(&["DEL", "odd"]);
    server.command(&["SET", "odd", "not a queue"]);
    looks_like!("status_foreign", scene.queue(&["status"]));
    let status = scene.json(&["status"]);
    let queues = status["queues"].as_array().unwrap();
    assert!(queues.iter().any(|queue| queue["queue"] == "odd" && queue["error"].is_string()), "{status}");
    assert!(queues.iter().any(|queue| queue["queue"] == "mail" && queue["error"].is_null()), "{status}");
    assert_eq!(status["totals"]["ready"], 1);
}
