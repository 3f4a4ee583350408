//! A worker's half of a store: lease, wait, settle, give back, beat.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{ChordEnd, ChordStep, Outgoing, StoreError, StoredResult};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskId};

/// Who a worker is. A fresh `incarnation` at every start: two starts never share leases.
#[derive(Debug, Clone)]
pub struct WorkerSpec {
    /// A fresh id, unique for ever, e.g. a UUID without dashes.
    pub incarnation: Arc<str>,
    /// For people: `name@host`.
    pub hostname: String,
    /// The operating system's process id.
    pub pid: u32,
    /// How many tasks it runs at once.
    pub concurrency: usize,
    /// The queues it consumes; one that is named twice is one.
    pub queues: Vec<QueueName>,
}

impl WorkerSpec {
    /// The same, with each queue named once: what is held of one that is there twice would be counted twice.
    pub(crate) fn with_each_queue_once(mut self) -> Self {
        let mut seen = HashSet::new();
        self.queues.retain(|queue| seen.insert(queue.clone()));
        self
    }
}

/// In which order a lease takes from several queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By priority step first, then in the order the queues are named: as kombu's `priority` strategy.
    #[default]
    Strict,
    /// Each queue up to its `share` first (by step within it); what is left over goes to any queue
    /// that still has messages, in the order named.
    Weighted,
}

/// One queue of a lease.
#[derive(Debug, Clone)]
pub struct Share {
    /// Which queue.
    pub queue: QueueName,
    /// With [`Order::Weighted`], how many of this lease are its due; otherwise ignored.
    pub share: usize,
}

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// From where. All of them are among the queues of the worker's [`WorkerSpec`], or of its last
    /// [`Consumer::consume`]. None: nothing is leased.
    pub queues: Vec<Share>,
    /// In which order.
    pub order: Order,
    /// How many at most; a driver may cap it at 1,000.
    pub limit: NonZeroUsize,
    /// Whether one suspect (a message whose worker died) may be among them: true while this worker runs none.
    pub suspect: bool,
}

/// Names a delivery to the store. Opaque; cheap to clone.
#[derive(Debug, Clone)]
pub struct DeliveryTag {
    /// The incarnation that leased it (drivers may add a generation).
    pub(crate) incarnation: Arc<str>,
    /// Redis: the list it came from. SQLite: unused.
    pub(crate) list: Arc<str>,
    /// SQLite: its row. Redis: counts up in the order in which this process took them in.
    pub(crate) row: i64,
    /// Whether it was leased as a suspect.
    pub(crate) suspect: bool,
    /// Its bytes.
    pub(crate) payload: Bytes,
}

/// A message on loan to this worker for as long as its heartbeat keeps the lease.
#[derive(Debug)]
#[must_use = "an unsettled delivery comes back when its lease ends"]
pub struct Delivery {
    /// The queue it came from.
    pub queue: QueueName,
    /// The priority step of the list it came from.
    pub step: u8,
    /// True when an earlier lease of it was lost.
    pub redelivered: bool,
    /// How many workers died while this was the only suspect they ran.
    pub deaths: u32,
    /// True when this is a suspect: at most one of them runs in a worker at a time.
    pub suspect: bool,
    /// What settles it.
    pub tag: DeliveryTag,
}

impl Delivery {
    /// The envelope, byte for byte.
    pub fn payload(&self) -> &Bytes {
        &self.tag.payload
    }
}

/// What becomes of a delivery.
#[derive(Debug, Clone)]
pub enum Ending {
    /// It is done: removed. (A retry is `Done` with the next message in `follow`.)
    Done,
    /// Kept aside with its reason and its original bytes, until somebody retries or deletes it.
    Dead(Box<DeadLetter>),
}

/// Why a message is kept aside.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeadLetter {
    /// The task's id, where the message could be read that far.
    pub id: Option<String>,
    /// The task's name, likewise.
    pub task: Option<String>,
    /// What kind: see [`DeadReason`].
    pub reason: DeadReason,
    /// The error in full sentences, for people.
    pub error: String,
    /// How often it had been tried before.
    pub retries: u32,
    /// Which worker set it aside.
    pub worker: String,
}

/// The kinds of dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DeadReason {
    /// The task failed and has no retries left, or failed for good.
    Failed,
    /// The arguments do not fit the task.
    BadArguments,
    /// No worker on this queue knows the task.
    UnknownTask,
    /// The bytes are not a message.
    Undecodable,
    /// Its worker died too often while running it.
    Poison,
    /// The task rejected it.
    Rejected,
    /// It ran past its time limit.
    TimeLimit,
    /// Nobody started it in time.
    Expired,
}

/// Ends one delivery in one atomic step.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Which delivery. `None` when it was acknowledged early: then nothing is fenced or removed.
    pub tag: Option<DeliveryTag>,
    /// What becomes of it. With `tag: None`, `Dead` needs `payload_of_early`.
    pub ending: Ending,
    /// Results to store in the same step.
    pub results: Vec<StoredResult>,
    /// Messages to enqueue in the same step.
    pub follow: Vec<Outgoing>,
    /// With `tag: None` and [`Ending::Dead`]: the queue, step and bytes to keep aside.
    pub early: Option<Box<(QueueName, u8, Bytes)>>,
    /// With `tag: None`: names this end, so that asking for it again after a lost answer does not do it twice. Kept for an hour,
    /// on Redis with messages and results on one server.
    pub once: Option<String>,
    /// What it means for chords, in the same step: before its follow-ups go out.
    pub chords: Vec<ChordStep>,
    /// Set when this delivery is a chord's dispatch: see [`ChordEnd`].
    pub chord_end: Option<Box<ChordEnd>>,
}

impl Settlement {
    /// Done, with nothing to store and nothing to send.
    pub fn done(tag: DeliveryTag) -> Self {
        Self { tag: Some(tag), ..Self::nothing() }
    }

    /// Done, of a delivery that was acknowledged early.
    pub fn early() -> Self {
        Self { once: Some(TaskId::random().as_str().to_owned()), ..Self::nothing() }
    }

    fn nothing() -> Self {
        Self {
            tag: None,
            ending: Ending::Done,
            results: Vec::new(),
            follow: Vec::new(),
            early: None,
            once: None,
            chords: Vec::new(),
            chord_end: None,
        }
    }
}

impl Settlement {
    /// The work of one step at most, in ends of the plainest kind: a server runs nothing else meanwhile, and with a result each of
    /// those takes Redis some 10 us.
    pub const MOST_WORK: usize = 250;
    /// What one step carries at most, in bytes, unless a single settlement has more.
    pub const MOST_BYTES: usize = 4 << 20;
    /// A step of a chord costs the server as much as so many plain ends.
    const CHORD_STEP: usize = 2;

    /// How much work it is: see [`Settlement::MOST_WORK`].
    pub fn work(&self) -> usize {
        1 + Self::CHORD_STEP * self.chords.len()
    }

    /// What it carries, in bytes, without the names of keys.
    pub fn bytes(&self) -> usize {
        let chords: usize = self.chords.iter().map(ChordStep::bytes).sum();
        let results: usize = self.results.iter().map(|result| result.meta.len()).sum();
        let follow: usize = self.follow.iter().map(|message| message.payload.len()).sum();
        chords + results + follow + self.tag.as_ref().map_or(0, |tag| tag.payload.len())
    }

    /// How many of `settlements`, from the first, go into one step; one at least.
    pub fn in_one_step(settlements: &[Self]) -> usize {
        let (mut bytes, mut work) = (0, 0);
        let fits = settlements.iter().take_while(|settlement| {
            work += settlement.work();
            bytes += settlement.bytes();
            bytes <= Self::MOST_BYTES && work <= Self::MOST_WORK
        });
        fits.count().max(1)
    }
}

/// What came of one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// All of it happened.
    Done,
    /// None of it happened: the lease had ended.
    LeaseLost,
    /// With [`Settlement::chord_end`]: the delivery is gone, and nothing else of it happened, since somebody else has
    /// dispatched that chord or is about to.
    ChordTaken,
}

/// What one heartbeat did.
#[derive(Debug, Clone, Default)]
pub struct Beat {
    /// How many due messages it moved into their queues.
    pub promoted: usize,
    /// Whether messages lie ready in the queues that this worker consumes; suspects do not count.
    pub ready: bool,
    /// How many messages of dead workers it took back.
    pub reclaimed: usize,
    /// The workers they were taken from (incarnations), for the log.
    pub dead_workers: Vec<String>,
    /// True when this worker had been reclaimed itself: what it held is lost (its settles will say
    /// [`Settled::LeaseLost`]) and it goes on with a fresh incarnation, which the driver has taken already.
    pub fenced: bool,
    /// When the next waiting message of this worker's queues is due.
    pub next_due: Option<Timestamp>,
}

/// A worker's half of a store.
///
/// All methods may be called concurrently, and dropping a future of any of them loses nothing: a message
/// that was leased but not handed out is found by reconciliation and handed out by a later `lease` or `wait`, or given back.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Leases up to `limit` messages, oldest first within a list, and returns at once, empty if there are none.
    /// Due messages are promoted first.
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Delivery>, StoreError>;

    /// Waits until a message can be leased, at most `at_most`, and returns what came, perhaps nothing: then
    /// ask `lease` again. One enqueued message wakes one waiting worker of all. Never returns more than `limit`;
    /// what arrives beyond it is given back.
    async fn wait(&self, request: &LeaseRequest, at_most: Duration) -> Result<Vec<Delivery>, StoreError>;

    /// Ends deliveries, each in one atomic and fenced step: results, follow-ups, dead letter and removal
    /// happen together or, with [`Settled::LeaseLost`], not at all. Answers in the order asked. On an error the
    /// outcome may be unknown; settling the same again is safe (what had happened is then [`Settled::LeaseLost`]).
    /// As many as go [into one step](Settlement::in_one_step) happen together; of more, some may have happened when a later step
    /// fails, and then the outcome is unknown.
    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, StoreError>;

    /// Puts deliveries back to the front of their queues, in their old order. For shutdown: nobody comes
    /// under suspicion by it, and who was a suspect stays one. A delivery whose lease was lost is skipped.
    async fn give_back(&self, tags: &[DeliveryTag]) -> Result<usize, StoreError>;

    /// Takes a suspect off suspicion: it has run long enough. Its next worker's death makes it a suspect again.
    async fn absolve(&self, tag: &DeliveryTag) -> Result<Option<DeliveryTag>, StoreError>;

    /// Stores results while the delivery stands (STARTED, PROGRESS, …); false when the lease was lost.
    async fn progress(&self, tag: &DeliveryTag, results: &[StoredResult]) -> Result<bool, StoreError>;

    /// Extends this worker's leases, promotes what is due, sweeps for silent workers and reclaims dead ones. To be
    /// called every 2 s or so. It may be called from a runtime of its own (and then always from the same), and uses a
    /// connection of its own.
    async fn beat(&self) -> Result<Beat, StoreError>;

    /// Which of `ids` were revoked. Costs a round trip only when something was revoked since the last call.
    async fn revoked(&self, ids: &[&TaskId]) -> Result<Vec<bool>, StoreError>;

    /// Says which queues this worker consumes from now on, instead of those of its [`WorkerSpec`]. What it holds of others
    /// stays in its hands; a wait that began before may still bring a message of them.
    async fn consume(&self, queues: &[QueueName]) -> Result<(), StoreError>;

    /// How many tasks it runs at once from now on, instead of what its [`WorkerSpec`] says: for people, who are told from the next
    /// heartbeat on.
    fn resize(&self, concurrency: usize);

    /// Chords' dispatches that were leased to this worker by its own settles and not handed out yet, where the driver leases
    /// them so. For a worker that stops: it leases no more, and these nobody else would have so soon.
    fn dispatches(&self) -> Vec<Delivery> {
        Vec::new()
    }

    /// Drops the connections on which this worker leases and waits, so that they are made anew: for a worker that should get
    /// messages and gets none. Nothing is lost by it. A driver without connections does nothing.
    fn reconnect(&self) {}

    /// How many connections broke, or were given up, so far, and were or will be made anew.
    fn reconnects(&self) -> u64 {
        0
    }

    /// How many deliveries the store says this worker holds.
    async fn held(&self) -> Result<usize, StoreError>;

    /// Gives back everything held and signs the worker off. Idempotent.
    async fn close(&self) -> Result<(), StoreError>;
}
