//! The command line of a worker program: the same for the stock worker and for your own.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Parser;
use queue_core::QueueName;
use tracing_subscriber::filter::Targets;

use crate::logging::LogFormat;
use crate::slots::MOST;

/// The most threads that tasks may share: each costs the system a stack, and more than there are CPUs gain nothing.
const MOST_THREADS: usize = 1024;

/// The exit codes, as the help says them.
const EXIT_CODES: &str = "\
Exit codes:
  0  asked to stop, and did: everything finished or given back
  1  cannot run: a task without its state, two tasks of one name, the probe's port taken or host unknown
  2  wrong usage: the command line, the URL or a queue's name
  3  the store cannot be opened (--wait has it wait)
  4  half of the slots, or the whole runtime, are stuck in tasks that do not return: start me again

SIGTERM or Ctrl-C: take no more, finish within the grace period, give back the rest.
A second one gives back at once.";

/// Runs tasks from a job queue.
#[derive(Debug, Clone, Parser)]
#[command(version, about = "Runs tasks from a job queue", after_help = EXIT_CODES)]
pub struct Flags {
    /// The store: sqlite:FILE, redis://HOST:PORT/DB, rediss://…, redis+sentinel://HOST:PORT,…/MASTER/DB
    #[arg(long, env = "QUEUE_URL", hide_env_values = true, default_value = "sqlite:queue.db")]
    pub url: String,

    /// Where results are kept, if not there (Redis only): redis://HOST:PORT/DB
    #[arg(long, env = "QUEUE_RESULT_URL", hide_env_values = true, value_name = "URL")]
    pub result_url: Option<String>,

    /// The queues, in order, e.g. mail,celery; with weights (mail:3,celery:1) each gets its share.
    /// Without it: celery, and those that the tasks name.
    #[arg(short = 'Q', long, value_delimiter = ',', value_name = "QUEUE[:WEIGHT],…")]
    pub queues: Vec<WeightedQueue>,

    /// How many tasks run at once (default: the number of CPUs).
    #[arg(short, long, value_name = "N", value_parser = slots)]
    pub concurrency: Option<NonZeroUsize>,

    /// How many threads asynchronous tasks share, and the worker with them (default: the number of CPUs).
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,

    /// How long to wait for a store that does not answer at the start (default: not at all).
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub wait: Option<Duration>,

    /// How many messages to hold beyond those that run (default: 0).
    #[arg(long, value_name = "N", value_parser = prefetch)]
    pub prefetch: Option<usize>,

    /// How long running tasks have to finish when the worker is asked to stop (default: 10s).
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub grace: Option<Duration>,

    /// How long results are kept; 0s is for ever (default: 1day).
    #[arg(long, env = "QUEUE_RESULT_TTL", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub result_ttl: Option<Duration>,

    /// Store with each result what was called: name, arguments, worker, retries, queue.
    #[arg(long)]
    pub result_extended: bool,

    /// Store STARTED for every task.
    #[arg(long)]
    pub track_started: bool,

    /// The name shown to people (default: queue@HOST).
    #[arg(long, value_name = "NAME@HOST")]
    pub hostname: Option<String>,

    /// Send events about tasks, for `celery events`, Flower and `queue events`.
    #[arg(short = 'E', long)]
    pub task_events: bool,

    /// Run between MIN and MAX tasks at once, as many as there is work for (instead of --concurrency).
    #[arg(long, value_name = "MAX,MIN", conflicts_with = "concurrency")]
    pub autoscale: Option<Autoscale>,

    /// Answer /live, /ready and /metrics (Prometheus) over HTTP here, e.g. 127.0.0.1:9091 or localhost:9091.
    #[arg(long, env = "QUEUE_PROBE", value_name = "HOST:PORT", value_parser = host_and_port)]
    pub probe: Option<String>,

    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace; or by module: info,queue_worker=debug.
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    pub log_level: Targets,
}

/// A number, of which there is a most.
fn number<N: std::str::FromStr<Err: std::fmt::Display> + Copy + Into<usize>>(
    text: &str,
    most: usize,
) -> Result<N, String> {
    let number: N = text.parse().map_err(|error: N::Err| error.to_string())?;
    if number.into() > most { Err(format!("at most {most} are possible")) } else { Ok(number) }
}

fn slots(text: &str) -> Result<NonZeroUsize, String> {
    number(text, MOST)
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    number(text, MOST_THREADS)
}

fn prefetch(text: &str) -> Result<usize, String> {
    number(text, MOST)
}

/// A host's name or address, and a port. Whether there is such a host is seen at the start.
fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err("a host and a port are expected, like localhost:9091 or 0.0.0.0:9091".to_owned()),
    }
}

/// A queue and perhaps its weight, written `mail:3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedQueue {
    /// Which.
    pub queue: QueueName,
    /// How much of the worker it gets, compared to the others; at least 1.
    pub weight: Option<u32>,
}

impl std::str::FromStr for WeightedQueue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name may hold a colon: only digits behind the last one are a weight.
        let (name, weight) = match text.rsplit_once(':') {
            Some((name, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                (name, Some(digits.parse().map_err(|error| format!("weight `{digits}`: {error}"))?))
            }
            _ => (text, None),
        };
        if weight == Some(0) {
            return Err("a weight is at least 1; leave the queue out instead".into());
        }
        Ok(Self { queue: QueueName::new(name).map_err(|error| error.to_string())?, weight })
    }
}

/// Between how many tasks at once, written `10,2`; the least may be left out, and is 1 then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autoscale {
    /// At most.
    pub most: usize,
    /// At least.
    pub least: usize,
}

impl std::str::FromStr for Autoscale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| match number::<usize>(text.trim(), MOST) {
            Ok(0) => Err("a worker runs at least 1 task at once".to_owned()),
            Ok(number) => Ok(number),
            Err(error) => Err(format!("`{text}`: {error}")),
        };
        let (most, least) = text.split_once(',').unwrap_or((text, "1"));
        let (most, least) = (number(most)?, number(least)?);
        if least > most {
            return Err(format!("the most ({most}) comes first, then the least ({least})"));
        }
        Ok(Self { most, least })
    }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
