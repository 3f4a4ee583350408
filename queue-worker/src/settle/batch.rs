//! What one call to the store ends, and what hangs on each end until the store has answered.

use std::sync::Arc;

use queue_core::message::Message;
use queue_core::store::{DeadLetter, DeadReason, Ending, Settled, Settlement};
use queue_core::{QueueName, failpoint};
use tokio::sync::oneshot;

use super::Item;
use crate::emitter::Telling;
use crate::engine::count;
use crate::health::Health;
use crate::health::tally::{Outcome, Tally};
use crate::jobs::Held;
use crate::slots::{Slot, SuspectGuard};

/// Ends that one call carries.
pub(super) struct Batch {
    pub(super) settlements: Vec<Settlement>,
    pub(super) origins: Vec<Origin>,
    pub(super) bytes: usize,
}

/// What hangs on one of them.
pub(super) struct Origin {
    pub(super) queue: QueueName,
    pub(super) held: Option<Arc<Held>>,
    pub(super) _suspect: Option<SuspectGuard>,
    pub(super) _slot: Option<Slot>,
    pub(super) answer: Option<oneshot::Sender<Settled>>,
    pub(super) counted: Option<(&'static Tally, Outcome)>,
    pub(super) telling: Telling,
}

impl Batch {
    pub(super) fn push(&mut self, item: Item, bytes: usize) {
        let Item { settlement, queue, held, suspect, slot, answer, counted, telling, payload: _ } = item;
        self.settlements.push(settlement);
        self.origins.push(Origin { queue, held, _suspect: suspect, _slot: slot, answer, counted, telling });
        self.bytes += bytes;
    }

    /// Whether the body of a chord is among what it sends.
    pub(super) fn ends_chord(&self) -> bool {
        self.settlements.iter().any(|settlement| settlement.chord_end.is_some())
    }

    pub(super) fn tell(self, answers: Vec<Settled>, health: &Health) {
        failpoint::hit("settle.answered");
        failpoint::hit_when("chord.settled", || self.ends_chord());
        for (origin, answer) in self.origins.into_iter().zip(answers) {
            origin.log(answer, health);
        }
    }
}

impl Origin {
    pub(super) fn log(self, answer: Settled, health: &Health) {
        if answer == Settled::ChordTaken {
            tracing::info!(queue = %self.queue, id = self.id(), "this chord was ended by somebody else, or is forgotten: its body is not sent from here");
        }
        if answer == Settled::LeaseLost {
            count(&health.leases_lost);
            tracing::warn!(
                queue = %self.queue, task = self.task(), id = self.id(),
                "the lease of this task was lost before its end was stored: it runs again elsewhere, or has ended already"
            );
        }
        if answer == Settled::Done {
            if let Some((tally, outcome)) = self.counted {
                tally.count(outcome);
                health.counts.count(outcome);
            }
            self.telling.tell();
        }
        if let Some(tell) = self.answer {
            // Nobody waits any more: the worker is stopping.
            let _ = tell.send(answer);
        }
    }

    pub(super) fn task(&self) -> &str {
        self.message().map_or("?", |message| message.task.as_str())
    }

    pub(super) fn id(&self) -> &str {
        self.message().map_or("?", |message| message.id.as_str())
    }

    fn message(&self) -> Option<&Message> {
        self.held.as_ref().map(|held| &*held.message)
    }

    pub(super) fn letter(&self, error: String, ending: &Ending) -> DeadLetter {
        let worker = match ending {
            Ending::Dead(letter) => letter.worker.clone(),
            Ending::Done => String::new(),
        };
        let message = self.message();
        DeadLetter {
            id: message.map(|message| message.id.to_string()),
            task: message.map(|message| message.task.to_string()),
            reason: DeadReason::Failed,
            error,
            retries: message.map_or(0, |message| message.retries),
            worker,
        }
    }
}
