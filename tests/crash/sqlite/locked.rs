//! Another process holds the file's lock for longer than anybody waits for it.

use std::time::{Duration, Instant};

use queue_tests::Bench;

use super::{AWAY, BACK, is_sound, path, signed_on};
use crate::scene::Scene;

/// Until both workers have noticed, or for as many seconds as `QUEUE_CRASH_LOCK_S` says. Neither takes the other for dead: what
/// they ran during the lock is settled after it, and ran once.
async fn locked(bench: &Bench) {
    let at_least = std::env::var("QUEUE_CRASH_LOCK_S").map_or(0, |text| text.parse().expect("QUEUE_CRASH_LOCK_S"));
    let scene = Scene::new(bench).await;
    let workers = [scene.worker(2, &[]), scene.worker(2, &[])];
    for worker in &workers {
        signed_on(bench, worker).await;
    }
    let jobs = [scene.send("crash.hold", ["a"]).await, scene.send("crash.hold", ["b"]).await];
    scene.until_written("began", 2).await;
    let file = rusqlite::Connection::open(path(bench)).unwrap();
    file.busy_timeout(Duration::from_secs(5)).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    queue_tests::wait_until("both have noticed", || async { scene.log().matches(AWAY).count() == 2 }).await;
    scene.open_gate("all");
    scene.until_written("done", 2).await;
    tokio::time::sleep(Duration::from_secs(at_least).saturating_sub(began.elapsed())).await;
    file.execute_batch("ROLLBACK").unwrap();

    for job in &jobs {
        scene.ran_by(job).await;
    }
    queue_tests::wait_until("both are back", || async { scene.log().matches(BACK).count() == 2 }).await;
    scene.send_notes(&["after".to_owned()]).await;
    scene.until_written("done", 3).await;
    scene.until_empty().await;
    let log = scene.log();
    assert_eq!((log.matches(AWAY).count(), log.matches(BACK).count()), (2, 2), "{log}");
    assert!(log.contains("locked by another process"), "{log}");
    for worker in workers {
        scene.stop(worker).await;
    }
    scene.dismiss_undertaker().await;
    assert!(scene.written("done").values().all(|times| *times == 1), "{:?}", scene.written("done"));
    assert!(scene.dead().await.is_empty());
    is_sound(bench).await;
}

queue_tests::on_driver!(sqlite_file, SqliteFile: locked);
