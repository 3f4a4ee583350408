//! The soak, by hand: `scripts/soak` builds what it needs and runs it.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "a program of the tests")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use queue_tests::RedisServer;
use queue_tests::soak::memory::Memory;
use queue_tests::soak::outages::Outages;
use queue_tests::soak::{Soak, Unfit, must_be_empty};
use serde::Serialize;

/// Kills workers for as long as you like, and looks whether anything was lost
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
    /// The plan; the same again by the same number
    #[arg(long)]
    seed: Option<u64>,
    /// How many plans, each with the next seed
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// How many jobs, those of chains and chords among them
    #[arg(long, default_value_t = 50_000)]
    jobs: usize,
    /// How long workers are killed
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Milliseconds between two kills; nobody is killed while no worker has begun anything
    #[arg(long, default_value_t = 200)]
    kill_every: u64,
    /// How many workers at a time
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// How many jobs each runs at once
    #[arg(long, default_value_t = 16)]
    slots: usize,
    /// Redis: cut connections and forget scripts, too
    #[arg(long)]
    faults: bool,
}

#[derive(Args)]
struct Common {
    /// `redis`, `sqlite`, both with a comma, or the URL of an empty store (any other is refused)
    #[arg(long, global = true, default_value = "redis,sqlite")]
    store: String,
    /// Print JSON, a document per run
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Sends many jobs through one worker and looks at its memory
    Memory {
        /// How many jobs
        #[arg(long, default_value_t = 1_000_000)]
        jobs: usize,
        /// Bytes of each
        #[arg(long, default_value_t = 1024)]
        size: usize,
        /// After so many the memory is looked at first
        #[arg(long, default_value_t = 100_000)]
        first: usize,
        /// How many jobs the worker runs at once
        #[arg(long, default_value_t = 16)]
        slots: usize,
        /// How many more it fetches ahead
        #[arg(long, default_value_t = 16)]
        prefetch: usize,
        /// By how many KiB it may be larger after the last than after the first
        #[arg(long, default_value_t = 2048)]
        growth: u64,
    },
    /// Takes Redis away in every way and measures how soon workers consume again (on servers of its own)
    Outages {
        /// How often each
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
        rounds: u8,
        /// How many workers
        #[arg(long, default_value_t = 2)]
        workers: usize,
        /// How many jobs each runs at once
        #[arg(long, default_value_t = 4)]
        slots: usize,
        /// How many milliseconds it may take
        #[arg(long, default_value_t = 2000)]
        within: u64,
    },
}

/// A fresh store, which goes when this is dropped.
enum Place {
    Redis(RedisServer),
    Sqlite(tempfile::TempDir),
    Given(String),
}

impl Place {
    /// One that was named must be empty: whatever is in it would count as what the soak has sent.
    async fn new(store: &str) -> Result<Self, Unfit> {
        Ok(match store {
            "redis" => Self::Redis(RedisServer::start(&[])),
            "sqlite" => Self::Sqlite(tempfile::tempdir().unwrap()),
            url => {
                must_be_empty(url).await?;
                Self::Given(url.to_owned())
            }
        })
    }

    /// Says why there is none.
    async fn find(store: &str) -> Option<Self> {
        let place = Self::new(store).await;
        place.inspect_err(|why| eprintln!("error: {why}")).ok()
    }

    fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::Sqlite(dir) => format!("sqlite:{}", dir.path().join("queue.db").display()),
            Self::Given(url) => url.clone(),
        }
    }
}

/// Beside this program.
fn beside(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap().with_file_name(name);
    assert!(program.is_file(), "{} is missing: scripts/soak builds it", program.display());
    program
}

fn print(json: bool, report: &(impl Serialize + std::fmt::Display)) {
    if json {
        println!("{}", serde_json::to_string(report).unwrap());
    } else {
        println!("{report}");
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let well = match arguments.command {
        Some(Command::Memory { .. }) => memory(&arguments).await,
        Some(Command::Outages { .. }) => outages(&arguments).await,
        None => soak(&arguments).await,
    };
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn memory(arguments: &Arguments) -> bool {
    let Some(Command::Memory { jobs, size, first, slots, prefetch, growth }) = arguments.command else { return false };
    let mut well = true;
    for store in arguments.common.store.split(',') {
        let Some(place) = Place::find(store).await else { return false };
        let worker = beside("crash-worker");
        let run = Memory { url: place.url(), worker, jobs, size, slots, prefetch, first: first.min(jobs), tell };
        let usage = run.run().await;
        print(arguments.common.json, &usage);
        for fault in usage.broken(growth) {
            well = false;
            eprintln!("{store}: {fault}");
        }
    }
    well
}

async fn outages(arguments: &Arguments) -> bool {
    let Some(Command::Outages { rounds, workers, slots, within }) = arguments.command else { return false };
    let outages = Outages { worker: beside("crash-worker"), rounds: rounds.into(), workers, slots, tell };
    let times = outages.run().await;
    print(arguments.common.json, &times);
    let broken = times.broken(Duration::from_millis(within));
    broken.iter().for_each(|fault| eprintln!("{fault}"));
    broken.is_empty()
}

async fn soak(arguments: &Arguments) -> bool {
    let mut well = true;
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    for seed in seed..seed + arguments.rounds {
        for store in arguments.common.store.split(',') {
            let Some(place) = Place::find(store).await else { return false };
            let soak = Soak {
                url: place.url(),
                seed,
                jobs: arguments.jobs,
                lasts: Duration::from_secs(arguments.seconds),
                kill_every: Duration::from_millis(arguments.kill_every),
                workers: arguments.workers,
                slots: arguments.slots,
                faults: arguments.faults,
                worker: beside("crash-worker"),
                doctor: beside("queue"),
                patience: Duration::from_secs(60),
                tell,
            };
            eprintln!("{store}, --seed {seed}");
            let report = soak.run().await;
            print(arguments.common.json, &report);
            well &= report.is_well();
        }
    }
    well
}

fn tell(line: &str) {
    eprintln!("  {line}");
}
