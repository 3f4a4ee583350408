//! Tasks, messages, stores and the client of `queue`. This crate never runs a task: `queue-worker` does.

pub mod backoff;
pub mod client;
pub mod clock;
pub mod message;
pub mod names;
pub mod result;
pub mod store;
pub mod task;

pub use crate::backoff::Backoff;
pub use crate::client::Client;
pub use crate::clock::{Clock, Timestamp};
pub use crate::names::{NameError, Priority, QueueName, TaskId};
