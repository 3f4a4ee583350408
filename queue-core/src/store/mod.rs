//! What keeps messages and results: the traits a driver implements, their data and their errors.
//!
//! A [`Store`] is a broker and a result backend in one, so that both change in one step. It has
//! five faces: [`Broker`] takes messages in and hands out a [`Consumer`] for each worker,
//! [`Results`] keeps what tasks returned, [`Chords`] what groups and chords need, [`Bus`] carries what is for whoever
//! listens, [`Inspect`] looks and mends.
//! [`connect`] chooses the driver by URL. A driver knows nothing of tasks: it moves bytes.
//!
//! The words of these docs are the contract; `tests/conformance` checks them on every driver.

mod bus;
mod chord;
mod consumer;
mod error;
mod inspect;
mod once;
mod orphans;
pub mod redis;
pub mod sqlite;
mod url;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::{Clock, Timestamp};
use crate::names::{Priority, QueueName, TaskId};

pub use self::bus::*;
pub use self::chord::*;
pub use self::consumer::*;
pub use self::error::{BoxError, StoreError};
pub use self::inspect::*;
pub(crate) use self::once::REMEMBERED;
pub use self::once::{Parcel, SendKey, SendNumber};
pub use self::orphans::*;
pub use self::url::{ConnectError, StoreUrl, UrlError, connect, connect_with};

/// A message on its way into a queue.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The queue to put it in.
    pub queue: QueueName,
    /// How urgent; decides the list.
    pub priority: Priority,
    /// `None`: ready at once. Otherwise it waits in the store until then (the store's clock).
    pub due: Option<Timestamp>,
    /// The task's id, as in the message.
    pub id: TaskId,
    /// The task's name, as in the message; only for looking.
    pub task: Arc<str>,
    /// The envelope, byte for byte as it will be delivered.
    pub payload: Bytes,
}

/// How a store is opened. Its `Debug` has no password.
#[derive(Clone)]
pub struct StoreOptions {
    /// The clock; tests move it.
    pub clock: Clock,
    /// How long a worker's leases stand without a heartbeat. Those of workers that share a queue (or a file) may differ, but not by
    /// more than five times where they are above ten minutes: the longer would be cut. Default 7 s.
    pub lease: Duration,
    /// How long a silent worker stays a suspect, while the store answers, before it is reclaimed. Of the time between two sweeps at
    /// most half of this counts. Default 3.5 s.
    pub grace: Duration,
    /// Sweeps further apart than this (the store was away, or its clock was set back) restart every suspect's grace. Default 4 s.
    pub sweep_gap: Duration,
    /// The largest payload accepted by `enqueue`, in bytes. Default 16 MiB.
    pub max_payload: usize,
    /// How long to wait for a connection. Default 5 s.
    pub connect_timeout: Duration,
    /// How long to wait for the answer to one command. Default 10 s.
    pub response_timeout: Duration,
    /// Redis: where results and chords are kept (`redis://host/1?prefix=shop`), if not with the messages. In another database
    /// of the same server, all still happens in one step; on another server, some may happen twice: see the guarantees.
    /// Celery: `result_backend`. Default: with the messages.
    pub results: Option<String>,
    /// Redis: how keys are named. A URL's own parameters stand before these.
    pub redis: redis::RedisOptions,
}

impl Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { clock, lease, grace, sweep_gap, max_payload, connect_timeout, response_timeout, results, redis } =
            self;
        f.debug_struct("StoreOptions")
            .field("clock", clock)
            .field("lease", lease)
            .field("grace", grace)
            .field("sweep_gap", sweep_gap)
            .field("max_payload", max_payload)
            .field("connect_timeout", connect_timeout)
            .field("response_timeout", response_timeout)
            .field("results", &results.as_deref().map(url::mask))
            .field("redis", redis)
            .finish()
    }
}

/// The longest lease that some other worker may have, as far as one with this `lease` knows: one that stands for longer is left from a
/// time before the store's clock was set back.
pub(crate) fn longest_lease(lease: Duration) -> Duration {
    lease.saturating_mul(5).max(Duration::from_secs(600))
}

/// The environment's variable with the URL of the results, for [`StoreOptions::results`].
pub const QUEUE_RESULT_URL: &str = "QUEUE_RESULT_URL";

impl StoreOptions {
    /// The defaults, with the results at `url`; empty is as none.
    pub fn with_results(url: Option<String>) -> Self {
        Self { results: url.filter(|url| !url.is_empty()), ..Self::default() }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            lease: Duration::from_secs(7),
            grace: Duration::from_millis(3500),
            sweep_gap: Duration::from_secs(4),
            max_payload: 16 * 1024 * 1024,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(10),
            results: None,
            redis: redis::RedisOptions::default(),
        }
    }
}

/// Broker, result backend, chords, bus and their inspection in one.
pub trait Store: Broker + Results + Chords + Bus + Inspect {}
impl<T: Broker + Results + Chords + Bus + Inspect> Store for T {}

/// Takes messages in. Delivery is at least once.
#[async_trait]
pub trait Broker: Send + Sync + Debug {
    /// Appends each message to its queue, in order; when this returns `Ok`, all of them survive a crash
    /// of the caller. Messages with a `due` in the future wait until then.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] before anything is written, when one payload exceeds the limit;
    /// [`StoreError::Full`], [`StoreError::ReadOnly`], [`StoreError::Unreachable`] and so on when the store
    /// refuses. [`StoreError::outcome_unknown`] tells whether messages may have arrived all the same.
    async fn enqueue(&self, messages: &[Outgoing]) -> Result<(), StoreError>;

    /// As [`Broker::enqueue`], all parcels in one step, and again harmless: with a `number` that the store has seen, nothing
    /// changes; a parcel whose key stands is left out. Says per parcel: `None` when it is enqueued, by this call or by an
    /// earlier one with the same value, else the value of the key that stood. A parcel with chords and a key is the only one of its
    /// call.
    ///
    /// # Errors
    ///
    /// As [`Broker::enqueue`]; then nothing was written, not even a key, unless the outcome is unknown.
    async fn enqueue_once(
        &self,
        parcels: &[Parcel],
        number: Option<&SendNumber>,
    ) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// Registers a worker and gives it its half of the store.
    async fn consumer(&self, worker: WorkerSpec) -> Result<Arc<dyn Consumer>, StoreError>;

    /// Marks tasks as revoked for `keep`: a worker that leases one of their messages later is told so.
    async fn revoke(&self, ids: &[TaskId], keep: Duration) -> Result<(), StoreError>;

    /// The tasks that are marked as revoked now, at most `limit` of them, in no order.
    async fn revocations(&self, limit: usize) -> Result<Vec<TaskId>, StoreError>;

    /// What this store's durability rests on, for the worker's first log lines.
    async fn durability(&self) -> Result<Durability, StoreError>;

    /// The clock this store was opened with.
    fn clock(&self) -> &Clock;

    /// The store's own time now.
    async fn now(&self) -> Result<Timestamp, StoreError>;

    /// Whether Celery's own workers may consume the same queues. They hold a message back that is due later; what waits in our
    /// store only our workers promote.
    fn has_celery(&self) -> bool {
        false
    }

    /// The URL with its secrets masked; for logs and error messages.
    fn display_url(&self) -> &str;
}

/// What a store says of its own durability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// What serves it, and its version: `Redis 7.0.15`, `SQLite 3.50.4`.
    pub version: String,
    /// One sentence: what survives which crash.
    pub summary: String,
    /// Settings that break the promises (an evicting `maxmemory-policy`, no persistence); log as errors.
    pub warnings: Vec<String>,
}

/// A result to be stored: opaque bytes under a task's id.
#[derive(Debug, Clone)]
pub struct StoredResult {
    /// Whose result.
    pub id: TaskId,
    /// Celery's result object as JSON; starts with `{"status": "<STATE>"`.
    pub meta: Bytes,
    /// How long it is kept; `None` is for ever.
    pub ttl: Option<Duration>,
}

/// Tells whether a stored result is what a wait is for.
pub type Ready = fn(&[u8]) -> bool;

/// Keeps results. A stored SUCCESS is never overwritten.
#[async_trait]
pub trait Results: Send + Sync {
    /// Stores each and wakes those who wait for it; one that would overwrite a SUCCESS is skipped.
    async fn put_results(&self, results: &[StoredResult]) -> Result<(), StoreError>;
    /// The stored bytes, in the order asked; `None` where nothing is stored (or it expired).
    async fn get_results(&self, ids: &[TaskId]) -> Result<Vec<Option<Bytes>>, StoreError>;
    /// Waits until the stored result of `id` satisfies `ready`, at most `timeout`; `None` on timeout. It is looked for once
    /// at least; where the store has not answered to the last look when the time is over, and three seconds are, that is an error.
    /// Any number of waits in a runtime share one connection; dropping the future ends its wait.
    async fn wait_result(&self, id: &TaskId, ready: Ready, timeout: Duration) -> Result<Option<Bytes>, StoreError>;
    /// Deletes results; true where there was one.
    async fn forget(&self, ids: &[TaskId]) -> Result<Vec<bool>, StoreError>;
}
