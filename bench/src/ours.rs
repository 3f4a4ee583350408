//! Ourselves as a subject of the benchmark: a program as somebody who uses the queue would build it, which works and sends, without
//! what measures. The benchmark starts it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that says how long it took")]

#[allow(dead_code, reason = "the benchmark uses the rest of these modules")]
mod subject {
    pub(crate) mod contract;
    pub(crate) mod ours;
}

use std::process::ExitCode;

use clap::Parser;

/// Any error ends what it happens in; what it was is printed.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The benchmark's own subject; started by the benchmark itself.
#[derive(Parser)]
enum Command {
    /// Runs the benchmark's tasks.
    Worker(Box<queue_worker::Flags>),
    /// Enqueues the benchmark's tasks.
    Enqueue,
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Worker(flags) => {
            if let (Ok(_), Some(notes)) = (std::env::var("BENCH_TURNS"), std::env::var_os("BENCH_NOTES")) {
                subject::ours::turns::keep_asking(flags.url.clone(), notes.into());
            }
            queue_worker::Worker::new().main_with(*flags)
        }
        Command::Enqueue => match enqueue() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// As a service sends: from a task of the runtime, not from the thread that waits for it.
fn enqueue() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async { tokio::spawn(subject::ours::producer::enqueue()).await? })
}
