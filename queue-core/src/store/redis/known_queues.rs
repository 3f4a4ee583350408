//! Which queues' names the store knows already, as far as we know.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;

use crate::names::QueueName;

/// How long we believe that a queue's name is still in the set of queues: a server restarted empty forgets it.
const BELIEVE: Duration = Duration::from_secs(30);

/// When each queue's name was last written to the set of queues.
#[derive(Debug, Default)]
pub(super) struct KnownQueues(Mutex<HashMap<QueueName, Instant, RandomState>>);

impl KnownQueues {
    /// Whether the name should be written again.
    pub(super) fn is_news(&self, queue: &QueueName, now: Instant) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(queue).is_none_or(|at| now.saturating_duration_since(*at) >= BELIEVE)
    }

    /// These were written by a call that began `then` and was answered: one that was dropped may have written nothing.
    pub(super) fn note<'a>(&self, queues: impl IntoIterator<Item = &'a QueueName>, then: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > 10_000 {
            known.clear();
        }
        known.extend(queues.into_iter().map(|queue| (queue.clone(), then)));
    }

    /// Forgets what was written: a server that failed may come back without it.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
