//! What can befall the file that several processes share: one dies in a transaction, no room, gone, locked. Nobody crashes, each
//! outage is one line in the log and one more when it is over, the work goes on, and nothing is lost.
#![expect(clippy::print_stderr, reason = "a test that looks at nothing says so")]

mod closed;
mod gone;
mod locked;
mod room;
mod transaction;

use std::path::PathBuf;

use queue_tests::{Bench, Child, wait_until};

use crate::scene::Scene;

/// What a worker logs when an outage begins, and when it ends.
const AWAY: &str = "the store does not answer";
const BACK: &str = "the store answers again";

/// Waits until the worker is signed on.
async fn signed_on(bench: &Bench, worker: &Child) {
    let pid = worker.pid();
    wait_until("it has signed on", || async { bench.store.workers().await.unwrap().iter().any(|one| one.pid == pid) })
        .await;
}

/// One outage and no more was logged, and its end.
fn one_outage(scene: &Scene) {
    let log = scene.log();
    assert_eq!((log.matches(AWAY).count(), log.matches(BACK).count()), (1, 1), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

/// The file is whole, and nothing in it is left over.
async fn is_sound(bench: &Bench) {
    let file = rusqlite::Connection::open(path(bench)).unwrap();
    let said: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
    assert_eq!(bench.orphans().await, []);
}

fn path(bench: &Bench) -> PathBuf {
    bench.url().strip_prefix("sqlite:").unwrap().into()
}
