//! The threads of an open store, and their end.
//!
//! The last connection to a file that is closed writes the log into it and deletes the log. Each thread closes its own
//! when nobody can ask it any more; a process that ended meanwhile would leave the log as a crash does. So whoever closes
//! a store waits for them, a moment at most: one that others keep from its work ends without.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long to wait at most.
const LONGEST: Duration = Duration::from_secs(1);

/// Held by each thread until its connection is closed.
#[derive(Debug, Clone)]
pub(super) struct Alive(#[expect(dead_code, reason = "its end is what it tells")] Sender<Infallible>);

/// Waits for the threads when it is dropped: to be dropped after all that they are asked through.
#[derive(Debug)]
pub(super) struct Threads(Mutex<Receiver<Infallible>>);

/// What each thread gets a clone of, and what waits for all of them.
pub(super) fn threads() -> (Alive, Threads) {
    let (alive, ended) = channel();
    (Alive(alive), Threads(Mutex::new(ended)))
}

impl Drop for Threads {
    fn drop(&mut self) {
        let ended = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LONGEST) {
            tracing::debug!("the file could not be closed in time: its log may stay beside it");
        }
    }
}
