//! What a worker does with jobs, good and bad, on every driver.
#![allow(missing_docs, reason = "a test's name is its doc")]
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene should stop right there")]

mod canvas;
mod chords;
mod control;
mod endings;
mod events;
mod gates;
mod host_clock;
mod limits;
mod mail;
mod metrics;
mod outages;
mod probe;
mod queues;
mod refusals;
mod revocation;
mod runners;
mod scene;
mod startup;
mod stopping;
mod tasks;
mod tls;
mod watchdog;
