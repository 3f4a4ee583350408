//! What is left over in a store: keys or rows of ours that nothing live owns and that have no end.

use super::Cursor;

/// What is wrong with something that is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OrphanKind {
    /// Messages are held under a name that no list of workers has: no sweep will find them.
    HeldByNobody,
    /// A worker is listed that has no description, or was gone for an hour, and nobody took back what it held.
    LostWorker,
    /// A part of a message or of a dead letter is there without the rest.
    Torn,
    /// The key should expire, and does not.
    NoEnd,
    /// It belongs to a queue that the store does not list.
    UnlistedQueue,
    /// The count of a queue's messages differs from how many there are.
    Miscounted,
    /// A result or a group that does not expire. None where results are to be kept for ever.
    EndlessResult,
    /// A chord that does not expire. None where results are to be kept for ever.
    EndlessChord,
    /// A value of another type is where ours would be.
    Foreign,
    /// It expired long ago and is still there, although a worker lives that deletes what has expired.
    Expired,
}

impl OrphanKind {
    /// What a person can do about it.
    pub fn mend(self) -> &'static str {
        match self {
            Self::HeldByNobody => {
                "put the messages back: LMOVE them to the list named in the braces of the key; in SQLite, set `state` to 0"
            }
            Self::LostWorker => "start a worker on that queue: it takes back what the lost one held",
            Self::Torn => "delete the part that is left; what it belonged to is gone",
            Self::NoEnd => "give it an end: EXPIRE with a day or more; of open reply boxes remove the lost ones: SREM",
            Self::UnlistedQueue => "SADD the queue's name to the set of queues, so that it is seen; or delete the key",
            Self::Miscounted => "stop the workers and set `tally.n` to the true count",
            Self::EndlessResult | Self::EndlessChord => {
                "give it an end: EXPIRE, or `expires` in SQLite; if results are to stay, say so: QUEUE_RESULT_TTL=0s"
            }
            Self::Foreign => {
                "rename the key, or let the program whose it is use another name: ours leaves out what it cannot use"
            }
            Self::Expired => {
                "look again when the workers have had a minute; what stays, delete: nobody reads it any more"
            }
        }
    }

    /// Whether it is none where results are kept for ever.
    pub fn is_about_results(self) -> bool {
        matches!(self, Self::EndlessResult | Self::EndlessChord)
    }
}

/// Something that is left over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The key; of SQLite, the table and what names the row in it.
    pub key: String,
    /// What is wrong with it.
    pub kind: OrphanKind,
    /// Why it counts as left over, in a few words.
    pub why: String,
}

/// A step of the search for what is left over.
#[derive(Debug, Clone)]
pub struct OrphanPage {
    /// What was found.
    pub orphans: Vec<Orphan>,
    /// How many keys or rows were looked at.
    pub looked_at: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}
