//! Why a call was not sent, and why a job gave no value.

use std::time::Duration;

use crate::canvas::CanvasError;
use crate::message::{DecodeError, ValueError};
use crate::names::NameError;
use crate::store::{ConnectError, StoreError};
use crate::task::Exception;

/// Why a call was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The queue's name or the task's id is none, or the task has no name.
    #[error("task `{task}` cannot be sent")]
    Name {
        /// Which task.
        task: String,
        /// What is wrong with the name.
        #[source]
        source: NameError,
    },
    /// The arguments (or the data of a progress report) have no JSON form.
    #[error("task `{task}`: its arguments cannot be written as JSON")]
    Arguments {
        /// Which task.
        task: String,
        /// Why not.
        #[source]
        source: ValueError,
    },
    /// A header cannot be sent.
    #[error("task `{task}`: header `{name}` cannot be sent: {why}")]
    Header {
        /// Which task.
        task: String,
        /// The header.
        name: String,
        /// Why not.
        why: String,
    },
    /// The message is over the store's limit; nothing was sent.
    #[error("task `{task}`: its message has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Which task.
        task: String,
        /// Bytes it has.
        size: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// A workflow that cannot be sent.
    #[error("the workflow cannot be sent")]
    Canvas(#[from] CanvasError),
    /// No client is installed, and the store at `$QUEUE_URL` cannot be opened.
    #[error("the default store cannot be opened")]
    Connect(#[from] ConnectError),
    /// The store refused; ask [`SendError::outcome_unknown`] whether it may have arrived all the same.
    #[error("the store did not take it")]
    Store(#[from] StoreError),
    /// The idempotency key stands, but for another task: nothing was sent.
    #[error("idempotency key `{key}` was used for task `{first}` before, so task `{task}` was not sent")]
    KeyTaken {
        /// The key.
        key: String,
        /// Which task.
        task: String,
        /// The task that was sent with it.
        first: String,
    },
    /// Of many calls, the first `sent` were; the store refused the rest.
    #[error("only the first {sent} calls were sent")]
    Partly {
        /// How many were.
        sent: usize,
        /// Why not the rest.
        #[source]
        source: StoreError,
    },
}

impl SendError {
    pub(crate) fn store(task: &str, error: StoreError) -> Self {
        match error {
            StoreError::TooLarge { size, limit, .. } => Self::TooLarge { task: task.to_owned(), size, limit },
            other => Self::Store(other),
        }
    }

    /// Whether the same call may succeed if tried again later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) | Self::Partly { source: error, .. } | Self::Connect(ConnectError::Store(error)) => {
                error.is_transient()
            }
            Self::Name { .. }
            | Self::Arguments { .. }
            | Self::Header { .. }
            | Self::TooLarge { .. }
            | Self::Canvas(_)
            | Self::KeyTaken { .. }
            | Self::Connect(ConnectError::Url(_)) => false,
        }
    }

    /// Whether what was asked may have happened all the same; where not, nothing of it has. Of [`SendError::Partly`] it speaks of
    /// the calls after the first `sent`.
    ///
    /// Whoever needs to know has given the call an [idempotency key](crate::Call::idempotency_key), and sends it again.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Store(error) | Self::Partly { source: error, .. } if error.outcome_unknown())
    }

    /// What a person can do about it, in one line; empty when there is nothing to say.
    pub fn hint(&self) -> String {
        match self {
            Self::Name { .. } => {
                "a queue is named with 1 to 255 bytes, a task with one at least, and its id has 1 to 512".to_owned()
            }
            Self::Arguments { .. } => "the keys of a map must be texts or numbers; positional arguments are an array, \
                                       keyword arguments an object"
                .to_owned(),
            Self::Header { .. } => "choose another name for it, with a prefix of your own".to_owned(),
            Self::TooLarge { .. } => "store the data elsewhere and send its key".to_owned(),
            Self::Connect(ConnectError::Url(error)) => error.hint().to_owned(),
            Self::Connect(ConnectError::Store(error)) => {
                format!("{}; set $QUEUE_URL, or install a client", error.hint())
            }
            Self::KeyTaken { .. } => "a key names one thing that is done once; choose another".to_owned(),
            Self::Store(error) | Self::Partly { source: error, .. } => error.hint(),
            Self::Canvas(_) => String::new(),
        }
    }
}

/// Why a job gave no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// It failed, and will not run again by itself.
    #[error("the task failed with {0}")]
    Failed(Exception),
    /// It was revoked, or expired before it started.
    #[error("the task was revoked: {0}")]
    Revoked(String),
    /// It was not done in time. It may still be done later.
    #[error("no result within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// It was sent with `ignore_result`: there will be none.
    #[error("the task stores no result (`ignore_result`)")]
    Ignored,
    /// What is stored is no result.
    #[error("what is stored is not a result")]
    Decode(#[from] DecodeError),
    /// It returned something else than was asked for.
    #[error("the result is not of the type asked for")]
    Type(#[from] ValueError),
    /// The store could not be asked.
    #[error("the store could not be asked for the result")]
    Store(#[from] StoreError),
}
