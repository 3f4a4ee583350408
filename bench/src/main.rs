//! Measures this job queue and its peers on the machine it runs on, in the same run on the same Redis: `scripts/bench`
//! builds it for release and runs it.
//!
//! Every figure is the median of several rounds with its spread and the machine's steal beside it; in a round all subjects
//! take turns, so that a machine whose speed drifts treats them alike. Every subject, ourselves included, is a program that
//! speaks the small contract of `subject/contract.rs`; the floor under them is bare commands (`subject/floor/`).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it measures")]

mod figures;
mod goals;
mod group;
mod lab;
mod measure;
mod noise;
mod report;
mod run;
mod server;
mod subject;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Any error ends what it happens in; what it was is printed.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures the job queue and its peers.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// A run of some minutes: one round, fewer jobs, no AOF, no kills of peers.
    #[arg(long)]
    quick: bool,
    /// How many rounds (default: 5; 1 with --quick).
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these parts: enqueue, drain, latency, idle, kill, memory, processes, scale, sqlite.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only peers whose name contains one of these; `none` for none.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Another build of `queue-bench-ours`, measured in turn with this one: drain, latency, idle.
    #[arg(long, value_name = "PROGRAM")]
    also: Option<PathBuf>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Write a Markdown report to this file, and its chart (SVG) and all figures (JSON) beside it.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// A remark for the report's head.
    #[arg(long, value_name = "TEXT")]
    remark: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(run::run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
