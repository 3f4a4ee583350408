//! The command line.

use std::io::{self, IsTerminal as _};

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use queue_core::store::JobState;

use crate::commands;
use crate::exit;
use crate::out::Out;
use crate::render::style::Paint;

/// Looks into a job queue and mends it
///
/// Reads the store itself: no worker and no application is needed.
#[derive(Debug, Parser)]
#[command(name = "queue", version, after_help = exit::HELP, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    /// Where the jobs are: `sqlite:FILE`, `redis://HOST:PORT/DB` or `rediss://…`
    // Its value is not shown in the help: it may hold a password.
    #[arg(long, global = true, env = "QUEUE_URL", hide_env_values = true, default_value = "sqlite:queue.db")]
    pub(crate) url: String,
    /// Where their results are, if not there (Redis only)
    #[arg(long, global = true, env = "QUEUE_RESULT_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) result_url: Option<String>,
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours; `auto` respects NO_COLOR
    #[arg(long, global = true, value_enum, default_value_t = ColorWhen::Auto, value_name = "WHEN")]
    pub(crate) color: ColorWhen,
    /// Say more on stderr; twice for even more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how much waits where, and what needs attention
    Status(commands::status::StatusArgs),
    /// Check the store, the workers and what may be left over
    Doctor(commands::doctor::DoctorArgs),
    /// List jobs, page by page
    Jobs(commands::jobs::JobsArgs),
    /// Show everything known of one job
    Job(commands::job::JobArgs),
    /// Enqueue a task by its name
    Enqueue(commands::enqueue::EnqueueArgs),
    /// Show a job's result, or wait for it
    Result(commands::result::ResultArgs),
    /// Delete stored results
    Forget(commands::forget::ForgetArgs),
    /// Tell workers not to start these tasks
    Revoke(commands::revoke::RevokeArgs),
    /// Put dead letters back into their queues
    Retry(commands::retry::RetryArgs),
    /// Delete jobs
    Delete(commands::delete::DeleteArgs),
    /// Delete all jobs of a queue in one state
    Purge(commands::purge::PurgeArgs),
    /// Show the workers and what they hold
    Workers,
    /// Ask running workers, ours and Celery's
    Inspect(commands::inspect::InspectArgs),
    /// Tell running workers, ours and Celery's
    Control(commands::control::ControlArgs),
    /// Show what workers tell, as it happens
    Events(commands::events::EventsArgs),
    /// Print a completion script for your shell
    Completions(commands::completions::CompletionsArgs),
}

/// A job's state, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateChoice {
    /// Waiting for a free worker
    Ready,
    /// Waiting for its time
    Scheduled,
    /// Lent to a worker
    Leased,
    /// Kept aside, with a reason
    Dead,
    /// Any of these
    All,
}

impl StateChoice {
    /// The states meant.
    pub(crate) fn states(self) -> &'static [JobState] {
        match self {
            Self::Ready => &[JobState::Ready],
            Self::Scheduled => &[JobState::Scheduled],
            Self::Leased => &[JobState::Leased],
            Self::Dead => &[JobState::Dead],
            Self::All => &crate::walk::ORDER,
        }
    }
}

/// A state whose jobs may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MendState {
    /// Waiting for a free worker
    Ready,
    /// Waiting for its time
    Scheduled,
    /// Kept aside, with a reason
    Dead,
}

impl From<MendState> for JobState {
    fn from(state: MendState) -> Self {
        match state {
            MendState::Ready => Self::Ready,
            MendState::Scheduled => Self::Scheduled,
            MendState::Dead => Self::Dead,
        }
    }
}

impl Cli {
    /// How output is to look.
    pub(crate) fn out(&self) -> Out {
        let paint = |terminal: bool| match self.color {
            ColorWhen::Always => Paint(true),
            ColorWhen::Never => Paint(false),
            ColorWhen::Auto => Paint(terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())),
        };
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let width = comfy_table::Table::new().width().filter(|_| stdout);
        Out { json: self.json, paint: paint(stdout), paint_err: paint(stderr), width }
    }
}
