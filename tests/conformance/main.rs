//! The store's contract, sentence by sentence, on every driver. One file per behaviour; each case is a test per driver.
#![allow(clippy::unwrap_used, reason = "tests stop at what should not happen")]

mod bus;
mod chord_ends;
mod chords;
mod close;
mod consume;
mod drain;
mod enqueue;
mod fences;
mod idempotency;
mod inspect;
mod lease;
mod model;
mod orphans;
mod reclaim;
mod reconcile;
mod redis_server;
mod results;
mod revoke;
mod settle;
mod settle_many;
mod sqlite;
mod table;
mod wait;
