//! What a worker tells orchestrators and Prometheus, in health and in trouble.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use queue_core::prelude::*;
use queue_core::store::connect;
use queue_tests::{Bench, Fault, PATIENCE, get, metric, wait_for, wait_until};
use queue_worker::{Exit, Worker, WorkerError, WorkerHandle};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::outages::behind_proxy;
use crate::scene::{SOON, Stage, client, settled, worker};
use crate::tasks::*;

/// Any free port of this host.
pub(crate) const ANY: &str = "127.0.0.1:0";
const NEVER: Duration = Duration::from_secs(3600);

fn probed(bench: &Bench, stage: &Stage) -> Worker {
    worker(bench, stage).probe(ANY.parse().unwrap())
}

pub(crate) async fn begin(bench: &Bench, stage: &Stage) -> (WorkerHandle, SocketAddr) {
    let handle = probed(bench, stage).start(client(bench)).await.unwrap();
    let address = handle.probe().unwrap();
    wait_until("it is ready", || async { get(address, "/ready").await.0 == 200 }).await;
    (handle, address)
}

async fn status(address: SocketAddr, path: &str, wanted: u16) -> String {
    wait_for(&format!("{path} answers {wanted}"), || async {
        let (status, body) = get(address, path).await;
        (status == wanted).then_some(body)
    })
    .await
}

/// Each end counts once, under its task, its outcome and its reason; what no task is known for counts together.
async fn ends_are_counted_by_task_outcome_and_reason(bench: &Bench) {
    let (handle, address) = begin(bench, &Stage::default()).await;
    let client = client(bench);
    client.send_many([add.s(1, 2), add.s(3, 4)]).await.unwrap();
    client.send(flaky.s(1)).await.unwrap();
    client.send_many([fatal.s(), reject.s()]).await.unwrap();
    client.send(panic.s()).await.unwrap();
    client.send_many(["t.nobody1", "t.nobody2"].map(Call::named)).await.unwrap();
    wait_until("all have ended", || async { bench.counts("q").await.dead == 5 }).await;
    settled(bench).await;
    let expected = [
        (r#"queue_jobs_total{task="t.add",outcome="succeeded"}"#, 2.0),
        (r#"queue_jobs_total{task="t.flaky",outcome="retried"}"#, 1.0),
        (r#"queue_jobs_total{task="t.flaky",outcome="succeeded"}"#, 1.0),
        (r#"queue_jobs_total{task="t.fatal",outcome="dead",reason="failed"}"#, 1.0),
        (r#"queue_jobs_total{task="t.panic",outcome="dead",reason="failed"}"#, 1.0),
        (r#"queue_jobs_total{task="t.reject",outcome="dead",reason="rejected"}"#, 1.0),
        (r#"queue_jobs_total{task="(unknown)",outcome="dead",reason="unknown-task"}"#, 2.0),
        (r#"queue_run_seconds_count{task="t.flaky"}"#, 2.0),
        (r#"queue_wait_seconds_count{task="t.add"}"#, 2.0),
        (r#"queue_jobs_total{task="t.say",outcome="succeeded"}"#, 0.0),
        ("queue_slots", 4.0),
        ("queue_slots_busy", 0.0),
        ("queue_store_up", 1.0),
        ("queue_leases_lost_total", 0.0),
    ];
    for (line, value) in expected {
        // The last count may come a moment after the store has the end.
        wait_until(line, || async { metric(address, line).await == Some(value) }).await;
    }
    let page = get(address, "/metrics").await.1;
    assert!(!page.contains("nobody"), "a name out of a message is no label");
    handle.abort();
}

/// What waits and what runs are two times, each in its own histogram: two hours by the store's clock before its body began, and as
/// long as its body was held, which is longer than that one has waited.
async fn waiting_and_running_are_told_apart(bench: &Bench) {
    const HOUR: f64 = 3600.0;
    let (client, stage) = (client(bench), Stage::default());
    client.send(say.s("waited")).await.unwrap();
    bench.advance(hours(2));
    let (handle, address) = begin(bench, &stage).await;
    stage.heard("waited", 1).await;
    until_one_has_run(address, "t.say").await;
    let (waited, ran) = (seconds(address, "wait", "t.say").await, seconds(address, "run", "t.say").await);
    assert!(waited > HOUR && waited < 3.0 * HOUR && ran < HOUR, "waited {waited} s, ran {ran} s");

    client.send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    let began = Instant::now();
    let waited = seconds(address, "wait", "t.hold").await;
    tokio::time::sleep(Duration::from_secs_f64(waited) + Duration::from_millis(300)).await;
    let held = began.elapsed().as_secs_f64();
    stage.open();
    until_one_has_run(address, "t.hold").await;
    let ran = seconds(address, "run", "t.hold").await;
    assert!(ran >= held && ran < HOUR, "ran {ran} s, and was held for {held} s");
    assert_eq!(seconds(address, "wait", "t.hold").await, waited, "it waits no more");
    handle.abort();
}

async fn until_one_has_run(address: SocketAddr, task: &str) {
    let count = format!(r#"queue_run_seconds_count{{task="{task}"}}"#);
    wait_until("it has run", || async { metric(address, &count).await == Some(1.0) }).await;
}

/// How long the jobs of this task have waited, or run.
async fn seconds(address: SocketAddr, what: &str, task: &str) -> f64 {
    metric(address, &format!(r#"queue_{what}_seconds_sum{{task="{task}"}}"#)).await.unwrap()
}

/// The depths come from the store, and are those of a few seconds ago at most.
async fn depths_of_its_queues_are_told(bench: &Bench) {
    let stage = Stage::default();
    let handle = probed(bench, &stage).concurrency(1).start(client(bench)).await.unwrap();
    let address = handle.probe().unwrap();
    let client = client(bench);
    client.send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    client.send_many((0..3).map(|n| add.s(n, n))).await.unwrap();
    client.send(add.s(1, 1).countdown(hours(1))).await.unwrap();
    let queue = bench.queue("q");
    for (state, count) in [("ready", 3.0), ("scheduled", 1.0), ("leased", 1.0), ("dead", 0.0)] {
        let line = format!(r#"queue_messages{{queue="{queue}",state="{state}"}}"#);
        wait_until(&line, || async { metric(address, &line).await == Some(count) }).await;
    }
    let age = format!(r#"queue_oldest_age_seconds{{queue="{queue}"}}"#);
    wait_until("the oldest grows old", || async { metric(address, &age).await.is_some_and(|age| age > 0.0) }).await;
    wait_until("depths are known", || async { metric(address, "queue_depths_known").await == Some(1.0) }).await;
    assert_eq!(metric(address, "queue_slots_busy").await, Some(1.0));
    handle.abort();
}

/// A worker that stops is alive, takes nothing, and lets its port go at the end.
async fn stopping_worker_is_live_and_not_ready(bench: &Bench) {
    let stage = Stage::default();
    let (handle, address) = begin(bench, &stage).await;
    client(bench).send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    handle.shutdown();
    assert!(status(address, "/ready", 503).await.contains("stopping"));
    assert_eq!(get(address, "/live").await.0, 200);
    stage.open();
    handle.wait().await.unwrap();
    std::net::TcpListener::bind(address).unwrap();
}

/// A port that is taken is an error with the address in it, and the worker has not signed on.
async fn port_that_is_taken_is_an_error_before_anything_else(bench: &Bench) {
    let taken = std::net::TcpListener::bind(ANY).unwrap();
    let address = taken.local_addr().unwrap();
    let started = worker(bench, &Stage::default()).probe(address).start(client(bench)).await;
    let Err(error) = started else { panic!("it cannot listen") };
    assert!(matches!(&error, WorkerError::Probe { address: on, .. } if *on == address));
    assert_eq!(error.to_string(), format!("the probe cannot listen on {address}"));
    assert!(error.hint().contains("--probe"), "{}", error.hint());
    assert_eq!(error.exit(), Exit::Failure);
    let signed_on = bench.store.workers().await.unwrap();
    assert!(!signed_on.iter().any(|worker| worker.queues.contains(&bench.queue("q"))));
}

/// A host by its name; one that is not known is an error that says what was given and what is expected.
async fn probe_has_a_host_by_name(bench: &Bench) {
    let stage = Stage::default();
    let handle = worker(bench, &stage).probe_at("localhost:0").start(client(bench)).await.unwrap();
    let address = handle.probe().unwrap();
    assert!(address.ip().is_loopback() && address.port() != 0, "{address}");
    assert_eq!(get(address, "/live").await.0, 200);
    handle.abort();
    for given in ["no such host:9091", "9091"] {
        let Err(error) = worker(bench, &stage).probe_at(given).start(client(bench)).await else { panic!("{given}") };
        assert_eq!(error.to_string(), format!("the probe cannot find the host of `{given}`"));
        assert!(error.hint().contains("localhost:9091"), "{}", error.hint());
        assert_eq!(error.exit(), Exit::Failure);
    }
}

/// Clients that connect and say nothing use up neither the worker's files nor its answers.
async fn silent_connections_are_cut_off_and_the_others_answered(bench: &Bench) {
    let (handle, address) = begin(bench, &Stage::default()).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(get(address, "/live").await.0, 200);
    for stream in &mut silent[..30] {
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    }
    handle.abort();
}

/// The names are what dashboards and alerts are made of: they are added to, not changed.
async fn names_of_metrics_are_stable(bench: &Bench) {
    let (handle, address) = begin(bench, &Stage::default()).await;
    let page = get(address, "/metrics").await.1;
    let names: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let names: Vec<_> = names.into_iter().filter(|name| !name.starts_with("process_")).collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    queue_worker_info gauge
    queue_worker_uptime_seconds gauge
    queue_event_loop_silent_seconds gauge
    queue_jobs_total counter
    queue_wait_seconds histogram
    queue_run_seconds histogram
    queue_tasks_blocked_total counter
    queue_tasks_blocking gauge
    queue_slots gauge
    queue_slots_busy gauge
    queue_slots_stuck gauge
    queue_jobs_held gauge
    queue_ends_waiting gauge
    queue_store_up gauge
    queue_store_silent_seconds gauge
    queue_heartbeats_total counter
    queue_outages_total counter
    queue_reconnects_total counter
    queue_watchdog_trips_total counter
    queue_leased_total counter
    queue_leases_lost_total counter
    queue_reclaimed_total counter
    queue_settle_batch_size histogram
    queue_depths_known gauge
    queue_messages gauge
    queue_suspects gauge
    queue_oldest_age_seconds gauge
    ");
    handle.abort();
}

/// A body that never awaits is named; the rest of the worker goes on.
async fn body_that_blocks_a_thread_is_named_and_the_others_go_on(bench: &Bench) {
    let stage = Stage::default();
    let poll = Duration::from_millis(100);
    let handle =
        probed(bench, &stage).task_events(true).patience(NEVER, poll, NEVER).start(client(bench)).await.unwrap();
    let (address, client) = (handle.probe().unwrap(), client(bench));
    let job = client.send(block.s()).await.unwrap();
    stage.heard("blocking", 1).await;
    wait_until("it is seen", || async { metric(address, "queue_tasks_blocking").await == Some(1.0) }).await;
    assert_eq!(metric(address, r#"queue_tasks_blocked_total{task="t.block"}"#).await, Some(1.0));
    let (live, said) = get(address, "/live").await;
    assert_eq!(live, 200, "one thread of two is not the event loop: {said}");
    assert!(said.contains(&format!("t.block[{}]", job.id())), "{said}");
    for n in 0..20 {
        assert_eq!(client.send(add.s(n, 1)).await.unwrap().get(SOON).await.unwrap(), n + 1);
    }
    stage.open();
    assert_eq!(job.get(SOON).await.unwrap(), 8);
    wait_until("it is over", || async { metric(address, "queue_tasks_blocking").await == Some(0.0) }).await;
    handle.shutdown();
    handle.wait().await.unwrap();
}

/// With all threads of its runtime blocked, a worker is not ready, then not live, and the probe says by what.
async fn blocked_runtime_is_not_live_and_the_probe_says_why(bench: &Bench) {
    let stage = Stage::default();
    let (tell, address) = tokio::sync::oneshot::channel();
    let (url, options, playing) = (bench.url().to_owned(), client(bench).options().clone(), stage.clone());
    // By the bench's own name: all tests of a server hear each other.
    let name = format!("w@{}", bench.queue("host"));
    let building = probed(bench, &playing).hostname(&name);
    let building = building.patience(Duration::from_secs(1), Duration::from_millis(100), NEVER);
    // A worker with a runtime of one thread and a store of its own.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::with_options(connect(&url).await.unwrap(), options);
            let handle = building.start(client).await.unwrap();
            tell.send(handle.probe().unwrap()).unwrap();
            handle.wait().await
        })
    });
    let address = address.await.unwrap();
    status(address, "/ready", 200).await;
    let job = client(bench).send(block.s()).await.unwrap();
    stage.heard("blocking", 1).await;
    let said = status(address, "/live", 503).await;
    assert!(said.contains("the event loop has not turned for"), "{said}");
    assert!(status(address, "/ready", 503).await.contains(&format!("t.block[{}]", job.id())));
    // What is known without the store is told all the same.
    assert_eq!(metric(address, "queue_depths_known").await, Some(0.0));
    assert_eq!(metric(address, "queue_tasks_blocking").await, Some(1.0));
    stage.open();
    status(address, "/live", 200).await;
    assert_eq!(job.get(SOON).await.unwrap(), 8);
    client(bench).control().to([name]).shutdown().await.unwrap();
    wait_until("it has stopped", || async { thread.is_finished() }).await;
    thread.join().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_that_is_away_makes_it_unready_and_no_less_live() {
    let (bench, proxy, direct) = behind_proxy().await;
    let (handle, address) = begin(&bench, &Stage::default()).await;
    direct.store().now().await.unwrap();
    proxy.refuse(true);
    proxy.cut();
    let said = status(address, "/ready", 503).await;
    assert!(said.contains("the store does not answer"), "{said}");
    assert_eq!(get(address, "/live").await.0, 200);
    assert_eq!(metric(address, "queue_store_up").await, Some(0.0));
    wait_until("depths are not known", || async { metric(address, "queue_depths_known").await == Some(0.0) }).await;
    proxy.refuse(false);
    status(address, "/ready", 200).await;
    assert_eq!(metric(address, "queue_outages_total").await, Some(1.0));
    assert!(metric(address, "queue_reconnects_total").await.unwrap() >= 1.0);
    handle.abort();
    handle.wait().await.unwrap();
}

/// Depths that came when no scrape waited for them any more, and are old by the next one, are not told as those of now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn depths_that_came_too_late_are_asked_for_again() {
    let (bench, proxy, direct) = behind_proxy().await;
    let (handle, address) = begin(&bench, &Stage::default()).await;
    let asked = wait_for("the depths take longer than a scrape waits", || async {
        // Four bytes, of a number; unless it falls to a question of the scrape before.
        proxy.arm(":dead\r\n", Fault::Drip(Duration::from_secs(1)));
        let asked = tokio::time::Instant::now();
        (metric(address, "queue_depths_known").await == Some(0.0)).then_some(asked)
    })
    .await;
    direct.send(add.s(1, 1).countdown(hours(1))).await.unwrap();
    // On the same line: answered when that answer is through.
    bench.store.now().await.unwrap();
    // Longer than an answer is good for.
    tokio::time::sleep_until(asked + Duration::from_secs(8)).await;
    wait_until("depths are known", || async { metric(address, "queue_depths_known").await == Some(1.0) }).await;
    let scheduled = format!(r#"queue_messages{{queue="{}",state="scheduled"}}"#, bench.queue("q"));
    assert_eq!(metric(address, &scheduled).await, Some(1.0));
    handle.abort();
}

/// An outage that met a worker between a lease and the body is over with the answer, although all slots are full from then on and
/// nothing more is leased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_ends_for_a_worker_without_a_free_slot() {
    let (bench, proxy, direct) = behind_proxy().await;
    let stage = Stage::default();
    let handle = probed(&bench, &stage).concurrency(1).start(client(&bench)).await.unwrap();
    let address = handle.probe().unwrap();
    status(address, "/ready", 200).await;
    // The first lease asks which jobs were revoked.
    proxy.arm("queue:revoked", Fault::SwallowRequest);
    let job = direct.send(hold.s()).await.unwrap();
    wait_until("it asks", || async { proxy.lost() == 1 }).await;
    // It waits for the answer, with the message in its hands.
    wait_until("it holds one", || async { metric(address, "queue_jobs_held").await == Some(1.0) }).await;
    proxy.refuse(true);
    proxy.cut();
    status(address, "/ready", 503).await;
    assert_eq!(stage.count("started"), 0);
    proxy.refuse(false);
    stage.heard("started", 1).await;
    status(address, "/ready", 200).await;
    assert_eq!(stage.count("ended"), 0);
    stage.open();
    assert_eq!(job.get(SOON).await.unwrap(), 7);
    wait_until("it holds none", || async { metric(address, "queue_jobs_held").await == Some(0.0) }).await;
    handle.shutdown();
    handle.wait().await.unwrap();
}

/// `/live` tells how long ago the store answered last.
async fn answered(address: SocketAddr) -> Duration {
    let (status, said) = get(address, "/live").await;
    assert_eq!(status, 200, "{said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["status"], &said["reasons"]), (&json!("ok"), &json!([])), "{said}");
    let ago = said["store_answered_seconds_ago"].as_f64().unwrap_or_else(|| panic!("no such number in {said}"));
    Duration::from_secs_f64(ago)
}

/// It is told to a tenth of a second.
const ROUNDED: Duration = Duration::from_millis(50);

/// The last exchange with the store is told, and an idle worker has one at each heartbeat.
async fn last_exchange_with_the_store_is_told_and_renewed(bench: &Bench) {
    let began = Instant::now();
    let (handle, address) = begin(bench, &Stage::default()).await;
    for _ in 0..2 {
        let ago = answered(address).await;
        assert!(ago <= began.elapsed() + ROUNDED, "{ago:?}, before it began");
        wait_until("it grows older", || async { answered(address).await >= Duration::from_secs(1) }).await;
        wait_until("the next one", || async { answered(address).await < Duration::from_secs(1) }).await;
    }
    handle.abort();
}

/// While the store is gone nothing renews it: it has been away for as long as that, the worker is unready and no less live. With
/// the store it is fresh again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_exchange_grows_old_while_the_store_is_gone() {
    let (bench, proxy, _direct) = behind_proxy().await;
    let began = Instant::now();
    let (handle, address) = begin(&bench, &Stage::default()).await;
    proxy.refuse(true);
    proxy.cut();
    status(address, "/ready", 503).await;
    // No call is under way any more that was sent before.
    let gone = Instant::now();
    let mut last = Duration::ZERO;
    while last < Duration::from_secs(5) {
        let at_least = gone.elapsed();
        let ago = answered(address).await;
        assert!(ago + ROUNDED >= at_least, "{ago:?} ago, and it is gone for {at_least:?}");
        assert!(ago >= last && ago <= began.elapsed() + ROUNDED, "{ago:?} after {last:?}");
        last = ago;
        tokio::task::yield_now().await;
    }
    let said: serde_json::Value = serde_json::from_str(&status(address, "/ready", 503).await).unwrap();
    assert!(said["store_answered_seconds_ago"].as_f64().unwrap() >= 5.0, "{said}");
    assert!(said["reasons"][0].as_str().unwrap().starts_with("the store does not answer, for "), "{said}");
    proxy.refuse(false);
    status(address, "/ready", 200).await;
    wait_until("it is fresh again", || async { answered(address).await < last }).await;
    handle.abort();
    handle.wait().await.unwrap();
}

queue_tests::conformance!(
    last_exchange_with_the_store_is_told_and_renewed,
    ends_are_counted_by_task_outcome_and_reason,
    waiting_and_running_are_told_apart,
    depths_of_its_queues_are_told,
    stopping_worker_is_live_and_not_ready,
    body_that_blocks_a_thread_is_named_and_the_others_go_on,
);
queue_tests::on_driver!(
    memory, SqliteMemory:
    port_that_is_taken_is_an_error_before_anything_else,
    probe_has_a_host_by_name,
    silent_connections_are_cut_off_and_the_others_answered,
    names_of_metrics_are_stable
);
queue_tests::on_driver!(blocked_file, SqliteFile: blocked_runtime_is_not_live_and_the_probe_says_why);
queue_tests::on_driver!(blocked_redis, Redis: blocked_runtime_is_not_live_and_the_probe_says_why);
