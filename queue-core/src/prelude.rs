//! What a program that writes tasks and calls them needs: `use queue_core::prelude::*;`.

pub use std::time::Duration;

pub use crate::canvas::{Call, Flow, Group, Partial, Signature, group};
pub use crate::client::{Client, GroupHandle, JobError, JobHandle, SendError};
pub use crate::task::{Context, State, Task, TaskError, TaskResult};
pub use queue_macros::task;
pub use serde_json::json;

/// So many seconds.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many minutes.
pub const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// So many hours.
pub const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}
