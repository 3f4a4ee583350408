//! Stores a running task's states, as long as its lease stands.

use std::sync::Arc;

use async_trait::async_trait;
use queue_core::message::Json;
use queue_core::store::{StoreError, StoredResult};
use queue_core::task::ProgressSink;

use crate::ending::Subject;
use crate::engine::Engine;
use crate::jobs::Held;

/// Takes the states of one job.
pub(crate) struct Reporter {
    engine: Arc<Engine>,
    held: Arc<Held>,
}

impl Reporter {
    pub(crate) fn new(engine: &Arc<Engine>, held: &Arc<Held>) -> Self {
        Self { engine: Arc::clone(engine), held: Arc::clone(held) }
    }

    /// Stores `result`; false when the lease was lost.
    pub(crate) async fn store(&self, result: StoredResult) -> Result<bool, StoreError> {
        match self.held.tag() {
            Some(tag) => self.engine.consumer.progress(&tag, &[result]).await,
            // Acknowledged early: there is no lease to lose.
            None => self.engine.client.store().put_results(&[result]).await.map(|()| true),
        }
    }
}

#[async_trait]
impl ProgressSink for Reporter {
    async fn report(&self, state: &str, meta: Json) -> Result<bool, StoreError> {
        let result = Subject::new(&self.engine, &self.held).custom(state, meta);
        self.store(result).await
    }
}
