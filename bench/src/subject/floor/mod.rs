//! The floor under every queue on Redis: the same commands, sent by a bare client that does nothing else.

mod drain;
mod enqueue;
mod handover;
mod resp;

pub(crate) use drain::{Pair, drain};
pub(crate) use enqueue::{bulk, single, single_by_crate};
pub(crate) use handover::handover;

/// The name of the floor in tables.
pub(crate) const FLOOR: &str = "the limit (bare commands)";
/// As long as a message of a small job.
const SIZE: usize = 400;
