//! `kill -9` in the middle of the work.

use bytes::Bytes;
use queue_tests::{Bench, metric, wait_until};

use crate::scene::{QUEUE, Scene};

/// `CRASH_JOBS` says how many.
fn jobs() -> usize {
    std::env::var("CRASH_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(400)
}

/// Three workers are killed in the middle of many jobs: none is lost, each has its result, and no more ran twice than the dead
/// held, be it that they were running or that their end was on its way to the store.
async fn nothing_is_lost(bench: &Bench) {
    const SLOTS: usize = 10;
    const SUCCESS: &[u8] = br#"{"status": "SUCCESS""#;
    let scene = Scene::new(bench).await;
    let labels: Vec<_> = (0..jobs()).map(|n| format!("j{n}")).collect();
    let sent = scene.send_notes(&labels).await;
    let mut held = 0;
    for kill in 1..=3 {
        let mut worker = scene.worker(SLOTS, &[]);
        scene.until_written("done", kill * jobs() / 5).await;
        worker.kill();
        // What the dead one sent last may not have been read when it is dead: it ends jobs until the rest is taken back.
        held += scene.bury().await;
        let counts = bench.counts(QUEUE).await;
        assert_eq!(counts.leased, 0, "the dead hold something still");
        let settled = jobs() - counts.ready as usize;
        // Whatever the store takes as ended is in the log by then, and what ran without that comes again.
        let logged = scene.log().matches("task succeeded").count();
        assert!(logged >= settled, "{settled} ended, {logged} are in the log");
        let (ran, suspects) = (scene.written("done").len(), counts.suspects as usize);
        assert!(ran <= settled + suspects, "{ran} ran, {settled} ended, {suspects} were taken back");
    }
    let worker = scene.worker(SLOTS, &[]);
    scene.until_written("done", jobs()).await;
    scene.until_empty().await;
    scene.stop(worker).await;

    let done = scene.written("done");
    assert!(labels.iter().all(|label| done.contains_key(label)), "lost");
    let twice: usize = done.values().map(|times| times - 1).sum();
    assert!(twice <= held, "{twice} ran twice, {held} were held");
    assert!(scene.dead().await.is_empty());
    let ids: Vec<_> = sent.iter().map(|job| job.id().clone()).collect();
    let results = bench.store.get_results(&ids).await.unwrap();
    let succeeded =
        |(_, found): &(&String, &Option<Bytes>)| found.as_ref().is_some_and(|meta| meta.starts_with(SUCCESS));
    let without: Vec<_> = labels.iter().zip(&results).filter(|one| !succeeded(one)).collect();
    assert!(results.len() == labels.len() && without.is_empty(), "without a result: {without:?}");
    scene.nothing_is_left_over().await;
}

/// What a killed worker was running is run by another one that lives, by the true clock.
async fn somebody_else_takes_over(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let job = scene.send("crash.hold", ["long"]).await;
    let mut first = scene.worker(1, &[]);
    scene.until_written("began", 1).await;
    let second = scene.worker(1, &[]);
    first.kill();
    scene.open_gate("all");
    assert_eq!(scene.ran_by(&job).await, second.pid());
    scene.stop(second).await;
    scene.nothing_is_left_over().await;
}

/// A worker that was killed while it waited leaves nothing behind that swallows later jobs.
async fn a_killed_wait_swallows_nothing(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let mut idle = scene.worker(2, &[]);
    scene.send_notes(&["first".to_owned()]).await;
    scene.until_written("done", 1).await;
    scene.until_empty().await;
    idle.kill();
    let labels: Vec<_> = (0..20).map(|n| format!("j{n}")).collect();
    scene.send_notes(&labels).await;
    scene.bury().await;
    let worker = scene.worker(2, &[]);
    scene.until_written("done", 21).await;
    scene.until_empty().await;
    scene.stop(worker).await;
    assert!(scene.written("done").values().all(|times| *times == 1));
    scene.nothing_is_left_over().await;
}

/// What a killed worker held is counted by the one that takes it back, each message once, by the true clock.
async fn what_is_taken_back_is_counted(bench: &Bench) {
    const RECLAIMED: &str = "queue_reclaimed_total";
    const LEASE: [(&str, &str); 1] = [("CRASH_LEASE_MS", "4000")];
    let scene = Scene::new(bench).await;
    for label in ["a", "b", "c", "d", "e"] {
        scene.send("crash.hold", [label]).await;
    }
    let mut victim = scene.worker_with(3, &[], &LEASE);
    scene.until_written("began", 3).await;
    // The other two are ready, and not to be counted.
    assert_eq!(bench.counts(QUEUE).await.leased, 3);
    victim.kill();
    let heir = scene.worker_with(2, &["--probe", "127.0.0.1:0"], &LEASE);
    let probe = scene.probe().await;
    // None until the leases have ended.
    assert!([Some(0.0), Some(3.0)].contains(&metric(probe, RECLAIMED).await));
    wait_until("three are taken back", || async { metric(probe, RECLAIMED).await == Some(3.0) }).await;
    scene.until_logged("took back what dead workers held").await;
    scene.open_gate("all");
    scene.until_written("done", 5).await;
    scene.until_empty().await;
    assert_eq!(metric(probe, RECLAIMED).await, Some(3.0));
    scene.stop(heir).await;
    scene.nothing_is_left_over().await;
}

crate::on_both!(
    nothing_is_lost,
    somebody_else_takes_over,
    a_killed_wait_swallows_nothing,
    what_is_taken_back_is_counted
);
