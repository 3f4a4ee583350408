//! Whoever is measured: ourselves, a peer, or the bare commands under all of them.

pub(crate) mod contract;
pub(crate) mod floor;
pub(crate) mod install;
pub(crate) mod list;
#[allow(dead_code, reason = "most of it is for the program `queue-bench-ours`")]
pub(crate) mod ours;

use std::time::Duration;

/// What a subject's programs are written in, and how they are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Python,
    Node,
    Rust,
}

/// Which of its drains make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Results {
    Both,
    /// It keeps none.
    Never,
    /// It cannot do without, or this set-up is meant so.
    Always,
}

/// A queue library in one set-up.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The program's name for it.
    pub(crate) adapter: &'static str,
    /// Which set-up of the adapter.
    pub(crate) variant: &'static str,
    pub(crate) concurrency: usize,
    /// The threads that a worker of ours is told to have.
    pub(crate) threads: Option<usize>,
    /// In so many processes each.
    pub(crate) processes: usize,
    /// Jobs to drain, for each round; few for the slow, so that a run ends.
    pub(crate) jobs: u64,
    pub(crate) results: Results,
    /// Commands that are counted: those outside of scripts. None: all.
    pub(crate) outer: &'static [&'static str],
    /// What a reader must know of the set-up.
    pub(crate) settings: &'static str,
    /// Between two jobs sent to an idle worker. Who looks only now and then gets them further apart, at all times between
    /// two looks: close together they would all wait for the same one.
    pub(crate) gap: Duration,
    /// Whether a job whose worker was killed is meant to run again.
    pub(crate) acks: bool,
    /// How to start it, or why that cannot be done.
    pub(crate) program: Result<Vec<String>, String>,
}

impl Subject {
    /// A few at once, where few are enough: ten, in all of its processes.
    pub(crate) fn few(&self) -> usize {
        self.concurrency.min((10 / self.processes).max(1))
    }
}
