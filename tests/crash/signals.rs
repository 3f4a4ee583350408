//! Workers that are asked to stop, and workers that are stopped and go on.

use queue_core::store::JobState;
use queue_tests::{Bench, signal, wait_until};

use crate::scene::{QUEUE, Scene};

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
    let mut sleeper = scene.worker(1, &[]);
    scene.until_written("began", 1).await;
    scene.halt(&sleeper).await;
    assert_eq!(scene.bury().await, 1);
    let heir = scene.worker(1, &[]);
    wait_until("the heir begins", || async { scene.has_written("began", "a", heir.pid()) }).await;

    // The sleeper ends its body first, says what has happened, and goes on with what comes: the heir has no free slot.
    scene.open_gate(&sleeper.pid().to_string());
    signal(sleeper.pid(), "CONT");
    wait_until("the sleeper's body ends", || async { scene.has_written("done", "a", sleeper.pid()) }).await;
    scene.until_logged("the lease of this task was lost before its end was stored").await;
    scene.until_logged("this worker was silent for so long").await;
    scene.send_notes(&["next".to_owned()]).await;
    wait_until("the sleeper goes on", || async { scene.has_written("done", "next", sleeper.pid()) }).await;
    wait_until("it settles what it runs now", || async { bench.counts(QUEUE).await.leased == 1 }).await;
    let said = scene.log().matches("this worker was silent for so long").count();
    assert_eq!(said, 1, "{}", scene.log());
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

crate::on_both!(
    the_unfinished_is_given_back,
    the_running_may_finish,
    asked_twice_it_hurries,
    a_sleeper_settles_nothing
);
