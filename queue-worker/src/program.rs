//! A worker as a whole program: runtime, signals, exit code.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Flags;
use crate::error::{Exit, WorkerError};
use crate::logging::causes;
use crate::run::Report;
use crate::worker::{Worker, WorkerHandle};

/// Runs `worker` as `flags` say.
pub(crate) fn main(worker: Worker, flags: Flags) -> ExitCode {
    // A program that has set up its own log keeps it.
    let _ = crate::logging::init(flags.log_format, &flags.log_level);
    let runtime = match runtime(&flags) {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let outcome = runtime.block_on(serve(worker, &flags));
    // A blocking body that does not return must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match outcome {
        Ok(_) => Exit::Clean.into(),
        Err(error) => fail(&error),
    }
}

/// The runtime that tasks share.
fn runtime(flags: &Flags) -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = flags.threads {
        builder.worker_threads(threads.get());
    }
    builder.enable_all().build()
}

async fn serve(worker: Worker, flags: &Flags) -> Result<Report, WorkerError> {
    // Before the store is opened, so that no signal is lost in between.
    let mut signals = Signals::new()?;
    let handle = tokio::select! {
        handle = worker.with_flags(flags).connect(flags) => handle?,
        () = signals.next() => return Ok(Report::default()),
    };
    let stopping = stop_on(signals, &handle);
    tokio::select! {
        never = stopping => match never {},
        () = handle.stopped() => {}
        // This is the program's first thread, which no task's body blocks.
        error = handle.frozen() => return Err(error),
    }
    handle.wait().await
}

/// The first signal stops the worker, the second makes it hurry. They are heard while tasks block every thread of the runtime too:
/// whichever runtime of the process turns hands them to all, and the heartbeat's does.
async fn stop_on(mut signals: Signals, handle: &WorkerHandle) -> std::convert::Infallible {
    signals.next().await;
    handle.shutdown();
    signals.next().await;
    tracing::warn!("asked again: giving back at once");
    handle.abort();
    std::future::pending().await
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// One clear line on stderr, and a hint where there is one.
fn fail(error: &WorkerError) -> ExitCode {
    let mut text = format!("error: {}\n", causes(error));
    let hint = error.hint();
    if !hint.is_empty() {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // Where stderr is gone there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
    error.exit().into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn tasks_share_as_many_threads_as_the_flags_say() {
        for threads in [1, 3] {
            let flags = Flags::try_parse_from(["queue-worker", "--threads", &threads.to_string()]).unwrap();
            assert_eq!(runtime(&flags).unwrap().metrics().num_workers(), threads);
        }
    }
}
