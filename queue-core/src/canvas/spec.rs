//! What a call says, and what was wrong with it.

use std::borrow::Cow;
use std::time::Duration;

use super::{CanvasError, Signature};
use crate::backoff::Backoff;
use crate::client::SendError;
use crate::clock::Timestamp;
use crate::message::{Json, ValueError};
use crate::names::{Priority, QueueName, TaskId};
use crate::task::TaskOptions;

/// When a call is to start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    In(Duration),
    At(Timestamp),
}

/// What a call says; what it leaves open the task, then the client decides.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) task: Cow<'static, str>,
    pub(crate) args: Json,
    pub(crate) kwargs: Json,
    pub(crate) task_options: Option<TaskOptions>,
    pub(crate) id: Option<TaskId>,
    pub(crate) queue: Option<QueueName>,
    pub(crate) priority: Option<Priority>,
    pub(crate) start: Option<Start>,
    pub(crate) expires: Option<Duration>,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) soft_time_limit: Option<Duration>,
    pub(crate) ignore_result: Option<bool>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) acks_early: Option<bool>,
    pub(crate) shadow: Option<String>,
    pub(crate) headers: Vec<(String, Json)>,
    pub(crate) key: Option<Box<OnceKey>>,
    /// What comes with it in a workflow; most calls have none.
    pub(crate) links: Option<Box<Links>>,
    pub(crate) fault: Option<Fault>,
}

/// Redis counts how long an idempotency key stands in whole seconds, and one that stands for none guards nothing.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long it stands where the call does not say.
const KEY_TTL: Duration = Duration::from_secs(24 * 3600);
/// The longest idempotency key, in bytes.
const MAX_KEY: usize = 512;

/// An idempotency key, and how long it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnceKey {
    pub(crate) key: String,
    pub(crate) ttl: Duration,
}

impl OnceKey {
    pub(crate) fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), ttl: KEY_TTL }
    }

    /// Refuses one that is empty or too long, or stands for no time.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.key.len() {
            1..=MAX_KEY if self.ttl < SHORTEST => {
                Err(format!("an idempotency key stands for a second at least, this one for {:?}", self.ttl))
            }
            1..=MAX_KEY => Ok(()),
            bytes => Err(format!("an idempotency key has 1 to {MAX_KEY} bytes, this one has {bytes}")),
        }
    }

    /// Another time, if it may be.
    pub(crate) fn standing(self, ttl: Duration) -> Result<Self, String> {
        let key = Self { ttl, ..self };
        key.check().map(|()| key)
    }
}

/// What a call says of those around it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    pub(crate) link: Vec<Signature>,
    pub(crate) link_error: Vec<Signature>,
    pub(crate) stamps: Vec<(String, Json)>,
    pub(crate) immutable: bool,
}

impl Spec {
    /// Whether it starts some time from now.
    pub(crate) fn is_counted_down(&self) -> bool {
        matches!(self.start, Some(Start::In(_)))
    }
}

/// What was wrong with a call, kept until it is sent.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Arguments(String),
    Name(crate::names::NameError),
    Header { name: String, why: String },
    Key(String),
}

impl Fault {
    pub(crate) fn into_error(self, task: &str) -> SendError {
        let task = task.to_owned();
        match self {
            Self::Arguments(why) => SendError::Arguments { task, source: ValueError::Unwritable(why) },
            Self::Name(source) => SendError::Name { task, source },
            Self::Header { name, why } => SendError::Header { task, name, why },
            Self::Key(why) => SendError::Canvas(CanvasError::Call { task, why }),
        }
    }
}
