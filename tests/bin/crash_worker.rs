//! The worker that the crash tests kill: its tasks write into a ledger, a file whose name is in `$CRASH_LEDGER`, what they
//! began and what they finished. A line is written in one step, so that no crash can halve it.

use std::io::{Error, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use queue_core::TaskResult;
use queue_core::prelude::*;

/// A job of five milliseconds.
#[task(name = "crash.note")]
async fn note(label: String) -> TaskResult<u32> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    write_down("done", &label)?;
    Ok(std::process::id())
}

/// A job that takes its worker with it, once those that it waits for have begun.
#[task(name = "crash.poison")]
async fn poison(label: String, company: usize) -> TaskResult<()> {
    write_down("began", &label)?;
    while count("began")? <= company {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    std::process::abort()
}

/// A job that runs until somebody makes the file `gate.<pid>` of its worker, or `gate.all`, beside the ledger.
#[task(name = "crash.hold")]
async fn hold(label: String) -> TaskResult<u32> {
    write_down("began", &label)?;
    let ledger = ledger()?;
    let gates =
        [std::process::id().to_string(), "all".to_owned()].map(|name| ledger.with_file_name(format!("gate.{name}")));
    while !gates.iter().any(|gate| gate.exists()) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    write_down("done", &label)?;
    Ok(std::process::id())
}

fn ledger() -> Result<PathBuf, Error> {
    std::env::var_os("CRASH_LEDGER").map(PathBuf::from).ok_or_else(|| Error::other("$CRASH_LEDGER is not set"))
}

fn write_down(what: &str, label: &str) -> Result<(), Error> {
    let line = format!("{what} {label} {}\n", std::process::id());
    std::fs::OpenOptions::new().create(true).append(true).open(ledger()?)?.write_all(line.as_bytes())
}

/// How many jobs the ledger knows of that began or ended like this.
fn count(what: &str) -> Result<usize, Error> {
    let text = std::fs::read_to_string(ledger()?)?;
    let mut labels: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(what)?.split(' ').nth(1)).collect();
    labels.sort_unstable();
    labels.dedup();
    Ok(labels.len())
}

fn main() -> ExitCode {
    queue_worker::Worker::new().main()
}
