//! Ourselves, through the same contract that the peers have: the program `queue-bench-ours enqueue` and `queue-bench-ours worker`.

mod notes;
pub(crate) mod producer;
pub(crate) mod tasks;
pub(crate) mod turns;

/// The queue of the benchmark.
pub(crate) const QUEUE: &str = "bench";
