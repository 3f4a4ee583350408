//! The tasks of the benchmark.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use queue_core::prelude::*;

/// Does nothing.
#[task(name = "bench.noop", queue = "bench")]
pub(crate) async fn noop(_n: u64) {}

/// When bodies began that were sent by [`crate::latency`], in the order they began.
pub(crate) static STARTED: Mutex<VecDeque<Instant>> = Mutex::new(VecDeque::new());

/// Notes when it began.
#[task(name = "bench.stamp", queue = "bench", ignore_result = true)]
pub(crate) async fn stamp() {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner).push_back(Instant::now());
}

/// Works for 5 ms, then adds its number to the ledger: a file that all workers append to.
#[task(name = "bench.ledger", queue = "bench", ignore_result = true)]
pub(crate) async fn ledger(n: u64, file: String) -> TaskResult<()> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    // One write of one short line is whole, whoever else appends.
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(format!("{n}\n").as_bytes())?;
    Ok(())
}
