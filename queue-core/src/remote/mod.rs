//! Asks and tells running workers: ours, and Celery's.
//!
//! A request is published to all workers of a store, each of which decides whether it is meant, and may reply.
//! [`Client::inspect`](crate::Client::inspect) asks, [`Client::control`](crate::Client::control) tells; both answer with
//! what each worker replied within a time. What they send and read is Celery's remote control.
//!
//! ```no_run
//! # async fn example(client: queue_core::Client) -> Result<(), queue_core::remote::RemoteError> {
//! for (worker, answer) in client.inspect().ping().await? {
//!     println!("{worker}: {answer}");
//! }
//! client.control().to(["queue@db1"]).rate_limit("mail.send", "10/m").await?;
//! # Ok(()) }
//! ```

mod client;
mod envelope;
mod glob;

pub use self::client::{Answers, Broadcast, Control, Inspect, RemoteError};
pub use self::envelope::{Reply, Request};
pub use self::glob::glob;
