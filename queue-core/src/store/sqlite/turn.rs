//! Whose turn it is to write, among the processes that share a file.
//!
//! SQLite's lock is not fair: who has just committed takes it again while the others sleep, and with four processes
//! some never write. So a process takes its turn first, at a gate of two locks on files beside the database: it waits
//! for `next` holding nothing, then for `turn` holding `next`. Who has just written must pass `next` again, and finds
//! it held by whoever waits.
//!
//! The gate is for fairness alone: SQLite's own lock keeps the data right. So a process that cannot pass for a while
//! (one ahead of it is stopped) goes on without.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::connection::beside;

#[cfg(test)]
mod tests;

/// How long to queue at most before going on without a turn.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The gate of one database file.
#[derive(Debug)]
pub(super) struct Gate {
    next: File,
    turn: File,
    patience: Duration,
}

/// A turn; it ends when dropped.
#[derive(Debug)]
pub(super) struct Turn<'g> {
    gate: &'g Gate,
    taken: bool,
}

impl Gate {
    /// The gate of the database at `path`, for a process that waits for its lock so long.
    pub(super) fn open(path: &Path, patience: Duration) -> io::Result<Self> {
        let open =
            |suffix| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(beside(path, suffix));
        Ok(Self { next: open("-next")?, turn: open("-turn")?, patience: patience.min(PATIENCE) })
    }

    /// Waits for this process's turn.
    pub(super) fn enter(&self) -> Turn<'_> {
        let until = Instant::now() + self.patience;
        if !take(&self.next, until, Duration::from_micros(200)..Duration::from_millis(2)) {
            return Turn { gate: self, taken: false };
        }
        // Nobody else waits here: look often.
        let taken = take(&self.turn, until, Duration::from_micros(30)..Duration::from_micros(150));
        release(&self.next);
        Turn { gate: self, taken }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.taken {
            release(&self.gate.turn);
        }
    }
}

fn take(file: &File, until: Instant, pause: std::ops::Range<Duration>) -> bool {
    loop {
        match file.try_lock() {
            Ok(()) => return true,
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                let pause = pause.start + (pause.end - pause.start).mul_f64(fastrand::f64());
                std::thread::sleep(pause);
            }
            Err(TryLockError::WouldBlock) => return false,
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, "no turn can be taken on this file system");
                return false;
            }
        }
    }
}

fn release(file: &File) {
    if let Err(error) = file.unlock() {
        tracing::warn!(%error, "a turn could not be given up");
    }
}
