//! The worker that the crash tests kill: its tasks write into a ledger, a file whose name is in `$CRASH_LEDGER`, what they
//! began and what they finished. A line is written in one step, so that no crash can halve it.

mod crash_tasks;

use std::io::{Error, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use queue_core::prelude::*;
use queue_core::store::{StoreOptions, connect_with};
use queue_core::{Clock, TaskResult};
use queue_worker::{Flags, Worker};
use tokio::signal::unix::{SignalKind, signal};

/// A job of five milliseconds.
#[task(name = "crash.note")]
async fn note(label: String) -> TaskResult<u32> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    write_down("done", &label)?;
    Ok(std::process::id())
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

/// A job that never gives its thread back.
#[task(name = "crash.block")]
async fn block(label: String) -> TaskResult<()> {
    write_down("began", &label)?;
    loop {
        std::thread::park();
    }
}

/// A task of the header of a chord.
#[task(name = "crash.part")]
async fn part(n: u64, ctx: Context) -> TaskResult<u64> {
    write_run(&format!("part{n}"), &ctx)?;
    Ok(n)
}

/// The body of a chord.
#[task(name = "crash.total")]
async fn total(parts: Vec<u64>, ctx: Context) -> TaskResult<u64> {
    write_run("total", &ctx)?;
    Ok(parts.iter().sum())
}

/// A step of a chain: how many steps were done, this one included.
#[task(name = "crash.step")]
async fn step(n: u64, ctx: Context) -> TaskResult<u64> {
    write_run(&format!("step{n}"), &ctx)?;
    Ok(n + 1)
}

/// One run: whose, whether its message came for the first time, and under which id.
pub(crate) fn write_run(label: &str, ctx: &Context) -> Result<(), Error> {
    let time = if ctx.redelivered() { "again" } else { "first" };
    append(&format!("run {label} {} {time} {}\n", worker(), ctx.id()))
}

/// One run came to its end: whose.
pub(crate) fn write_end(label: &str) -> Result<(), Error> {
    append(&format!("end {label} {}\n", worker()))
}

/// The soak's workers are numbered: they are so many that process ids go round.
fn worker() -> String {
    std::env::var("CRASH_NUMBER").unwrap_or_else(|_| std::process::id().to_string())
}

fn ledger() -> Result<PathBuf, Error> {
    std::env::var_os("CRASH_LEDGER").map(PathBuf::from).ok_or_else(|| Error::other("$CRASH_LEDGER is not set"))
}

pub(crate) fn write_down(what: &str, label: &str) -> Result<(), Error> {
    append(&format!("{what} {label} {}\n", std::process::id()))
}

fn append(line: &str) -> Result<(), Error> {
    std::fs::OpenOptions::new().create(true).append(true).open(ledger()?)?.write_all(line.as_bytes())
}

/// How many jobs the ledger knows of that began or ended like this.
pub(crate) fn count(what: &str) -> Result<usize, Error> {
    let text = std::fs::read_to_string(ledger()?)?;
    let mut labels: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(what)?.split(' ').nth(1)).collect();
    labels.sort_unstable();
    labels.dedup();
    Ok(labels.len())
}

fn main() -> ExitCode {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let mut options = StoreOptions::default();
    if let Some(lease) = number("CRASH_LEASE_MS").map(Duration::from_millis) {
        (options.lease, options.grace) = (lease, lease * 3 / 4);
    }
    if let Some(patience) = number("CRASH_RESPONSE_MS").map(Duration::from_millis) {
        (options.connect_timeout, options.response_timeout) = (patience, patience);
    }
    if let Some(ahead) = number("CRASH_AHEAD_S").map(Duration::from_secs) {
        options.clock = Clock::system();
        options.clock.advance(ahead);
    }
    let names = ["CRASH_LEASE_MS", "CRASH_RESPONSE_MS", "CRASH_AHEAD_S"];
    match names.iter().any(|name| std::env::var_os(name).is_some()) {
        true => run_with(options),
        false => patient(Worker::new()).main(),
    }
}

/// A worker that gives up a blocked runtime after `$CRASH_PATIENCE_MS`, or only names a body that blocks a thread after
/// `$CRASH_POLL_MS`, where one of them is set.
fn patient(worker: Worker) -> Worker {
    const NEVER: Duration = Duration::from_secs(3600);
    let number = |name| std::env::var(name).ok().and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    match (number("CRASH_PATIENCE_MS"), number("CRASH_POLL_MS")) {
        // A body is named well before the runtime is given up, as by default.
        (Some(patience), poll) => worker.patience(patience, poll.unwrap_or(patience / 4), NEVER),
        (None, Some(poll)) => worker.patience(NEVER, poll, NEVER),
        (None, None) => worker,
    }
}

/// A worker with other leases, less patience, or a clock that is ahead: a test whose own is between takes back at once what
/// those without held, and leaves this one alone.
#[tokio::main]
async fn run_with(options: StoreOptions) -> ExitCode {
    // First of all, so that no signal is lost.
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened to");
    let flags = Flags::parse();
    queue_worker::init_logging(flags.log_format, &flags.log_level).expect("nobody logs yet");
    let store = connect_with(&flags.url, options).await.expect("the store opens");
    let mut worker = flags.queues.iter().fold(Worker::new(), |worker, queue| worker.queue(queue.queue.as_str()));
    if let Some(slots) = flags.concurrency {
        worker = worker.concurrency(slots.get());
    }
    if let Some(probe) = &flags.probe {
        worker = worker.probe_at(probe);
    }
    let asked = async move {
        terminate.recv().await;
    };
    worker.run(Client::new(store), asked).await.expect("the worker runs");
    ExitCode::SUCCESS
}
