//! What a task's body may answer instead of a value.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::store::DeadReason;

/// What the worker should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An ordinary error: retried where the task has retries left, else failed.
    Failed,
    /// Retry, after this long or after the task's backoff.
    Retry(Option<Duration>),
    /// Failed for good, whatever retries are left.
    Fatal,
    /// Run again after this long, no attempt spent.
    Snooze(Duration),
    /// Not to be run by anybody: to the dead letters.
    Reject,
    /// The arguments do not fit: failed for good.
    BadArguments,
    /// It ran past its hard time limit (the worker says this).
    TimeLimit,
    /// It panicked (the worker says this); treated as `Failed`.
    Panicked,
}

/// What went wrong, in the words that results and logs carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The error's type, e.g. `PaymentError`.
    pub exc_type: String,
    /// Where the type lives, e.g. `shop.payment`; Python looks for the class there.
    pub exc_module: String,
    /// The error's message.
    pub message: String,
    /// The chain of causes, or a backtrace; shown as the traceback.
    pub traceback: Option<String>,
}

/// An error of a task's body. Any `std::error::Error` becomes one through `?`; like `anyhow::Error` it does not
/// implement `Error` itself.
pub struct TaskError {
    /// What to do.
    pub kind: ErrorKind,
    /// What went wrong.
    pub exception: Exception,
}

impl TaskError {
    /// The kind of dead letter this ends as.
    pub fn dead_reason(&self) -> DeadReason {
        match self.kind {
            ErrorKind::BadArguments => DeadReason::BadArguments,
            ErrorKind::Reject => DeadReason::Rejected,
            ErrorKind::TimeLimit => DeadReason::TimeLimit,
            ErrorKind::Failed | ErrorKind::Retry(_) | ErrorKind::Fatal | ErrorKind::Snooze(_) | ErrorKind::Panicked => {
                DeadReason::Failed
            }
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskError").field("kind", &self.kind).field("exception", &self.exception).finish()
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.exception.message)
    }
}

/// The messages of an error and its sources, one per line; `None` when it has no source.
pub(crate) fn chain_of(error: &(dyn Error + 'static)) -> Option<String> {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(&format!("caused by: {source}\n"));
        next = source.source();
    }
    (!text.is_empty()).then(|| format!("{error}\n{text}"))
}
