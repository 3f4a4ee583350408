//! The threads of an open store, and their end.
//!
//! The last connection to a file that is closed writes the log into it and deletes the log. Each thread closes its own
//! when nobody can ask it any more; a process that ended meanwhile would leave the log as a crash does. So whoever closes
//! a store waits for them, a moment at most: one that others keep from its work ends without. And the writer's thread waits
//! for the others: of two connections that are closed at the same time each finds the other still there.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long to wait at most.
const LONGEST: Duration = Duration::from_secs(3);

/// Held by each thread until its connection is closed.
#[derive(Debug, Clone)]
pub(super) struct Alive(#[expect(dead_code, reason = "its end is what it tells")] Option<Sender<Infallible>>);

/// Waits for the threads when it is dropped: to be dropped after all that they are asked through.
#[derive(Debug)]
pub(super) struct Threads(Mutex<Receiver<Infallible>>);

/// What waits for all threads, and what each of them gets a clone of: in this order, so that of two names for them the last is
/// dropped first. A database in memory leaves nothing behind: its end is not waited for.
pub(super) fn threads(in_memory: bool) -> (Threads, Alive) {
    let (alive, ended) = channel();
    (Threads(Mutex::new(ended)), Alive((!in_memory).then_some(alive)))
}

impl Threads {
    /// Waits until all have ended; false when that takes longer.
    fn end_within(&mut self, longest: Duration) -> bool {
        let ended = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        !matches!(ended.recv_timeout(longest), Err(RecvTimeoutError::Timeout))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if !self.end_within(LONGEST) {
            tracing::debug!("the file could not be closed in time: its log may stay beside it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_of_a_file_are_waited_for_and_no_others() {
        let (mut threads, alive) = super::threads(false);
        assert!(!threads.end_within(Duration::ZERO));
        drop(alive);
        assert!(threads.end_within(Duration::ZERO));
        let (mut none, _alive) = super::threads(true);
        assert!(none.end_within(Duration::ZERO));
    }
}
