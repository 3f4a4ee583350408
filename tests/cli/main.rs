//! The `queue` command as its user meets it: the real program on a real store, its whole output kept as snapshots.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene should stop right there")]

mod cut;
mod doctor;
mod enqueue;
mod errors;
mod job;
mod jobs;
mod mend;
mod redis;
mod remote;
mod scene;
mod status;
mod terminal;
