//! No room on the disk, then room again. A limit on the size of files stands in for the disk: a write beyond it fails as on a
//! full one.

use queue_core::Call;
use queue_tests::Bench;

use super::{AWAY, BACK, is_sound, one_outage, signed_on};
use crate::scene::{QUEUE, Scene};

const JOBS: usize = 600;

/// Nothing that was accepted is lost, and the worker goes on once there is room.
async fn the_disk_is_full(bench: &Bench) {
    // Only util-linux can give a running process its room back; macOS has nothing of the kind.
    if std::process::Command::new("prlimit").arg("--version").output().is_err() {
        eprintln!("skipped: there is no prlimit here");
        return;
    }
    let scene = Scene::new(bench).await;
    // 2 MiB, or 4 where the shell counts in KiB.
    let mut worker = scene.worker_after("trap '' XFSZ && ulimit -S -f 4096", 2);
    signed_on(bench, &worker).await;
    let bytes = "x".repeat(16 * 1024);
    let queue = bench.queue(QUEUE);
    let call = || Call::named("soak.load").queue(queue.as_str()).args([&bytes]);
    scene.client().send_many((0..JOBS).map(|_| call())).await.unwrap();
    scene.until_logged(AWAY).await;
    assert!(worker.ended().is_none(), "{}", scene.log());
    let counts = bench.counts(QUEUE).await;
    assert!(counts.ready + counts.leased > 0, "it was never short of room");

    let asked = ["--pid", &worker.pid().to_string(), "--fsize=unlimited"];
    assert!(std::process::Command::new("prlimit").args(asked).status().unwrap().success());
    scene.until_logged(BACK).await;
    scene.until_empty().await;
    scene.stop(worker).await;
    scene.dismiss_undertaker().await;
    assert!(scene.dead().await.is_empty());
    one_outage(&scene);
    is_sound(bench).await;
}

queue_tests::on_driver!(sqlite_file, SqliteFile: the_disk_is_full);
