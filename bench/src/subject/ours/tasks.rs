//! The tasks of the benchmark; every peer has the same.

use std::time::Duration;

use queue_core::prelude::*;

use super::notes;

/// Does nothing.
#[task(name = "bench.noop", queue = "bench")]
pub(crate) async fn noop(_n: u64) {
    notes::ran();
}

/// Carries a text, to be weighed in its queue.
#[task(name = "bench.blob", queue = "bench", ignore_result = true)]
pub(crate) async fn blob(_text: String) {
    notes::ran();
}

/// Notes how long after its time (Unix, us) it began.
#[task(name = "bench.stamp", queue = "bench", ignore_result = true)]
pub(crate) async fn stamp(at: u64) {
    notes::late(notes::now_us().cast_signed() - at.cast_signed());
}

/// Works for 5 ms, then adds its number to the ledger: a file that all workers append to.
#[task(name = "bench.ledger", queue = "bench", ignore_result = true)]
pub(crate) async fn ledger(n: u64, file: String) {
    tokio::time::sleep(Duration::from_millis(5)).await;
    notes::append(std::path::Path::new(&file), &format!("{n}\n"));
}

/// Fails, to become a dead letter.
#[task(name = "bench.fail", queue = "bench", ignore_result = true, max_retries = 0)]
pub(crate) async fn fail() -> TaskResult<()> {
    Err(std::io::Error::other("as it should").into())
}
