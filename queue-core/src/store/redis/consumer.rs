//! A worker's half of the store on Redis: what its calls share, the arms that wait for it, and its heartbeat's connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::arm::Arm;
use super::growing::Growing;
use super::hub::Subscription;
use super::inner::Inner;
use super::ledger::Ledger;
use super::link::Link;
use super::revoked::Revocations;
use super::shared::{Lane, Shared};
use super::window::HeldOrder;
use super::{beat, close, lease, settle, wait};
use crate::names::{QueueName, TaskId};
use crate::store::{
    Beat, Consumer, Delivery, DeliveryTag, INTERNAL, LeaseRequest, Settled, Settlement, StoreError, StoredResult,
    WorkerSpec,
};

/// How long a heartbeat waits for its connection and for its answer: well below a lease, so that a dead line is replaced
/// before the leases end.
const PULSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The consumer of one worker.
pub(super) struct RedisConsumer {
    pub(super) shared: Arc<Shared>,
    pub(super) arms: Growing<Arm>,
    /// The heartbeat's own connection, made in the runtime that beats.
    pub(super) pulse: Link,
    pub(super) beats: beat::Memory,
    due: Growing<Subscription>,
    growing: tokio::sync::Mutex<()>,
}

impl RedisConsumer {
    pub(super) async fn sign_on(store: Arc<Inner>, spec: WorkerSpec) -> Result<Self, StoreError> {
        let lists = spec.queues.iter().flat_map(|queue| store.keys.lanes(queue));
        let lanes: Vec<_> = lists.enumerate().map(|(index, keys)| Lane::new(index, keys, &spec.incarnation)).collect();
        let revocations = Revocations::new(&store);
        let shared = Arc::new(Shared {
            lanes: Growing::new(lanes),
            queues: Mutex::new(spec.queues.clone()),
            concurrency: AtomicUsize::new(spec.concurrency),
            described: AtomicUsize::new(spec.concurrency),
            started: OnceLock::new(),
            ledger: Ledger::default(),
            order: HeldOrder::default(),
            inbox: Mutex::default(),
            room: AtomicUsize::new(0),
            news: Notify::new(),
            timer: Notify::new(),
            dirty: AtomicBool::new(false),
            // Not known yet: the first lease asks.
            next_due: AtomicI64::new(0),
            due_news: AtomicUsize::new(0),
            drift_ms: AtomicI64::new(0),
            closed: AtomicBool::new(false),
            handed_out: AtomicI64::new(0),
            fenced: AtomicBool::new(false),
            revocations,
            store,
            spec,
        });
        let due = shared.lanes.iter().map(|lane| wait::watch_due(&shared, lane)).collect();
        let arms = shared.lanes.iter().map(|lane| Arm::new(&shared, lane.index)).collect();
        let pulse = shared.store.connector.hasty(PULSE_TIMEOUT).link();
        let (arms, due) = (Growing::new(arms), Growing::new(due));
        let growing = tokio::sync::Mutex::default();
        let consumer = Self { shared, arms, pulse, beats: beat::Memory::default(), due, growing };
        beat::sign_on(&consumer.shared, &consumer.shared.store.link).await?;
        Ok(consumer)
    }

    /// See [`crate::store::Consumer::consume`]. A lane once made stays: what is held of it is to be kept alive.
    async fn consume(&self, queues: &[QueueName]) -> Result<(), StoreError> {
        let _one_at_a_time = self.growing.lock().await;
        let shared = &self.shared;
        for queue in queues {
            if !shared.lanes.iter().any(|lane| lane.keys.queue == *queue) {
                self.add_lanes(queue)?;
            }
        }
        *shared.queues() = queues.to_vec();
        // A lane of a queue that was dropped and comes back may have been reclaimed meanwhile: its lease will tell.
        beat::sign_on(shared, &shared.store.link).await
    }

    fn add_lanes(&self, queue: &QueueName) -> Result<(), StoreError> {
        let shared = &self.shared;
        shared.store.check_queues([queue])?;
        let first = shared.lanes.len();
        let lists = shared.store.keys.lanes(queue).into_iter().enumerate();
        let lanes: Vec<_> = lists.map(|(n, keys)| Lane::new(first + n, keys, &shared.spec.incarnation)).collect();
        let due = lanes.iter().map(|lane| wait::watch_due(shared, lane)).collect();
        let arms = lanes.iter().map(|lane| Arm::new(shared, lane.index)).collect();
        let full = shared.lanes.grow(lanes).is_err() || self.arms.grow(arms).is_err() || self.due.grow(due).is_err();
        if full {
            let url = shared.store.connector.url.clone();
            return Err(StoreError::Refused { url, source: "this worker has consumed too many queues".into() });
        }
        Ok(())
    }
}

#[async_trait]
impl Consumer for RedisConsumer {
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Delivery>, StoreError> {
        lease::lease(&self.shared, request).await
    }

    async fn wait(&self, request: &LeaseRequest, at_most: Duration) -> Result<Vec<Delivery>, StoreError> {
        wait::wait(self, request, at_most).await
    }

    fn reconnect(&self) {
        self.shared.store.link.reset();
        self.arms.iter().for_each(Arm::reset);
        self.shared.dirty.store(true, Ordering::Release);
        self.shared.news.notify_one();
    }

    fn reconnects(&self) -> u64 {
        self.shared.store.connector.broken.load(Ordering::Relaxed)
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        settle::settle(&self.shared, settlements).await
    }

    async fn give_back(&self, tags: &[DeliveryTag]) -> Result<usize, StoreError> {
        settle::give_back(&self.shared, &self.shared.store.link, tags).await
    }

    async fn absolve(&self, tag: &DeliveryTag) -> Result<Option<DeliveryTag>, StoreError> {
        settle::absolve(&self.shared, tag).await
    }

    async fn progress(&self, tag: &DeliveryTag, results: &[StoredResult]) -> Result<bool, StoreError> {
        settle::progress(&self.shared, tag, results).await
    }

    async fn beat(&self) -> Result<Beat, StoreError> {
        beat::beat(self).await
    }

    async fn revoked(&self, ids: &[&TaskId]) -> Result<Vec<bool>, StoreError> {
        self.shared.revocations.check(&self.shared.store, ids).await
    }

    async fn consume(&self, queues: &[QueueName]) -> Result<(), StoreError> {
        Self::consume(self, queues).await
    }

    fn resize(&self, concurrency: usize) {
        self.shared.concurrency.store(concurrency, Ordering::Relaxed);
    }

    fn dispatches(&self) -> Vec<Delivery> {
        let mut inbox = self.shared.inbox();
        let (dispatches, others): (VecDeque<Delivery>, _) =
            inbox.drain(..).partition(|one| one.payload().starts_with(INTERNAL));
        *inbox = others;
        Vec::from(dispatches)
    }

    async fn held(&self) -> Result<usize, StoreError> {
        beat::held(&self.shared).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        close::close(self).await
    }
}

impl Drop for RedisConsumer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        for arm in self.arms.iter() {
            arm.stop();
        }
    }
}
