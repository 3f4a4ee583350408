//! A worker's half of an open store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use super::beat::{self, Beaten, Patience};
use super::hub::Waiting;
use super::identity::Identity;
use super::tx::Tx;
use super::{Core, lease, settle};
use crate::names::{QueueName, TaskId};
use crate::store::{
    Beat, Consumer, Delivery, DeliveryTag, LeaseRequest, Settled, Settlement, StoreError, StoredResult, WorkerSpec,
};

/// A worker that is signed on.
#[derive(Debug)]
pub(super) struct SqliteConsumer {
    core: Arc<Core>,
    identity: Arc<Identity>,
    /// The numbers of its queues.
    queues: HashMap<QueueName, i64>,
}

impl SqliteConsumer {
    /// Signs a worker on.
    pub(super) async fn sign_on(core: Arc<Core>, spec: WorkerSpec) -> Result<Self, StoreError> {
        let identity = Arc::new(Identity::new(spec, core.options.lease));
        let (signing, signed) = (Arc::clone(&identity), Arc::clone(&identity));
        let work = move |tx: &mut Tx<'_>| {
            let mut queues = HashMap::new();
            for name in &signing.spec().queues {
                queues.insert(name.clone(), tx.queue(name)?);
            }
            Ok((signing.sign_on(tx)?, queues))
        };
        let (_, queues) = core.writer.call_unsynced(work, move |(incarnation, _)| signed.is_now(incarnation)).await?;
        Ok(Self { core, identity, queues })
    }

    async fn queue_numbers(&self, request: &LeaseRequest) -> Result<Vec<i64>, StoreError> {
        let names = request.queues.iter().map(|share| &share.queue);
        match names.clone().map(|name| self.queues.get(name).copied()).collect() {
            Some(numbers) => Ok(numbers),
            None => {
                let names: Vec<QueueName> = names.cloned().collect();
                self.core.writer.call(move |tx| names.iter().map(|name| tx.queue(name)).collect()).await
            }
        }
    }
}

/// Whether somebody is woken by then, where there is a then.
async fn woken_by(until: Option<Instant>, waiting: &Waiting) -> bool {
    match until {
        Some(until) => timeout_at(until, waiting.woken()).await.is_ok(),
        None => {
            waiting.woken().await;
            true
        }
    }
}

#[async_trait]
impl Consumer for SqliteConsumer {
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Delivery>, StoreError> {
        if self.identity.is_closed() {
            return Ok(Vec::new());
        }
        let (request, identity) = (request.clone(), Arc::clone(&self.identity));
        let work = move |tx: &mut Tx<'_>| {
            if identity.take_doubt() {
                tx.effects.reconcile.push(Arc::clone(&identity));
            }
            lease::lease(tx, &identity, &request)
        };
        match self.core.writer.call_unsynced(work, lease::Taken::committed).await {
            Ok(taken) => Ok(taken.hand_out()),
            Err(error) => {
                self.identity.doubt();
                Err(error)
            }
        }
    }

    async fn wait(&self, request: &LeaseRequest, at_most: Duration) -> Result<Vec<Delivery>, StoreError> {
        // One that would overflow has no end.
        let until = Instant::now().checked_add(at_most);
        let waiting = self.core.hub.wait_for_messages(self.queue_numbers(request).await?, request.suspect);
        loop {
            let deliveries = self.lease(request).await?;
            if !deliveries.is_empty() || self.identity.is_closed() || !woken_by(until, &waiting).await {
                return Ok(deliveries);
            }
        }
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let identity = Arc::clone(&self.identity);
        let settlements: Arc<[Settlement]> = settlements.into();
        let settled = Arc::clone(&settlements);
        let work = move |tx: &mut Tx<'_>| settle::settle(tx, &settlements);
        self.core.writer.call_then(work, move |answers| identity.settled(&settled, answers)).await
    }

    async fn give_back(&self, tags: &[DeliveryTag]) -> Result<usize, StoreError> {
        let (tags, identity) = (tags.to_vec(), Arc::clone(&self.identity));
        let work = move |tx: &mut Tx<'_>| settle::give_back(tx, &tags);
        let given = self.core.writer.call_unsynced(work, move |rows| identity.forgets(rows.iter().copied())).await?;
        Ok(given.len())
    }

    async fn absolve(&self, tag: &DeliveryTag) -> Result<Option<DeliveryTag>, StoreError> {
        let suspect = tag.clone();
        let stood = self.core.writer.call_unsynced(move |tx| settle::absolve(tx, &suspect), |_| ()).await?;
        Ok(stood.then(|| DeliveryTag { suspect: false, ..tag.clone() }))
    }

    async fn progress(&self, tag: &DeliveryTag, results: &[StoredResult]) -> Result<bool, StoreError> {
        let (tag, results) = (tag.clone(), results.to_vec());
        self.core.writer.call_unsynced(move |tx| settle::progress(tx, &tag, &results), |_| ()).await
    }

    async fn beat(&self) -> Result<Beat, StoreError> {
        if self.identity.is_closed() {
            return Ok(Beat::default());
        }
        let patience = Patience { grace: self.core.options.grace, sweep_gap: self.core.options.sweep_gap };
        let (identity, done) = (Arc::clone(&self.identity), Arc::clone(&self.identity));
        let work = move |tx: &mut Tx<'_>| beat::beat(tx, &identity, patience);
        let after = move |beaten: &mut Beaten| {
            done.is_now(&beaten.incarnation);
            done.forgets(beaten.returned.iter().copied());
        };
        let Beaten { mut beat, more, .. } = self.core.writer.call_unsynced(work, after).await?;
        beat.fenced = self.identity.take_fenced();
        if more {
            self.core.tidy();
        }
        Ok(beat)
    }

    async fn revoked(&self, ids: &[&TaskId]) -> Result<Vec<bool>, StoreError> {
        self.core.revoked(ids).await
    }

    async fn consume(&self, queues: &[QueueName]) -> Result<(), StoreError> {
        let (identity, queues) = (Arc::clone(&self.identity), queues.to_vec());
        let (done, consumed) = (Arc::clone(&self.identity), queues.clone());
        let work = move |tx: &mut Tx<'_>| identity.consume(tx, &queues);
        let after = move |incarnation: &mut _| {
            done.is_now(incarnation);
            done.consumes(consumed);
        };
        self.core.writer.call_unsynced(work, after).await.map(drop)
    }

    fn resize(&self, concurrency: usize) {
        self.identity.resize(concurrency);
    }

    async fn held(&self) -> Result<usize, StoreError> {
        let Some(incarnation) = self.identity.current() else { return Ok(0) };
        let look = move |connection: &rusqlite::Connection| {
            let mut count = connection.prepare_cached(super::sql::HELD_COUNT)?;
            Ok(count.query_row([incarnation.id], |row| row.get::<_, i64>(0))?)
        };
        Ok(usize::try_from(self.core.reader.look(look).await?).unwrap_or(0))
    }

    async fn close(&self) -> Result<(), StoreError> {
        let Some(incarnation) = self.identity.current() else { return Ok(()) };
        let identity = Arc::clone(&self.identity);
        let work = move |tx: &mut Tx<'_>| {
            settle::give_back_all(tx, incarnation.id)?;
            tx.prepare(super::sql::WORKER_DELETE)?.execute([incarnation.id])?;
            Ok(())
        };
        self.core.writer.call_unsynced(work, move |()| identity.close()).await
    }
}
