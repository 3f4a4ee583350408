//! Looking and mending, as the rest of the program asks for it.

use async_trait::async_trait;
use bytes::Bytes;

use super::{SqliteStore, look, mend, orphans};
use crate::names::{QueueName, TaskId};
use crate::store::{
    Cursor, Inspect, Job, JobKey, JobState, Orphan, OrphanPage, Page, QueueCounts, StoreError, WorkerInfo,
};

#[async_trait]
impl Inspect for SqliteStore {
    async fn queues(&self) -> Result<Vec<QueueName>, StoreError> {
        self.core.look(look::queues).await
    }

    async fn counts(&self, queue: &QueueName) -> Result<QueueCounts, StoreError> {
        let queue = queue.clone();
        self.core.look(move |connection| look::counts(connection, &queue)).await
    }

    async fn page(
        &self,
        queue: &QueueName,
        state: JobState,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (queue, cursor) = (queue.clone(), cursor.cloned());
        self.core.look(move |connection| look::page(connection, &queue, state, cursor.as_ref(), limit)).await
    }

    async fn find(&self, id: &TaskId) -> Result<Vec<Job>, StoreError> {
        let id = id.clone();
        self.core.look(move |connection| look::find(connection, &id)).await
    }

    async fn delete(&self, keys: &[JobKey]) -> Result<u64, StoreError> {
        if keys.iter().any(|key| key.state == JobState::Leased) {
            return Err(StoreError::Leased);
        }
        let mut deleted = 0;
        for slice in keys.chunks(mend::SLICE) {
            let slice = slice.to_vec();
            let done = self.core.write(move |tx| mend::delete(tx, &slice)).await;
            deleted += done.map_err(|error| error.after_some(deleted > 0))?;
        }
        Ok(deleted)
    }

    async fn purge(&self, queue: &QueueName, state: JobState) -> Result<u64, StoreError> {
        let (mut purged, mut last) = (0, None);
        loop {
            let (name, from) = (queue.clone(), last);
            let done = self.core.write(move |tx| mend::purge(tx, &name, state, from)).await;
            let (n, newest) = done.map_err(|error| error.after_some(purged > 0))?;
            purged += u64::try_from(n).unwrap_or(0);
            last = Some(newest);
            if n < mend::SLICE {
                return Ok(purged);
            }
        }
    }

    async fn retry_dead(&self, jobs: &[(JobKey, Bytes)]) -> Result<u64, StoreError> {
        let mut retried = 0;
        for slice in jobs.chunks(mend::SLICE) {
            let slice = slice.to_vec();
            let done = self.core.write(move |tx| mend::retry_dead(tx, &slice)).await;
            retried += done.map_err(|error| error.after_some(retried > 0))?;
        }
        Ok(retried)
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        self.core.look(look::workers).await
    }

    async fn orphans(&self, cursor: Option<&Cursor>) -> Result<OrphanPage, StoreError> {
        let (cursor, now) = (cursor.cloned(), self.core.now());
        self.core.look(move |connection| orphans::step(connection, cursor.as_ref(), now)).await
    }

    async fn orphans_again(&self, found: &[Orphan]) -> Result<Vec<Orphan>, StoreError> {
        let (found, now) = (found.to_vec(), self.core.now());
        self.core.look(move |connection| orphans::again(connection, &found, now)).await
    }
}
