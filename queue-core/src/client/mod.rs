//! Sends tasks and reads their results.

use std::sync::Arc;

use crate::names::QueueName;
use crate::store::Store;

/// Sends tasks to one store and reads their results. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) default_queue: QueueName,
}

impl Client {
    /// A client of an open store, whose default queue is `celery`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, default_queue: QueueName::celery() }
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
}
