//! The file is removed, or replaced by another one, while workers have it open.

use std::path::{Path, PathBuf};

use queue_core::store::StoreError;
use queue_core::{Call, Client};
use queue_tests::Bench;

use super::{AWAY, BACK, is_sound, one_outage, path, signed_on};
use crate::scene::{QUEUE, Scene};

/// The file and those that SQLite keeps beside it.
fn files(path: &Path) -> Vec<PathBuf> {
    ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", path.display()))).into()
}

fn carry(from: &Path, to: &Path) {
    for (from, to) in files(from).iter().zip(files(to)) {
        std::fs::rename(from, to).unwrap();
    }
}

/// While it is away nothing is accepted, and what ends is kept; once it is back all goes on.
async fn away_and_back(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let mut worker = scene.worker(2, &[]);
    let job = scene.send("crash.hold", ["before"]).await;
    scene.until_written("began", 1).await;
    let elsewhere = bench.dir().join("elsewhere.db");
    carry(&path(bench), &elsewhere);
    let refused = bench.store.enqueue(&[bench.message(QUEUE, "lost?")]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable { unknown: false, .. }), "{refused:?}");
    scene.until_logged(AWAY).await;
    scene.open_gate("all");
    scene.until_written("done", 1).await;
    assert!(worker.ended().is_none(), "{}", scene.log());

    carry(&elsewhere, &path(bench));
    scene.until_logged(BACK).await;
    assert_eq!(scene.ran_by(&job).await, worker.pid());
    scene.send_notes(&["after".to_owned()]).await;
    scene.until_written("done", 2).await;
    scene.until_empty().await;
    scene.stop(worker).await;
    scene.dismiss_undertaker().await;
    assert!(scene.written("done").values().all(|times| *times == 1));
    assert!(scene.dead().await.is_empty());
    one_outage(&scene);
    is_sound(bench).await;
}

/// A new file in its place belongs to whoever opens it; a worker that has the old one open says so, and takes nothing of it.
async fn replaced(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let mut worker = scene.worker(2, &[]);
    signed_on(bench, &worker).await;
    for file in files(&path(bench)) {
        std::fs::remove_file(file).unwrap();
    }
    let fresh = Client::connect(bench.url()).await.unwrap();
    let queue = bench.queue(QUEUE);
    let job = fresh.send(Call::named("crash.note").queue(queue.as_str()).args(["new"])).await.unwrap();
    scene.until_logged(AWAY).await;
    // It may have looked between the two, and an outage is told once.
    let log = scene.log();
    assert!(log.contains("was replaced") || log.contains("was removed"), "{log}");
    assert_eq!(fresh.store().counts(&queue).await.unwrap().ready, 1);
    let refused = bench.store.enqueue(&[bench.message(QUEUE, "lost?")]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable { unknown: false, .. }), "{refused:?}");
    assert!(worker.ended().is_none(), "{}", scene.log());
    worker.kill();

    let next = scene.worker(2, &[]);
    assert_eq!(scene.ran_by(&job).await, next.pid());
    scene.stop(next).await;
}

queue_tests::on_driver!(sqlite_file, SqliteFile: away_and_back, replaced);
