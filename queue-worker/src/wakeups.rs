//! What makes an idle fetch loop ask again before its wait ends: something due, something reclaimed. And who was woken by
//! the end of a job.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use queue_core::Timestamp;
use tokio::sync::Notify;

/// Shared by the fetch loop, which sleeps on it, and by all who know of something to fetch.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    next_due: Mutex<Option<Timestamp>>,
    nudge: Notify,
}

impl Wakeups {
    /// There may be something to lease now.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Something in the worker's queues is due at `due`.
    pub(crate) fn due(&self, due: Timestamp) {
        let mut next = self.lock();
        if next.is_none_or(|known| due < known) {
            *next = Some(due);
            drop(next);
            self.nudge();
        }
    }

    /// What was announced as due first; forgotten once it is due, since the next lease promotes it.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let mut next = self.lock();
        if next.is_some_and(|due| due <= now) {
            return next.take();
        }
        *next
    }

    /// Waits for a nudge.
    pub(crate) async fn nudged(&self) {
        self.nudge.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Timestamp>> {
        self.next_due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often the end of a job woke a task of this worker's own. The runtime keeps the task that was woken last for the thread
/// that woke it, and no other takes it from there: whoever goes on polling bodies on that thread, any of which may block it,
/// must let that task run first.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicU64);

impl Wakes {
    /// One more.
    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_due_time_counts_until_it_has_come() {
        let at = Timestamp::from_millis;
        let wakeups = Wakeups::default();
        wakeups.due(at(500));
        wakeups.due(at(300));
        wakeups.due(at(900));
        assert_eq!(wakeups.next_due(at(100)), Some(at(300)));
        assert_eq!(wakeups.next_due(at(300)), Some(at(300)));
        assert_eq!(wakeups.next_due(at(301)), None);
    }
}
