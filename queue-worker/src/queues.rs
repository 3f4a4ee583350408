//! The queues that this worker consumes; they may change while it runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use queue_core::QueueName;

/// The queues in the order named, each with its weight.
pub(crate) type List = Arc<[(QueueName, u32)]>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Queues {
    now: RwLock<List>,
    changed: AtomicBool,
    /// One change at a time, the store's part of it included.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Queues {
    pub(crate) fn new(queues: &[(QueueName, u32)]) -> Self {
        let (now, changing) = (RwLock::new(queues.into()), tokio::sync::Mutex::default());
        Self { now, changed: AtomicBool::new(false), changing }
    }

    /// Those of now.
    pub(crate) fn now(&self) -> List {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether they are others than at the start.
    pub(crate) fn have_changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// Consumes these from now on.
    pub(crate) fn set(&self, queues: List) {
        self.changed.store(true, Ordering::Release);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = queues;
    }
}
