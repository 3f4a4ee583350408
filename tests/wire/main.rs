//! What Celery 5.7 wrote, read by us; what we write, read back; and what no one should write, refused.
//!
//! The captures are described in `fixtures/celery/README.md`.
#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

mod canvas;
mod captures;
mod hostile;
mod messages;
mod nested;
mod properties;
mod results;
