//! Looking into a store, and mending what is found there.

use async_trait::async_trait;
use bytes::Bytes;

use super::{DeadLetter, Orphan, OrphanPage, StoreError};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskId};

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waiting for a free worker; suspects among them.
    Ready,
    /// Waiting for its time.
    Scheduled,
    /// Lent to a worker.
    Leased,
    /// Kept aside.
    Dead,
}

/// How many messages a queue has, by state, and its oldest ready one.
#[derive(Debug, Clone, Default)]
pub struct QueueCounts {
    /// Ready, all priority steps, suspects included.
    pub ready: u64,
    /// Ready, by step; steps with none may be absent.
    pub by_step: Vec<(u8, u64)>,
    /// Of the ready ones, those whose worker died.
    pub suspects: u64,
    /// Scheduled for later.
    pub scheduled: u64,
    /// Lent to workers.
    pub leased: u64,
    /// Dead letters.
    pub dead: u64,
    /// The ready message that waits longest, for its age: the store keeps no time of its own for it. Looked at are those that are
    /// next, of each step.
    pub oldest: Option<Bytes>,
    /// When the next scheduled one is due.
    pub next_due: Option<Timestamp>,
}

/// One message as found by looking.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its queue.
    pub queue: QueueName,
    /// The priority step of its list.
    pub step: u8,
    /// Its state.
    pub state: JobState,
    /// The envelope, byte for byte.
    pub payload: Bytes,
    /// Scheduled: when it is due.
    pub due: Option<Timestamp>,
    /// Leased: by which incarnation.
    pub worker: Option<String>,
    /// True for a message whose worker died.
    pub suspect: bool,
    /// Dead: when and why.
    pub dead: Option<(Timestamp, DeadLetter)>,
    /// What names it to `delete` and `retry_dead`.
    pub key: JobKey,
}

/// Names one looked-at message to the store. Opaque.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobKey {
    pub(crate) list: String,
    pub(crate) state: JobState,
    pub(crate) suspect: bool,
    /// Redis: the dead letter's entry id. SQLite: the row.
    pub(crate) entry: String,
    /// Redis: ready, scheduled: the bytes.
    pub(crate) payload: Bytes,
}

/// Where a page left off. Opaque text, to be given back as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A page of jobs.
#[derive(Debug, Clone)]
pub struct Page {
    /// Ready: next to be delivered first. Scheduled: next due first. Dead: newest first.
    pub jobs: Vec<Job>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// A worker as the store knows it.
#[derive(Debug, Clone)]
pub struct WorkerInfo {
    /// Its incarnation.
    pub incarnation: String,
    /// `name@host`.
    pub hostname: String,
    /// Its process id.
    pub pid: u32,
    /// How many tasks at once, as of its last heartbeat.
    pub concurrency: usize,
    /// What it consumes.
    pub queues: Vec<QueueName>,
    /// When it first signed on: one that was taken for dead and goes on has not started anew.
    pub started: Timestamp,
    /// When its leases end without another heartbeat; in the past: it is silent.
    pub lease_ends: Timestamp,
    /// How many messages it holds.
    pub held: u64,
}

/// Looks and mends. Every call is bounded: no single step blocks a server for milliseconds, however long the queue.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// The queues this store has seen messages or workers of, sorted.
    async fn queues(&self) -> Result<Vec<QueueName>, StoreError>;
    /// Counts of one queue.
    async fn counts(&self, queue: &QueueName) -> Result<QueueCounts, StoreError>;
    /// One page of a queue's jobs in `state`, about `limit` of them (fewer when they are large; a page may be short
    /// or empty although `next` is given).
    async fn page(
        &self,
        queue: &QueueName,
        state: JobState,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError>;
    /// Every message of task `id` in any queue and state, searched in bounded steps.
    async fn find(&self, id: &TaskId) -> Result<Vec<Job>, StoreError>;
    /// Deletes messages; a leased one is refused with [`StoreError::Leased`]. Says how many were there.
    async fn delete(&self, keys: &[JobKey]) -> Result<u64, StoreError>;
    /// Deletes all messages of a queue in `state`; says how many there were. `Leased` is refused.
    async fn purge(&self, queue: &QueueName, state: JobState) -> Result<u64, StoreError>;
    /// Puts dead letters back into their queues, each with the given bytes (its own, or rewritten), with its count of
    /// deaths forgotten; each in one atomic step. Says how many were still there.
    async fn retry_dead(&self, jobs: &[(JobKey, Bytes)]) -> Result<u64, StoreError>;
    /// The workers that are signed on.
    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError>;
    /// One step of the search for what is left over: keys or rows of ours without owner, end or bound. A step looks at a few
    /// hundred of them. What moves while it is looked at may seem to be left over: ask again with
    /// [`orphans_again`](Inspect::orphans_again) a few seconds later.
    async fn orphans(&self, cursor: Option<&Cursor>) -> Result<OrphanPage, StoreError>;
    /// Which of these are left over still.
    async fn orphans_again(&self, found: &[Orphan]) -> Result<Vec<Orphan>, StoreError>;
}
