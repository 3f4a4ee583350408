//! Enqueueing once: numbers for a program that tries again by itself, keys for one whose caller may.
//!
//! A connection that is cut in the middle of a call leaves its outcome unknown: the message may be there, or may even have run.
//! What makes a second try safe must have been written by the first, in the same step. A [`SendNumber`] is that for the tries
//! of one call; it is one small field for each call under way at once, whatever their count. A [`SendKey`] is that for calls made by
//! whoever has the same key, for as long as the key stands.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{ChordStart, Outgoing};

/// How long a store remembers a producer's numbers after the last of them: longer than any try may be on its way.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(3600);

/// Numbers one call, so that it can be made again: a call whose number the store has seen changes nothing.
///
/// A producer has lanes, and one call at a time on each. The numbers of a lane only grow, so that the store keeps the last
/// one alone, and a call that arrives after a later one of its lane is refused, however long it was on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendNumber {
    /// Who sends; a fresh name for each client.
    pub producer: Arc<str>,
    /// Which of its lanes.
    pub lane: u32,
    /// Greater than all before on this lane; at most 2^53.
    pub number: u64,
}

/// What a caller calls a send, so that it can be made again by anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendKey {
    /// Of the whole store, for all queues and tasks.
    pub key: Arc<str>,
    /// How long it stands: at least a second.
    pub ttl: Duration,
    /// What is told to whoever comes later with the same key.
    pub value: Bytes,
}

/// Messages that are enqueued together, and what begins with them.
#[derive(Debug, Clone, Default)]
pub struct Parcel {
    /// The messages.
    pub messages: Vec<Outgoing>,
    /// Chords that begin with them, as [`Chords::begin_chords`](super::Chords::begin_chords) begins them.
    pub chords: Vec<ChordStart>,
    /// While it stands, nothing of it happens.
    pub key: Option<SendKey>,
}

impl Parcel {
    /// Messages without a key.
    pub fn of(messages: Vec<Outgoing>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// What to tell of a key that stood: nothing where it is this parcel's own, which an earlier try has put there.
    pub(crate) fn stood(&self, found: Option<Bytes>) -> Option<Bytes> {
        found.filter(|value| self.key.as_ref().is_none_or(|own| own.value != *value))
    }
}
