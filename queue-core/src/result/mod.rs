//! Celery's result object: what a task's result says on the wire, how it is written and read.

mod decode;
mod encode;
mod exception;

use std::fmt;

use crate::clock::Timestamp;
use crate::message::Json;
use crate::names::TaskId;

pub(crate) use self::decode::unpack;
pub use self::decode::{is_ready_meta, is_success_meta};

/// A task's state, as its result says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing is stored.
    Pending,
    /// A worker has it.
    Received,
    /// It runs.
    Started,
    /// It failed and runs again later.
    Retry,
    /// It returned.
    Success,
    /// It failed.
    Failure,
    /// It was revoked, or expired.
    Revoked,
    /// A state of the task's own.
    Custom(String),
}

impl State {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Received => "RECEIVED",
            Self::Started => "STARTED",
            Self::Retry => "RETRY",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Revoked => "REVOKED",
            Self::Custom(word) => word,
        }
    }

    /// Whether it is final: SUCCESS, FAILURE or REVOKED.
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Success | Self::Failure | Self::Revoked => true,
            Self::Pending | Self::Received | Self::Started | Self::Retry | Self::Custom(_) => false,
        }
    }
}

impl From<&str> for State {
    fn from(word: &str) -> Self {
        match word {
            "PENDING" => Self::Pending,
            "RECEIVED" => Self::Received,
            "STARTED" => Self::Started,
            "RETRY" => Self::Retry,
            "SUCCESS" => Self::Success,
            "FAILURE" => Self::Failure,
            "REVOKED" => Self::Revoked,
            custom => Self::Custom(custom.to_owned()),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A task's result as stored and published.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultMeta {
    /// The state.
    pub state: State,
    /// What the task returned, the meta of a custom state, or an exception object.
    pub result: Json,
    /// The traceback of a failure.
    pub traceback: Option<String>,
    /// The results of what the task sent itself; `None` is `null`.
    pub children: Option<Json>,
    /// When it became final; `None` is `null`.
    pub date_done: Option<Timestamp>,
    /// Whose result.
    pub task_id: TaskId,
    /// The group it belongs to; left out when absent.
    pub group_id: Option<String>,
    /// Who sent the task; left out when absent.
    pub parent_id: Option<String>,
    /// More fields (Celery's `result_extended`), each a name and its JSON.
    pub extra: Vec<(String, Json)>,
}

impl ResultMeta {
    /// A result with nothing but its state, value and time.
    pub fn new(task_id: TaskId, state: State, result: Json, date_done: Option<Timestamp>) -> Self {
        let children = Some(Json::empty_array());
        Self {
            state,
            result,
            traceback: None,
            children,
            date_done,
            task_id,
            group_id: None,
            parent_id: None,
            extra: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
