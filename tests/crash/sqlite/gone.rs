//! The file, or what SQLite keeps beside it, is removed, or replaced by another one, while workers have it open.

use std::path::{Path, PathBuf};

use queue_core::store::StoreError;
use queue_core::{Call, Client};
use queue_tests::{Bench, wait_until};

use super::{AWAY, BACK, is_sound, one_outage, path, signed_on};
use crate::scene::{QUEUE, Scene};

/// How the names of the file and of those that SQLite keeps beside it end.
const ALL: &[&str] = &["", "-wal", "-shm"];
/// Those beside it: the log and its index.
const LOG: &[&str] = &["-wal", "-shm"];

fn files(path: &Path, ends: &[&str]) -> Vec<PathBuf> {
    ends.iter().map(|end| PathBuf::from(format!("{}{end}", path.display()))).collect()
}

fn carry(ends: &[&str], from: &Path, to: &Path) {
    for (from, to) in files(from, ends).iter().zip(files(to, ends)) {
        std::fs::rename(from, to).unwrap();
    }
}

fn remove(ends: &[&str], path: &Path) {
    for file in files(path, ends) {
        std::fs::remove_file(file).unwrap();
    }
}

/// The file is away for a while.
async fn away_and_back(bench: &Bench) {
    for_a_while(bench, ALL).await;
}

/// The file stays, the log goes: what is committed to it then nobody else would see.
async fn log_away_and_back(bench: &Bench) {
    for_a_while(bench, LOG).await;
}

/// While they are away nothing is accepted, and what ends is kept; once they are back all goes on.
async fn for_a_while(bench: &Bench, ends: &[&str]) {
    let scene = Scene::new(bench).await;
    let mut worker = scene.worker(2, &[]);
    let job = scene.send("crash.hold", ["before"]).await;
    scene.until_written("began", 1).await;
    let elsewhere = bench.dir().join("elsewhere.db");
    carry(ends, &path(bench), &elsewhere);
    let refused = bench.store.enqueue(&[bench.message(QUEUE, "lost?")]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable { unknown: false, .. }), "{refused:?}");
    scene.until_logged(AWAY).await;
    assert!(scene.log().contains("was removed while it was open"), "{}", scene.log());
    scene.open_gate("all");
    scene.until_written("done", 1).await;
    assert!(worker.ended().is_none(), "{}", scene.log());

    carry(ends, &elsewhere, &path(bench));
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
    remove(ALL, &path(bench));
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

/// Whoever opens the file without its log makes a new one: whoever has the old one open commits nothing to either.
async fn log_replaced(bench: &Bench) {
    let scene = Scene::new(bench).await;
    let mut worker = scene.worker(2, &[]);
    signed_on(bench, &worker).await;
    remove(LOG, &path(bench));
    let next = scene.worker(2, &[]);
    wait_until("the next one is ready", || async { scene.log_of(next.pid()).contains("ready") }).await;
    let refused = bench.store.enqueue(&[bench.message(QUEUE, "lost?")]).await.unwrap_err();
    let StoreError::Unreachable { unknown: false, source, .. } = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("(-wal) was replaced"), "{source}");
    let read = bench.store.counts(&bench.queue(QUEUE)).await.unwrap_err();
    assert!(matches!(read, StoreError::Unreachable { .. }), "what it reads is not what others see: {read:?}");
    scene.until_logged(AWAY).await;
    assert!(worker.ended().is_none(), "{}", scene.log());
    worker.kill();
    let calm = scene.log_of(next.pid());
    assert!(!calm.contains(AWAY), "{calm}");
    scene.stop(next).await;
}

/// Who comes while the file alone is away makes no new one: SQLite would delete the log beside it, and with it what was accepted.
async fn nobody_makes_another(bench: &Bench) {
    bench.store.enqueue(&[bench.message(QUEUE, "kept")]).await.unwrap();
    let (file, elsewhere) = (path(bench), bench.dir().join("elsewhere.db"));
    std::fs::rename(&file, &elsewhere).unwrap();
    let refused = Client::connect(bench.url()).await.unwrap_err();
    assert!(format!("{refused:?}").contains("write-ahead log (-wal)"), "{refused:?}");
    assert!(!file.exists());
    std::fs::rename(&elsewhere, &file).unwrap();
    let fresh = Client::connect(bench.url()).await.unwrap();
    assert_eq!(fresh.store().counts(&bench.queue(QUEUE)).await.unwrap().ready, 1);
    is_sound(bench).await;
}

queue_tests::on_driver!(sqlite_file, SqliteFile: away_and_back, log_away_and_back, replaced, log_replaced, nobody_makes_another);
