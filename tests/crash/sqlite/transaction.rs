//! Two processes share the file, and one is killed in the middle of a transaction.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use queue_tests::Bench;

use super::is_sound;
use crate::scene::{QUEUE, Scene};

const JOBS: usize = 200;
const SLOTS: usize = 4;
/// By how much the clock of the one that lives is ahead.
const AHEAD: Duration = Duration::from_secs(25);

async fn dies(bench: &Bench, step: &str) {
    let scene = Scene::new(bench).await;
    let mut victim = scene.worker_with(SLOTS, &[], &[("QUEUE_FAILPOINT", step)]);
    let other = scene.worker_with(SLOTS, &[], &[("CRASH_AHEAD_S", "25")]);
    let labels: Vec<_> = (0..JOBS).map(|n| format!("j{n}")).collect();
    scene.send_notes(&labels).await;
    // Its heartbeats are transactions, too: it comes to the step even if the other one does all the work.
    let status = victim.end().await;
    assert_eq!(status.signal(), Some(9), "{status}");
    // The other one is not held up by what the dead one had begun.
    scene.until_written("done", JOBS / 2).await;
    let held = scene.bury_behind(AHEAD).await;
    assert!(held <= SLOTS, "{held}");
    scene.until_written("done", JOBS).await;
    scene.until_empty().await;
    scene.stop(other).await;
    scene.dismiss_undertaker().await;
    let twice: usize = scene.written("done").values().map(|times| times - 1).sum();
    assert!(twice <= held, "{twice} ran twice, {held} were held");
    assert!(scene.dead().await.is_empty());
    assert_eq!(bench.counts(QUEUE).await.leased, 0);
    is_sound(bench).await;
}

/// Before the commit: it is as if it had not begun.
async fn before_the_commit(bench: &Bench) {
    dies(bench, "commit.before@8").await;
}

/// After the commit, before whoever asked for it has heard: it stands.
async fn after_the_commit(bench: &Bench) {
    dies(bench, "commit.after@8").await;
}

queue_tests::on_driver!(sqlite_file, SqliteFile: before_the_commit, after_the_commit);
