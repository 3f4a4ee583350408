//! Messages to whoever listens: requests to workers, their replies, and events. Nothing of it is kept.
//!
//! A *post* goes to everybody who listens to its topic right now, and to nobody who comes later; a reply goes into the
//! one *reply box* it is addressed to. Whoever needs something to survive enqueues a task instead. On Redis the
//! topics and boxes are those of Celery, so that its workers and clients are among the listeners.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::StoreError;

/// Posts that wait for a listener; when so many wait, what comes is lost for it.
const BACKLOG: usize = 10_000;

/// Where a post goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Requests to workers; all workers listen.
    Control,
    /// Events, by routing key (`worker.heartbeat`, `task.multi`).
    Event(String),
}

/// What somebody listens to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Interest {
    /// [`Topic::Control`].
    Control,
    /// All events whose routing key begins with this text; empty: all events.
    Events(String),
}

/// Names a reply box, as Celery's `reply_to` does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ReplyTo {
    /// The exchange: `reply.celery.pidbox`.
    pub exchange: String,
    /// The box: a fresh UUID.
    pub routing_key: String,
}

impl ReplyTo {
    /// The exchange of Celery's replies.
    pub const EXCHANGE: &str = "reply.celery.pidbox";

    /// A box that nobody has.
    pub fn fresh() -> Self {
        Self { exchange: Self::EXCHANGE.to_owned(), routing_key: crate::names::TaskId::random().as_str().to_owned() }
    }
}

/// Carries posts and replies.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Tells whoever listens. Says about how many heard it: exactly how many where the store knows.
    async fn publish(&self, topic: &Topic, payload: &[u8]) -> Result<usize, StoreError>;
    /// Listens. What is published after this returned is heard, in the order it was published, until the
    /// [`Listening`] is dropped, or the runtime ends in which this was called; while the connection to the store is broken,
    /// nothing is.
    async fn listen(&self, interest: Interest) -> Result<Listening, StoreError>;
    /// Opens a fresh reply box.
    async fn open_box(&self) -> Result<Box<dyn ReplyBox>, StoreError>;
    /// Puts a reply into a box; one for a box that is not open (any more) is dropped, at once or after a minute.
    async fn reply(&self, to: &ReplyTo, payload: &[u8]) -> Result<(), StoreError>;
}

/// An open reply box.
#[async_trait]
pub trait ReplyBox: Send + Debug {
    /// What names it.
    fn address(&self) -> &ReplyTo;
    /// The next reply; `None` when none came within `at_most`. Dropping the future may lose one.
    async fn take(&mut self, at_most: Duration) -> Result<Option<Bytes>, StoreError>;
    /// Closes it, with what is left in it.
    async fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// What was published, as it comes. Ends its listening when dropped.
#[derive(Debug)]
pub struct Listening {
    posts: mpsc::Receiver<Bytes>,
    _ear: Box<dyn Ear>,
}

/// What keeps a listening alive in a driver.
pub(crate) trait Ear: Send + Sync + Debug {}
impl<T: Send + Sync + Debug> Ear for T {}

impl Listening {
    /// A listening, and where its driver puts what is heard.
    pub(crate) fn channel() -> (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
        mpsc::channel(BACKLOG)
    }

    /// Fed from `posts` for as long as `ear` is there.
    pub(crate) fn new(posts: mpsc::Receiver<Bytes>, ear: impl Ear + 'static) -> Self {
        Self { posts, _ear: Box::new(ear) }
    }

    /// The next post; `None` when the store was closed, or the runtime has ended in which the listening began.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.posts.recv().await
    }
}
