//! How the jobs of one task ended, how long they waited and ran.

use std::sync::atomic::{AtomicU64, Ordering};

use queue_core::Timestamp;
use queue_core::message::Message;
use queue_core::store::{DeadReason, Ending, Settlement};
use std::time::Duration;

use super::histogram::Histogram;

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It returned a value, or let another take its place.
    Succeeded,
    /// It failed and runs again.
    Retried,
    /// It asked to run later.
    Snoozed,
    /// It was revoked, or terminated.
    Revoked,
    /// It is kept aside.
    Dead(DeadReason),
}

/// Reasons of dead letters, in the words of `queue jobs`.
const REASONS: [(DeadReason, &str); 8] = [
    (DeadReason::Failed, "failed"),
    (DeadReason::BadArguments, "bad-arguments"),
    (DeadReason::UnknownTask, "unknown-task"),
    (DeadReason::Undecodable, "undecodable"),
    (DeadReason::Poison, "poison"),
    (DeadReason::Rejected, "rejected"),
    (DeadReason::TimeLimit, "time-limit"),
    (DeadReason::Expired, "expired"),
];
const PLAIN: [&str; 4] = ["succeeded", "retried", "snoozed", "revoked"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Tally {
    plain: [AtomicU64; PLAIN.len()],
    /// One more for a reason that is not in the list.
    dead: [AtomicU64; REASONS.len() + 1],
    /// From when they were sent, or due, until their bodies began.
    pub(crate) wait: Histogram,
    /// How long their bodies ran, however they ended.
    pub(crate) run: Histogram,
    /// How often a body blocked a thread of the runtime.
    pub(crate) blocked: AtomicU64,
}

impl Outcome {
    /// What `settlement` makes of a job that came out as `outcome`: what should follow may not be possible.
    pub(crate) fn of(settlement: &Settlement, outcome: Self) -> Self {
        match &settlement.ending {
            Ending::Dead(letter) => Self::Dead(letter.reason),
            Ending::Done => outcome,
        }
    }
}

/// What the worker did so far, of all tasks: what the store knows.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) succeeded: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) snoozed: AtomicU64,
    pub(crate) dead: AtomicU64,
    /// Those that had expired too.
    pub(crate) revoked: AtomicU64,
}

impl Counts {
    /// One more came out like this, and the store knows it.
    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Succeeded => &self.succeeded,
            Outcome::Retried => &self.retried,
            Outcome::Snoozed => &self.snoozed,
            Outcome::Revoked | Outcome::Dead(DeadReason::Expired) => &self.revoked,
            Outcome::Dead(_) => &self.dead,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            plain: Default::default(),
            dead: Default::default(),
            wait: Histogram::of_times(),
            run: Histogram::of_times(),
            blocked: AtomicU64::default(),
        }
    }

    /// One more came out like this, and the store knows it.
    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Succeeded => &self.plain[0],
            Outcome::Retried => &self.plain[1],
            Outcome::Snoozed => &self.plain[2],
            Outcome::Revoked => &self.plain[3],
            Outcome::Dead(reason) => {
                let place = REASONS.iter().position(|(one, _)| *one == reason).unwrap_or(REASONS.len());
                &self.dead[place]
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Every outcome with its reason (empty where it has none) and how often it came; those of the list always.
    pub(crate) fn outcomes(&self) -> Vec<(&'static str, &'static str, u64)> {
        let plain = PLAIN.iter().map(|name| (*name, "")).zip(&self.plain);
        let reasons = REASONS.iter().map(|(_, name)| *name).chain(["other"]);
        let dead = reasons.map(|name| ("dead", name)).zip(&self.dead);
        let all = plain.chain(dead).map(|((name, why), count)| (name, why, count.load(Ordering::Relaxed)));
        all.filter(|(_, why, count)| *why != "other" || *count > 0).collect()
    }

    /// Whether anything was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.outcomes().iter().all(|(.., count)| *count == 0) && self.wait.counted().count == 0
    }
}

/// How long a message had waited at `now` since it was sent or became due; `None` where it does not say.
pub(crate) fn waited(message: &Message, now: Timestamp) -> Option<Duration> {
    let since = match (message.eta, message.sent_at) {
        (Some(eta), Some(sent)) => eta.max(sent),
        (Some(eta), None) => eta,
        // A retry keeps the time of the first sending.
        (None, Some(sent)) if message.retries == 0 => sent,
        (None, _) => return None,
    };
    Some(since.until(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_counted_by_its_outcome_and_reason() {
        let tally = Tally::new();
        assert!(tally.is_empty());
        tally.count(Outcome::Succeeded);
        tally.count(Outcome::Succeeded);
        tally.count(Outcome::Dead(DeadReason::Poison));
        let counted: Vec<_> = tally.outcomes().into_iter().filter(|(.., n)| *n > 0).collect();
        assert_eq!(counted, [("succeeded", "", 2), ("dead", "poison", 1)]);
        assert!(!tally.is_empty());
    }

    #[test]
    fn every_reason_of_a_dead_letter_has_its_own_word() {
        for (reason, name) in REASONS {
            assert_eq!(serde_json::to_value(reason).unwrap(), name);
        }
    }
}
