//! No room, then room again: a disk that is full, and a file that may not grow.

use std::path::{Path, PathBuf};
use std::process::Command;

use queue_core::store::StoreError;
use queue_core::{Call, SendError};
use queue_tests::{Bench, Driver, in_time};

use super::{AWAY, BACK, is_sound, one_outage, signed_on};
use crate::scene::{QUEUE, Scene};

const JOBS: usize = 600;
/// Where the small disk is, for the test that runs on it.
const DISK: &str = "QUEUE_TEST_SMALL_DISK";
/// Leaves out what wants a small disk, where the system lets nobody have one.
const NO_DISK: &str = "QUEUE_TEST_NO_SMALL_DISK";

/// The disk is full, for the worker and for who sends: what is sent is refused and has not happened, what ends is kept, and all goes
/// on once there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_is_full() {
    match std::env::var_os(DISK) {
        Some(disk) => in_time("the_disk_is_full", full(Path::new(&disk))).await,
        None if cfg!(not(target_os = "linux")) => eprintln!("skipped: only Linux gives a process a disk of its own"),
        None if std::env::var_os(NO_DISK).is_some() => eprintln!("skipped, as asked"),
        None => on_a_small_disk("sqlite::room::the_disk_is_full"),
    }
}

/// Runs this test anew where it has a disk of 8 MiB, which nobody else sees: what a user may mount in namespaces of their own
/// wants no privileges.
fn on_a_small_disk(test: &str) {
    let (dir, program) = (tempfile::tempdir().unwrap(), std::env::current_exe().unwrap());
    let script = r#"mount -t tmpfs -o size=8m tmpfs "$0" && echo it is mounted && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(dir.path()).arg(program);
    command.args(["--exact", test, "--nocapture"]).env(DISK, dir.path());
    let ran = command.output().expect("`unshare` is part of util-linux");
    let said = format!("{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("it is mounted"), "no disk can be had ({NO_DISK}=1 leaves this test out): {said}");
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

async fn full(disk: &Path) {
    let url = format!("sqlite:{}", disk.join("queue.db").display());
    let bench = Bench::at(Driver::SqliteFile, &url, |_| ()).await;
    let scene = Scene::new(&bench).await;
    let mut worker = scene.worker(2, &[]);
    let job = scene.send("crash.hold", ["before"]).await;
    scene.until_written("began", 1).await;
    let filler = fill(disk);
    is_refused(&scene).await;
    scene.until_logged(AWAY).await;
    assert!(scene.log().contains("has no room left"), "{}", scene.log());
    scene.open_gate("all");
    scene.until_written("done", 1).await;
    is_refused(&scene).await;
    assert!(worker.ended().is_none(), "{}", scene.log());
    assert_eq!(bench.counts(QUEUE).await.leased, 1, "its end is stored");

    std::fs::remove_file(filler).unwrap();
    scene.until_logged(BACK).await;
    assert_eq!(scene.ran_by(&job).await, worker.pid());
    scene.send_notes(&["after".to_owned()]).await;
    scene.until_written("done", 2).await;
    scene.until_empty().await;
    scene.stop(worker).await;
    scene.dismiss_undertaker().await;
    let done = scene.written("done");
    assert!(
        done.len() == 2 && done.values().all(|times| *times == 1),
        "what was refused was run, or something twice: {done:?}"
    );
    assert!(scene.dead().await.is_empty());
    one_outage(&scene);
    is_sound(&bench).await;
}

/// What is sent is told to have found no room, by the store and, after some tries, by the client.
async fn is_refused(scene: &Scene) {
    let refused = scene.bench.store.enqueue(&[scene.bench.message(QUEUE, "refused")]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
    let queue = scene.bench.queue(QUEUE);
    let refused = scene.client().send(Call::named("crash.note").args(["refused"]).queue(queue.as_str())).await;
    let Err(refused) = refused else { panic!("it was sent to a full disk") };
    assert!(matches!(refused, SendError::Store(StoreError::Full { .. })), "{refused:?}");
    assert!(!refused.outcome_unknown());
}

/// Takes all the room there is; the file that does.
fn fill(disk: &Path) -> PathBuf {
    use std::io::{ErrorKind, Write};
    let path = disk.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    let why = std::iter::repeat_with(|| file.write_all(&[7; 4096])).find_map(Result::err).unwrap();
    assert_eq!(why.kind(), ErrorKind::StorageFull, "{why}");
    path
}

/// A worker's files may not grow beyond a limit, which SQLite takes for a fault of the disk, not a full one: nothing that was accepted
/// is lost, and it goes on once they may.
async fn a_file_may_not_grow(bench: &Bench) {
    // Only util-linux can give a running process its room back; macOS has nothing of the kind.
    if cfg!(not(target_os = "linux")) {
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
    let raised = Command::new("prlimit").args(asked).status().expect("`prlimit` is part of util-linux");
    assert!(raised.success());
    scene.until_logged(BACK).await;
    scene.until_empty().await;
    scene.stop(worker).await;
    scene.dismiss_undertaker().await;
    assert!(scene.dead().await.is_empty());
    one_outage(&scene);
    is_sound(bench).await;
}

queue_tests::on_driver!(sqlite_file, SqliteFile: a_file_may_not_grow);
