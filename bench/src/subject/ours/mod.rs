//! Ourselves, through the same contract that the peers have: this program again, as `queue-bench enqueue` and
//! `queue-bench worker`.

mod notes;
pub(crate) mod producer;
pub(crate) mod tasks;
pub(crate) mod turns;

/// The queue of the benchmark.
pub(crate) const QUEUE: &str = "bench";
