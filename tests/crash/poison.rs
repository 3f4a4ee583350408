//! A job that kills its worker, among jobs that do not.

use std::time::{Duration, Instant};

use queue_core::Call;
use queue_core::store::DeadReason;
use queue_tests::{Bench, Child, signal, wait_until};
use serde_json::{Value, json};

use crate::scene::{QUEUE, Scene};

/// The poison takes its neighbours with it once; then it is found out alone, three times, and set aside. They all finish.
async fn is_set_aside(scene: &Scene, how: &str, neighbours: usize, hire: impl Fn() -> Child) {
    for n in 0..neighbours {
        scene.send("crash.hold", [format!("neighbour{n}")]).await;
    }
    let poison = scene.send("crash.poison", ("poison", neighbours, how)).await;

    let mut crashes = 0;
    let mut worker = hire();
    // The supervisor: who falls is replaced.
    while scene.dead().await.is_empty() || scene.written("done").len() < neighbours {
        if let Some(status) = worker.ended() {
            crashes += 1;
            assert!(crashes <= 4, "it should have been set aside by now; {status}");
            assert!(scene.written("began").contains_key("poison"), "it ended before: {status}\n{}", scene.log());
            scene.bury().await;
            scene.open_gate("all");
            worker = hire();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    scene.until_empty().await;
    scene.stop(worker).await;

    assert_eq!(crashes, 4, "once in company, three times alone");
    let dead = scene.dead().await;
    assert_eq!(dead.len(), 1, "a neighbour was blamed");
    let letter = &dead[0].dead.as_ref().unwrap().1;
    assert_eq!(letter.reason, DeadReason::Poison);
    assert_eq!(letter.id.as_deref(), Some(poison.id().as_str()));
    assert!(scene.written("done").values().all(|times| *times == 1), "{:?}", scene.written("done"));
    scene.nothing_is_left_over().await;
}

/// Whatever a job is called, what the log says of it is one line.
async fn no_job_makes_a_line_of_its_own(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let worker = scene.worker(1, &[]);
    // As if it had been given back three times, since nobody knew it.
    let name = "no such\n1999-11-28T18:14:47Z ERROR forged: \"all\" is lost\\";
    scene.client().send(Call::named(name).queue(bench.queue(QUEUE).as_str()).header("unknown_here", 3)).await.unwrap();
    scene.until_logged("unknown task, set aside").await;
    wait_until("it is set aside", || async { scene.dead().await.len() == 1 }).await;
    scene.stop(worker).await;
    let log = scene.log();
    assert!(!log.lines().any(|line| line.starts_with("1999")), "{log}");
    scene.nothing_is_left_over().await;
}

/// It aborts the process.
async fn poison_is_set_aside_and_neighbours_finish(bench: &Bench) {
    const NEIGHBOURS: usize = 99;
    let scene = Scene::new(bench).await;
    is_set_aside(&scene, "abort", NEIGHBOURS, || scene.worker(NEIGHBOURS + 1, &[])).await;
}

/// It overflows its stack.
async fn a_stack_that_overflows_is_poison(bench: &Bench) {
    const NEIGHBOURS: usize = 9;
    let scene = Scene::new(bench).await;
    is_set_aside(&scene, "overflow", NEIGHBOURS, || scene.worker(NEIGHBOURS + 1, &[])).await;
}

/// It takes memory until there is none: a gigabyte is all that its worker may have.
#[cfg(not(target_os = "macos"))]
async fn a_leak_is_poison(bench: &Bench) {
    const NEIGHBOURS: usize = 9;
    let scene = Scene::new(bench).await;
    is_set_aside(&scene, "leak", NEIGHBOURS, || scene.worker_after("ulimit -v 1048576", NEIGHBOURS + 1)).await;
}

/// A body that blocks the whole runtime, for good: it is named, the leases are let go, and the program ends, to be started
/// again. The next workers fare no better, until it is set aside.
async fn body_that_blocks_the_runtime_ends_its_worker_and_is_poison_in_the_end(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let env = [("TOKIO_WORKER_THREADS", "1"), ("CRASH_PATIENCE_MS", "1000")];
    let blocker = scene.send("crash.block", ["blocker"]).await;
    let mut held = 0;
    for round in 0.. {
        let mut worker = scene.worker_with(4, &[], &env);
        assert_eq!(worker.end().await.code(), Some(4), "round {round}");
        // On a host that has no time for it, one may end before it took the job.
        held += scene.bury().await;
        if held == 4 {
            break;
        }
        assert!(round < 8, "four workers should have had it by now, not {held}");
    }
    let log = scene.log();
    let named = format!("crash.block[{}]", blocker.id());
    for line in
        ["a task blocks a thread of the runtime", "the runtime is blocked", "error: the runtime is blocked by tasks"]
    {
        assert!(log.lines().any(|said| said.contains(line) && said.contains(blocker.id().as_str())), "{line}: {log}");
    }
    assert!(log.contains(&named), "{log}");
    let note = scene.send("crash.note", ["after"]).await;
    let worker = scene.worker(4, &[]);
    scene.ran_by(&note).await;
    scene.until_empty().await;
    scene.stop(worker).await;
    let dead = scene.dead().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].dead.as_ref().unwrap().1.reason, DeadReason::Poison);
    scene.nothing_is_left_over().await;
}

/// What a worker said, a line of JSON each time, of the body that blocks a thread.
fn named_as_blocking(scene: &Scene) -> Vec<Value> {
    let lines = scene.log().lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect::<Vec<_>>();
    let says = |line: &Value| line["message"].as_str().is_some_and(|said| said.starts_with("a task blocks a thread"));
    lines.into_iter().filter(says).collect()
}

/// A time as a line has it: `251.3ms`, `1.04s`.
fn time(text: &Value) -> Duration {
    let text = text.as_str().unwrap();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap(), 1.0),
    };
    Duration::from_secs_f64(number.parse::<f64>().unwrap() * unit)
}

/// A body that blocks one thread of several for good is named with the time that has gone by, again and again; the rest of the
/// worker goes on: it runs others, keeps its leases, and stops in good order.
async fn body_that_blocks_a_thread_for_good_is_named_with_its_time_and_the_rest_goes_on(bench: &Bench) {
    const POLL: Duration = Duration::from_millis(250);
    let scene = Scene::new(bench).await;
    let sent = Instant::now();
    let blocker = scene.send("crash.block", ["blocker"]).await;
    let env = [("TOKIO_WORKER_THREADS", "2"), ("CRASH_POLL_MS", "250")];
    let worker = scene.worker_with(4, &["--log-format", "json", "--grace", "300ms"], &env);
    let mut times = Vec::new();
    for round in 1..=4 {
        wait_until("it is named again", || async { named_as_blocking(&scene).len() >= round }).await;
        let line = named_as_blocking(&scene).swap_remove(round - 1);
        assert_eq!((&line["level"], &line["task"]), (&json!("ERROR"), &json!("crash.block")), "{line}");
        assert_eq!(
            (&line["id"], &line["queue"]),
            (&json!(blocker.id().as_str()), &json!(bench.queue(QUEUE).as_str())),
            "{line}"
        );
        let blocked = time(&line["blocked"]);
        assert!(blocked >= POLL && blocked <= sent.elapsed(), "{line}");
        times.push(blocked);
        for n in 0..10 {
            let note = scene.send("crash.note", [format!("{round}.{n}")]).await;
            assert_eq!(scene.ran_by(&note).await, worker.pid());
        }
    }
    assert!(times.is_sorted_by(|before, after| before < after), "{times:?}");
    let counts = bench.counts(QUEUE).await;
    assert_eq!((counts.leased, counts.ready, counts.dead), (1, 0, 0));
    assert!(!scene.log().contains("the runtime is blocked"), "{}", scene.log());
    scene.stop(worker).await;
    // What cannot be ended is given back, under no suspicion.
    let counts = bench.counts(QUEUE).await;
    assert_eq!((counts.leased, counts.ready, counts.suspects), (0, 1, 0));
    scene.nothing_is_left_over().await;
}

/// SIGTERM while a body blocks the whole runtime: it is heard, and the program ends when its grace period is over. What it
/// held runs elsewhere.
async fn worker_that_is_blocked_ends_when_it_is_asked_to(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let neighbour = scene.send("crash.hold", ["neighbour"]).await;
    let mut worker = scene.worker_with(4, &["--grace", "300ms"], &[("TOKIO_WORKER_THREADS", "1")]);
    scene.until_written("began", 1).await;
    let blocker = scene.send("crash.block", ["blocker"]).await;
    scene.until_written("began", 2).await;
    signal(worker.pid(), "TERM");
    assert_eq!(worker.end().await.code(), Some(4));
    let log = scene.log();
    for line in ["asked to stop, but the runtime is blocked", "error: the runtime is blocked by tasks"] {
        assert!(log.lines().any(|said| said.contains(line) && said.contains(blocker.id().as_str())), "{line}: {log}");
    }

    assert_eq!(scene.bury().await, 2);
    scene.open_gate("all");
    // As many threads as the blocker leaves the others one.
    let heir = scene.worker_with(4, &["--grace", "300ms"], &[("TOKIO_WORKER_THREADS", "4")]);
    assert_eq!(scene.ran_by(&neighbour).await, heir.pid());
    wait_until("the blocker runs elsewhere", || async { scene.has_written("began", "blocker", heir.pid()) }).await;
    scene.stop(heir).await;
    scene.nothing_is_left_over().await;
}

crate::on_both!(
    poison_is_set_aside_and_neighbours_finish,
    a_stack_that_overflows_is_poison,
    no_job_makes_a_line_of_its_own,
    body_that_blocks_the_runtime_ends_its_worker_and_is_poison_in_the_end,
    body_that_blocks_a_thread_for_good_is_named_with_its_time_and_the_rest_goes_on,
    worker_that_is_blocked_ends_when_it_is_asked_to,
);

/// macOS has no limit of a process's memory that a shell can set.
#[cfg(not(target_os = "macos"))]
mod with_a_limit_of_memory {
    use super::a_leak_is_poison;

    crate::on_both!(a_leak_is_poison);
}
