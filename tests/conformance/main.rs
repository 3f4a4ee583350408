//! The store's contract, sentence by sentence, on every driver. One file per behaviour; each case is a test per driver.
#![allow(clippy::unwrap_used, reason = "tests stop at what should not happen")]

mod close;
mod drain;
mod enqueue;
mod fences;
mod inspect;
mod lease;
mod reclaim;
mod reconcile;
mod results;
mod revoke;
mod settle;
mod wait;
