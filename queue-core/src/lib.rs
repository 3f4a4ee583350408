//! Tasks, messages, stores and the client of `queue`. This crate never runs a task: `queue-worker` does.

// So that `#[task]`, whose code says `::queue_core`, also works in this crate.
extern crate self as queue_core;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod backoff;
pub mod canvas;
pub mod client;
pub mod clock;
pub mod message;
pub mod names;
pub mod prelude;
pub mod result;
pub mod store;
pub mod task;

pub use crate::backoff::Backoff;
pub use crate::canvas::Call;
pub use crate::client::{Client, ClientOptions, JobError, JobHandle, SendError};
pub use crate::clock::{Clock, Timestamp};
pub use crate::names::{NameError, Priority, QueueName, TaskId};
pub use crate::task::{Context, FromContext, State, Task, TaskError, TaskResult};
pub use queue_macros::task;
pub use serde_json::json;
