//! What the exit code of `queue` says. One enum, shown by `queue --help` and in `docs/cli.md`.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Ok = 0,
    /// There is no such job, result or queue, nothing matched, or a message could not be touched; `doctor` found a problem.
    NotFound = 1,
    /// The command line, the URL or the JSON in it is wrong; nothing was done.
    Usage = 2,
    /// The store is missing, cannot be reached, or refused.
    Store = 3,
    /// The job whose result was asked for failed or was revoked.
    JobFailed = 4,
    /// The wait ended before there was a result.
    TimedOut = 5,
    /// Not confirmed: answered with no, or nobody there to ask. Nothing was done.
    Aborted = 6,
    /// No running worker answered.
    NoAnswer = 7,
    /// A running worker could not do what it was asked.
    Refused = 8,
}

/// The table under `queue --help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  not found, or nothing matched; doctor: something is wrong
  2  wrong command line, URL or JSON; nothing was done
  3  the store is missing, unreachable, or refused
  4  the job failed or was revoked (result, enqueue --wait)
  5  the wait timed out
  6  not confirmed; nothing was done
  7  no worker answered (inspect, control)
  8  a worker could not do it (inspect, control)";

impl Exit {
    /// `doctor` found a problem.
    pub(crate) const UNWELL: Self = Self::NotFound;
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
