//! Time limits of tasks that were set by remote.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The limits of one task, instead of its own; a message's come before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLimits {
    pub(crate) soft: Option<Duration>,
    pub(crate) hard: Option<Duration>,
}

/// By the task's name.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    any: AtomicBool,
    by_task: Mutex<HashMap<String, TimeLimits>>,
}

impl Limits {
    /// What was set for a task.
    pub(crate) fn of(&self, task: &str) -> Option<TimeLimits> {
        // Nearly always.
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.by_task.lock().unwrap_or_else(PoisonError::into_inner).get(task).copied()
    }

    pub(super) fn set(&self, task: &str, limits: TimeLimits) {
        self.by_task.lock().unwrap_or_else(PoisonError::into_inner).insert(task.to_owned(), limits);
        self.any.store(true, Ordering::Release);
    }
}
