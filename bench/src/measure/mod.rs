//! The questions, a file each. A failure of one subject is a gap in the tables, and the run goes on.

pub(crate) mod drain;
pub(crate) mod enqueue;
pub(crate) mod idle;
pub(crate) mod kill;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod processes;
pub(crate) mod scale;
pub(crate) mod sqlite;
pub(crate) mod what;
