//! Measures this job queue on the machine it runs on: `scripts/bench` builds it for release and runs it.
//!
//! Every figure is the median of several rounds, with the smallest and the largest beside it; the stores take turns within a
//! round, so that a machine whose speed drifts treats them alike. The worker is a process of its own: this program again,
//! as `queue-bench worker`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it measures")]

mod drain;
mod enqueue;
mod idle;
mod kill;
mod latency;
mod peer;
mod report;
mod tasks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Any error ends the run; what it was is printed.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures the job queue.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many jobs to enqueue and drain.
    #[arg(long, default_value_t = 100_000)]
    jobs: usize,
    /// How many jobs to enqueue one by one.
    #[arg(long, default_value_t = 20_000)]
    singles: usize,
    /// How many rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these parts.
    #[arg(long, value_delimiter = ',', default_value = "enqueue,drain,latency,idle,kill")]
    only: Vec<String>,
    /// Only these stores: redis, sqlite.
    #[arg(long, value_delimiter = ',', default_value = "redis,sqlite")]
    stores: Vec<String>,
    /// A Redis of your own that may be emptied; otherwise one is started.
    #[arg(long)]
    redis: Option<String>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the benchmark's tasks; started by the benchmark itself.
    Worker(Box<queue_worker::Flags>),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Worker(flags)) = arguments.command {
        return queue_worker::Worker::new().main_with(*flags);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(measure(&arguments)) {
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

async fn measure(arguments: &Arguments) -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    let server = match &arguments.redis {
        Some(url) => peer::Redis::at(url),
        None => peer::Redis::start(directory.path()).await?,
    };
    let mut report = report::Report::default();
    let wants = |part: &str| arguments.only.iter().any(|only| only == part);
    for round in 0..arguments.rounds {
        for store in &arguments.stores {
            eprintln!("round {} of {}: {store}", round + 1, arguments.rounds);
            let bench = peer::Bench::new(store, &server, directory.path(), round)?;
            if wants("enqueue") {
                enqueue::measure(&bench, arguments.singles, &mut report).await?;
            }
            if wants("drain") {
                drain::measure(&bench, arguments.jobs, &mut report).await?;
            }
            if wants("latency") {
                latency::measure(&bench, 500, &mut report).await?;
            }
            if wants("idle") {
                idle::measure(&bench, &mut report).await?;
            }
            if wants("kill") && round < 3 {
                kill::measure(&bench, &mut report).await?;
            }
        }
    }
    if arguments.json {
        report.print_json()
    } else {
        report.print_table()
    }
    Ok(())
}
