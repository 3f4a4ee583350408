//! Background jobs in the manner of Celery: a function with `#[task]` on it, a `.delay()` that enqueues it, workers that
//! run it, a result to wait for. In an SQLite file, or on Redis, where Celery's own workers and clients understand it.
//!
//! ```no_run
//! use queue_core::prelude::*;
//!
//! /// Adds two numbers; a worker runs it.
//! #[task(max_retries = 3)]
//! async fn add(x: i64, y: i64) -> TaskResult<i64> {
//!     Ok(x + y)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::connect("sqlite:queue.db").await?; // or redis://localhost:6379/0
//!     client.install()?;                                      // what `.delay()` uses; else $QUEUE_URL
//!
//!     let job = add.delay(2, 3).await?;                       // in the store, whatever happens to this process
//!     let sum = job.get(seconds(10)).await?;                  // an i64, once a worker has run it
//!     println!("{sum}");
//!
//!     add.s(2, 3).countdown(minutes(5)).queue("slow").send().await?;
//!     client.send_many((0..1000).map(|n| add.s(n, n))).await?; // one round trip
//!     client.send(Call::named("billing.charge").args(json!([7]))).await?; // a task that runs in Python
//!     Ok(())
//! }
//! ```
//!
//! This crate defines tasks and sends them; it never runs one. A worker is a program of yours that links your tasks and calls
//! `queue_worker::Worker::new().main()`.
//!
//! - [`task`](macro@task) makes a function a [`Task`]; its documentation has all options. What the function may take,
//!   apart from its arguments, is its [`Context`] and the worker's [`State`]; what it may answer instead of a value is a
//!   [`TaskError`].
//! - [`Call`] is a call not yet made, with options of its own.
//! - [`canvas`] makes workflows of calls: chains, groups, chords; its documentation has each of Celery's idioms beside ours.
//! - [`Client`] sends calls to a store, [`JobHandle`] waits for what becomes of one.
//! - [`store`] is where messages and results are kept: the traits that drivers implement, and the drivers.
//! - [`remote`] asks and tells running workers, [`events`] are what they tell by themselves.
//! - [`message`] and [`result`] are Celery's wire formats.

// So that `#[task]`, whose code says `::queue_core`, also works in this crate.
extern crate self as queue_core;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod backoff;
pub mod canvas;
pub mod client;
pub mod clock;
pub mod events;
#[doc(hidden)]
pub mod failpoint;
pub mod message;
pub mod names;
pub mod prelude;
pub mod remote;
pub mod result;
pub mod store;
pub mod task;

pub use crate::backoff::Backoff;
pub use crate::canvas::{Call, Signature, group};
pub use crate::client::{Client, ClientOptions, GroupHandle, JobError, JobHandle, SendError};
pub use crate::clock::{Clock, Timestamp};
pub use crate::names::{NameError, Priority, QueueName, TaskId};
pub use crate::task::{Context, FromContext, State, Task, TaskError, TaskResult};
/// Makes a function a task.
///
/// ```
/// use queue_core::prelude::*;
/// # struct Mailer;
/// # impl Mailer { async fn send(&self, _: u64, _: &str) -> Result<u64, std::io::Error> { Ok(1) } }
///
/// /// Emails the customer of an order.
/// #[task(queue = "mail", max_retries = 5, backoff = "2s..10m", time_limit = "30s")]
/// async fn confirm(order_id: u64, #[default = "en"] language: String, mailer: State<Mailer>)
///     -> Result<u64, std::io::Error>
/// {
///     mailer.send(order_id, &language).await
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// confirm.delay(42, "fr").await?;                                   // enqueue
/// confirm.s(42, "fr").countdown(minutes(5)).send().await?;          // with options of this one call
/// confirm.run(42, "fr".into(), State::new(Mailer)).await?;          // the plain function, for unit tests
/// # Ok(()) }
/// ```
pub use queue_macros::task;
pub use serde_json::json;
