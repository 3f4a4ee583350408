//! Runs tasks: leases their messages from a store, runs their bodies, settles their ends.
//!
//! Your own worker binary has your tasks linked in, and the same flags as the stock `queue-worker`:
//!
//! ```no_run
//! use my_tasks as _; // a crate of tasks registers only when it is named
//! # mod my_tasks {}
//!
//! fn main() -> std::process::ExitCode {
//!     queue_worker::Worker::new().main()
//! }
//! ```
//!
//! [`Worker`] is built, then run as a program ([`Worker::main`]) or inside another one ([`Worker::start`]).
//! What it promises: a message is held only under a lease that a heartbeat keeps, so that a crash gives it back; a job
//! ends in one atomic step of the store; no message, however broken, ends the worker; nothing is dropped
//! silently: what cannot run is set aside with its bytes and the reason.
//!
//! Inside, a fetch loop leases messages into free slots, each job runs as a task of its own (plain functions on threads
//! of their own), a settler carries their ends to the store in batches, and a heart beats outside the runtime.

mod canvas;
mod chord;
mod cli;
mod error;
mod logging;
mod program;
mod worker;

mod run;
mod startup;

mod control;
mod engine;
mod fetch;
mod gates;
mod intake;
mod jobs;
mod queues;
mod slots;
mod weights;

mod blocking;
mod execute;
mod panics;
mod places;
mod progress;

mod ending;
mod settle;
mod verdict;

mod builtins;

mod emitter;
mod health;
mod heartbeat;
mod host;
mod probe;
mod reconnect;
mod shutdown;
mod wakeups;

pub use crate::builtins::{Addresses, Mailer, MailerError, send_email};
pub use crate::cli::{Autoscale, Flags, WeightedQueue};
pub use crate::error::{Exit, WorkerError};
pub use crate::logging::{LogFormat, init as init_logging};
pub use crate::run::Report;
pub use crate::worker::{Worker, WorkerHandle};
