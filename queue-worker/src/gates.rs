//! Whether a message may start at all.
//!
//! Pure. The order is the meaning: poison before anything that could look at it, what must not run before what
//! cannot.

use queue_core::Timestamp;
use queue_core::message::Message;

/// A message whose worker died this often while it was the only suspect running is poison.
pub(crate) const MAX_DEATHS: u32 = 3;

/// What is known of a message besides what it says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// How many workers it took along.
    pub(crate) deaths: u32,
    /// Whether its id was revoked.
    pub(crate) revoked: bool,
    /// Whether this worker has its task.
    pub(crate) known: bool,
    /// Now, by the store's clock.
    pub(crate) now: Timestamp,
}

/// What a message meets on its way to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Nothing: run it.
    Open,
    /// Its workers died: to the dead letters.
    Poison,
    /// Somebody took it back.
    Revoked,
    /// It is too late.
    Expired,
    /// It is too early: back into the store until then. A Python producer puts messages with an ETA
    /// straight into the queue.
    NotYet(Timestamp),
    /// This worker has no such task.
    UnknownTask,
}

/// The first gate that `message` does not pass.
pub(crate) fn gate(message: &Message, facts: Facts) -> Gate {
    if facts.deaths >= MAX_DEATHS {
        return Gate::Poison;
    }
    if facts.revoked {
        return Gate::Revoked;
    }
    if message.expires.is_some_and(|expires| expires <= facts.now) {
        return Gate::Expired;
    }
    if !facts.known {
        return Gate::UnknownTask;
    }
    match message.eta {
        Some(eta) if eta > facts.now => Gate::NotYet(eta),
        _ => Gate::Open,
    }
}

#[cfg(test)]
#[path = "gates_tests.rs"]
mod tests;
