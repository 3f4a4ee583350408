//! What a store keeps of chords: how many parts are expected, which came in, and who sends the body.
//!
//! Two atomic phases. The settle of a header task inserts its part, counts, and when all are in claims the chord and
//! leases a *dispatch* message to the same worker. That worker reads the parts, builds the body, and one more
//! settle checks the claim, sends the body and cleans up. On Redis the keys are Celery's own (`….j .t .s .d .c`), so that
//! Python workers may finish other parts of the same chord.
//!
//! Source: Celery 5.7, `celery/backends/redis.py`.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Outgoing, StoreError, StoredResult};
use crate::names::TaskId;

/// How the payload of a dispatch begins. Such a message is never put into a list that a Python worker reads: given back or
/// reclaimed, it goes among the suspects, which only our workers lease.
pub const INTERNAL: &[u8] = b"{\"queue-internal\":1,";

/// How long a claim to a chord stands: longer than it takes until a dead worker's dispatch is another's. A claim that ran out may be
/// taken again while the chord is there.
pub(crate) const CLAIM: Duration = Duration::from_secs(60);
/// How long it is remembered that a chord is over, so that a late part does not begin it anew. As long as Celery remembers it.
pub(crate) const DONE: Duration = Duration::from_secs(300);
/// How long a chord whose parts are all in waits for its end at least, however soon its results are forgotten: its parts do not run
/// again, and nobody may be there to send the body for a while.
pub(crate) const COMPLETE: Duration = Duration::from_secs(30 * 86_400);

/// One change of a chord within a settlement.
#[derive(Debug, Clone)]
pub enum ChordStep {
    /// A chord begins: its parts are among the follow-ups.
    Begin(ChordStart),
    /// A running header task adds more parts to its own chord.
    Grow {
        /// The chord: its header's group id.
        group: String,
        /// How many more parts.
        by: u32,
        /// How long the count is kept.
        ttl: Option<Duration>,
    },
    /// A part is done, well or not.
    Part(ChordPart),
}

impl ChordStep {
    /// About how many bytes it takes to the store.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Begin(start) => start.meta.as_ref().map_or(0, Bytes::len),
            Self::Grow { .. } => 0,
            Self::Part(part) => part.member.len() + part.dispatch.payload.len(),
        }
    }
}

/// A chord that begins.
#[derive(Debug, Clone)]
pub struct ChordStart {
    /// Its name: the header's group id.
    pub group: String,
    /// How many parts will come in.
    pub size: u64,
    /// Celery's group meta (`{"result": [[gid, parent], [tuple, …]]}`), for a header that contains groups: the body's argument
    /// then is nested as the header was.
    pub meta: Option<Bytes>,
    /// How long its keys are kept; `None` is for ever.
    pub ttl: Option<Duration>,
}

/// A finished part of a chord.
#[derive(Debug, Clone)]
pub struct ChordPart {
    /// Which chord.
    pub group: String,
    /// Whose part.
    pub id: TaskId,
    /// Its place in the body's argument; `None`: behind all others.
    pub index: Option<i64>,
    /// What is kept, byte for byte as Python writes it: `[1, "<id>", "<STATE>", <result>]`.
    pub member: Bytes,
    /// How long the chord's keys are kept from now on; `None` is for ever.
    pub ttl: Option<Duration>,
    /// Names our claim should this part be the last.
    pub token: String,
    /// What to lease to this worker should this part be the last: its payload begins with [`INTERNAL`]. Its queue and
    /// priority are those of the delivery that is settled.
    pub dispatch: Outgoing,
}

/// The end of a chord: checked before anything else of the settlement. The claim must be ours, or have run out while the
/// chord is still there; otherwise only the delivery goes ([`super::Settled::ChordTaken`]).
#[derive(Debug, Clone)]
pub struct ChordEnd {
    /// Which chord.
    pub group: String,
    /// Our claim.
    pub token: String,
    /// A part failed: the body is not sent. As Celery does, what came in is left to expire and only the expected size is
    /// deleted.
    pub failed: bool,
    /// How long what stays of it is kept; `None` is for ever.
    pub ttl: Option<Duration>,
}

/// What came in of a chord.
#[derive(Debug, Clone, Default)]
pub struct ChordParts {
    /// Celery's group meta, where the header contains groups.
    pub meta: Option<Bytes>,
    /// How many parts its header had when it began; `None` when that is not known any more.
    pub size: Option<u64>,
    /// The members, in the order of their indexes.
    pub members: Vec<Bytes>,
}

/// Keeps what groups and chords need besides messages and results. What a settlement does to chords is in
/// [`Settlement::chords`](super::Settlement::chords).
#[async_trait]
pub trait Chords: Send + Sync {
    /// Writes how many parts chords wait for, before their parts are enqueued, and forgets earlier claims. Calling it again
    /// with the same is harmless as long as no part has come in.
    async fn begin_chords(&self, chords: &[ChordStart]) -> Result<(), StoreError>;
    /// What came in of the chord of this group.
    async fn chord_parts(&self, group: &str) -> Result<ChordParts, StoreError>;
    /// Stores the meta of a group (Celery's `GroupResult.save`) under the group's id, and tells who waits for it.
    async fn put_group(&self, group: &StoredResult) -> Result<(), StoreError>;
    /// The stored meta of a group.
    async fn get_group(&self, group: &TaskId) -> Result<Option<Bytes>, StoreError>;
    /// Deletes the stored meta of a group; true where there was one.
    async fn forget_group(&self, group: &TaskId) -> Result<bool, StoreError>;
}
