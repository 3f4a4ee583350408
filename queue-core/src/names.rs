//! The names that travel between producers, stores and workers, checked once at the edge.

use std::fmt;
use std::sync::Arc;

/// The longest queue name accepted, in bytes.
pub const MAX_QUEUE_NAME: usize = 255;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A queue needs at least one byte.
    #[error("a queue name must not be empty")]
    Empty,
    /// Longer than [`MAX_QUEUE_NAME`].
    #[error("a queue name has at most {MAX_QUEUE_NAME} bytes, this one has {0}")]
    TooLong(usize),
    /// Control bytes separate priorities in Redis keys (kombu uses `0x06 0x16`).
    #[error("a queue name must not contain control characters (byte {byte:#04x} at {at} in {name:?})")]
    Control {
        /// The offending byte.
        byte: u8,
        /// Its offset.
        at: usize,
        /// The whole text.
        name: String,
    },
    /// A task's name needs at least one byte: no worker takes a message without one.
    #[error("a task's name must not be empty")]
    NoTask,
    /// A task id is any text of 1 to 512 bytes.
    #[error("a task id has 1 to 512 bytes, this one has {0}")]
    TaskId(usize),
}

/// A queue's name: 1 to 255 bytes, no control characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Celery's default queue, and ours: `celery`.
    pub fn celery() -> Self {
        Self(Arc::from("celery"))
    }

    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// [`NameError`] when it is empty, too long or holds a control character.
    pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_QUEUE_NAME {
            return Err(NameError::TooLong(name.len()));
        }
        if let Some((at, c)) = name.char_indices().find(|(_, c)| c.is_control()) {
            let byte = u8::try_from(u32::from(c) & 0xff).unwrap_or(0xff);
            return Err(NameError::Control { byte, at, name: name.to_owned() });
        }
        Ok(Self(Arc::from(name)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<&str> for QueueName {
    type Error = NameError;
    fn try_from(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl std::str::FromStr for QueueName {
    type Err = NameError;
    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

/// A task's id. Ours are UUIDs (version 4); Celery's may be any text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(Arc<str>);

impl TaskId {
    /// A fresh random id.
    pub fn random() -> Self {
        let mut text = uuid::Uuid::encode_buffer();
        Self(Arc::from(&*uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text)))
    }

    /// Takes any text of 1 to 512 bytes.
    ///
    /// # Errors
    ///
    /// [`NameError::TaskId`] when it is empty or longer.
    pub fn new(id: impl AsRef<str>) -> Result<Self, NameError> {
        let id = id.as_ref();
        if id.is_empty() || id.len() > 512 {
            return Err(NameError::TaskId(id.len()));
        }
        Ok(Self(Arc::from(id)))
    }

    /// The id of the `nth` message that the run of this task sends: the same on every rerun, so
    /// that a body that runs twice does not fork its workflow.
    pub fn child(&self, nth: u64) -> Self {
        let name = format!("{}/{nth}", self.0);
        Self(Arc::from(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()))
    }

    /// The id of the `nth` thing that the run of one message sends: the same when that message is delivered again after a
    /// crash, another one when the task is sent on (a retry, a snooze, a dead letter put back), which makes the tag fresh.
    pub fn child_of_run(&self, delivery_tag: &str, nth: u64) -> Self {
        let name = format!("{}/run-{delivery_tag}/{nth}", self.0);
        Self(Arc::from(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How urgent a message is: 0 is delivered first, 9 last, as kombu has it on Redis.
///
/// Messages of priorities that share a step (0–2, 3–5, 6–8, 9 by default) share a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Priority(u8);

impl Priority {
    /// Delivered first; the default.
    pub const HIGHEST: Self = Self(0);
    /// Delivered last.
    pub const LOWEST: Self = Self(9);
    /// kombu's default `priority_steps`.
    pub const STEPS: [u8; 4] = [0, 3, 6, 9];

    /// Clamps `value` to 0…9, as kombu does.
    pub fn new(value: i64) -> Self {
        Self(u8::try_from(value.clamp(0, 9)).unwrap_or(0))
    }

    /// The number, 0…9.
    pub fn get(self) -> u8 {
        self.0
    }

    /// The greatest default step that is not above this priority: 0, 3, 6 or 9.
    pub fn step(self) -> u8 {
        self.0 / 3 * 3
    }
}
