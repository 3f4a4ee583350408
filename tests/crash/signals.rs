//! Workers that are asked to stop, and workers that are stopped and go on.

use bytes::Bytes;
use queue_core::store::JobState;
use queue_core::{JobHandle, Timestamp};
use queue_tests::{Bench, Child, metric, signal, wait_until};

use crate::scene::{QUEUE, Scene};

const LEASE_LOST: &str = "the lease of this task was lost before its end was stored";
const SILENT: &str = "this worker was silent for so long";
const LEASES_LOST: &str = "queue_leases_lost_total";

/// SIGTERM: what does not end within the grace period is given back, first in its queue, under no suspicion.
async fn the_unfinished_is_given_back(bench: &Bench) {
    let scene = Scene::new(bench).await;
    for label in ["a", "b", "c"] {
        scene.send("crash.hold", [label]).await;
    }
    let worker = scene.worker(2, &["--grace", "300ms"]);
    scene.until_written("began", 2).await;
    scene.stop(worker).await;

    let jobs = bench.page(QUEUE, JobState::Ready, 10).await.jobs;
    assert_eq!(jobs.len(), 3);
    assert!(jobs.iter().all(|job| !job.suspect));
    assert_eq!(bench.counts(QUEUE).await.leased, 0);
    scene.open_gate("all");
    let worker = scene.worker(2, &[]);
    scene.until_written("done", 3).await;
    scene.until_empty().await;
    scene.stop(worker).await;
    scene.nothing_is_left_over().await;
}

/// SIGTERM: what ends within the grace period ends.
async fn the_running_may_finish(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let job = scene.send("crash.hold", ["a"]).await;
    let waiting = scene.send("crash.hold", ["b"]).await;
    let mut worker = scene.worker(1, &["--grace", "60s"]);
    scene.until_written("began", 1).await;
    signal(worker.pid(), "TERM");
    scene.until_logged("no more messages are taken").await;
    scene.open_gate("all");
    assert!(worker.end().await.success());
    assert_eq!(scene.ran_by(&job).await, worker.pid());
    assert!(bench.store.get_results(&[waiting.id().clone()]).await.unwrap()[0].is_none(), "it took one more");
    assert_eq!(bench.counts(QUEUE).await.ready, 1);
    scene.nothing_is_left_over().await;
}

/// A second SIGTERM gives back at once.
async fn asked_twice_it_hurries(bench: &Bench) {
    let scene = Scene::new(bench).await;
    scene.send("crash.hold", ["a"]).await;
    let mut worker = scene.worker(1, &["--grace", "1h"]);
    scene.until_written("began", 1).await;
    signal(worker.pid(), "TERM");
    // The second signal of a pair may melt into the first: it is repeated until it is heard.
    wait_until("it ends", || {
        signal(worker.pid(), "TERM");
        let ended = worker.ended().is_some();
        async move { ended }
    })
    .await;
    let counts = bench.counts(QUEUE).await;
    assert_eq!((counts.ready, counts.leased, counts.suspects), (1, 0, 0));
    scene.nothing_is_left_over().await;
}

/// A worker that slept past its lease (SIGSTOP) wakes up a zombie: its job runs elsewhere, and its own end is refused.
async fn a_sleeper_settles_nothing(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let job = scene.send("crash.hold", ["a"]).await;
    let mut sleeper = scene.worker(1, &["--probe", "127.0.0.1:0"]);
    scene.until_written("began", 1).await;
    let probe = scene.probe().await;
    assert_eq!(metric(probe, LEASES_LOST).await, Some(0.0));
    scene.halt(&sleeper).await;
    assert_eq!(scene.bury().await, 1);
    let heir = scene.worker(1, &[]);
    wait_until("the heir begins", || async { scene.has_written("began", "a", heir.pid()) }).await;

    // The sleeper ends its body first, says what has happened, and goes on with what comes: the heir has no free slot.
    scene.open_gate(&sleeper.pid().to_string());
    signal(sleeper.pid(), "CONT");
    wait_until("the sleeper's body ends", || async { scene.has_written("done", "a", sleeper.pid()) }).await;
    scene.until_logged(LEASE_LOST).await;
    scene.until_logged(SILENT).await;
    assert_eq!(metric(probe, LEASES_LOST).await, Some(1.0));
    scene.send_notes(&["next".to_owned()]).await;
    wait_until("the sleeper goes on", || async { scene.has_written("done", "next", sleeper.pid()) }).await;
    wait_until("it settles what it runs now", || async { bench.counts(QUEUE).await.leased == 1 }).await;
    assert_eq!(scene.log().matches(SILENT).count(), 1, "{}", scene.log());
    assert_eq!(metric(probe, LEASES_LOST).await, Some(1.0), "what it runs now is its own");
    signal(sleeper.pid(), "TERM");
    assert!(sleeper.end().await.success());
    assert!(bench.store.get_results(&[job.id().clone()]).await.unwrap()[0].is_none(), "a zombie's result was stored");
    assert_eq!(bench.counts(QUEUE).await.leased, 1, "the heir has lost its lease");

    scene.open_gate("all");
    assert_eq!(scene.ran_by(&job).await, heir.pid());
    scene.until_empty().await;
    scene.stop(heir).await;
    scene.nothing_is_left_over().await;
}

/// The same where the heir has ended before the sleeper wakes: the result that is stored stays as it is. The sleeper is listed no more
/// and, once it goes on, again, as one that has not started anew.
async fn a_sleeper_overwrites_nothing(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let job = scene.send("crash.hold", ["a"]).await;
    let sleeper = scene.worker(1, &[]);
    scene.until_written("began", 1).await;
    let since = listed_since(bench, &sleeper).await;
    assert!(since.is_some());
    scene.halt(&sleeper).await;
    assert_eq!(scene.bury().await, 1);
    let heir = scene.worker(1, &[]);
    wait_until("the heir begins", || async { scene.has_written("began", "a", heir.pid()) }).await;
    scene.open_gate(&heir.pid().to_string());
    assert_eq!(scene.ran_by(&job).await, heir.pid());
    scene.until_empty().await;
    let stored = result(bench, &job).await;
    assert_eq!(listed_since(bench, &sleeper).await, None);

    scene.open_gate("all");
    signal(sleeper.pid(), "CONT");
    wait_until("the sleeper's body ends", || async { scene.has_written("done", "a", sleeper.pid()) }).await;
    scene.until_logged(LEASE_LOST).await;
    scene.until_logged(SILENT).await;
    wait_until("the sleeper is listed again", || async { listed_since(bench, &sleeper).await == since }).await;
    assert_eq!(result(bench, &job).await, stored, "a zombie's result was stored");
    scene.stop(sleeper).await;
    scene.stop(heir).await;
    assert_eq!(result(bench, &job).await, stored, "a zombie's result was stored at its end");
    scene.until_empty().await;
    assert_eq!(scene.written("done")["a"], 2, "once by each");
}

/// When this worker has started, as the store has it; `None` where it is not listed.
async fn listed_since(bench: &Bench, worker: &Child) -> Option<Timestamp> {
    let listed = bench.store.workers().await.unwrap();
    listed.into_iter().find(|one| one.pid == worker.pid()).map(|one| one.started)
}

/// What is stored of this job, byte by byte.
async fn result(bench: &Bench, job: &JobHandle) -> Bytes {
    bench.store.get_results(&[job.id().clone()]).await.unwrap().remove(0).expect("a result is stored")
}

crate::on_both!(
    the_unfinished_is_given_back,
    the_running_may_finish,
    asked_twice_it_hurries,
    a_sleeper_settles_nothing,
    a_sleeper_overwrites_nothing
);
