//! Whose turn it is to write, among the processes that share a file.
//!
//! SQLite's lock is not fair: who has just committed takes it again while the others sleep, and with four processes
//! some never write. So a process takes its turn first, at a gate of two locks on files beside the database: it waits
//! for `next` holding nothing, then for `turn` holding `next`. Who has just written must pass `next` again, and finds
//! it held by whoever waits.
//!
//! It waits in the system's own queue for such locks, which wakes it at the moment that its turn comes: who looks now and
//! then instead leaves the file to nobody for a fifth of the time. But that wait has no end that one could set, so
//! a thread of its own waits, the *usher*, begun when the gate is first found occupied.
//!
//! The gate is for fairness alone: SQLite's own lock keeps the data right. So a process that cannot pass for a while
//! (one ahead of it is stopped) goes on without, until its usher is through.

mod usher;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::usher::Usher;
use super::connection::beside;

#[cfg(test)]
mod tests;

/// How long to queue at most before going on without a turn.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The gate of one database file.
#[derive(Debug)]
pub(super) struct Gate {
    locks: Arc<Locks>,
    usher: OnceLock<Option<Usher>>,
    patience: Duration,
}

/// The two locks.
#[derive(Debug)]
struct Locks {
    next: File,
    turn: File,
}

/// How far one has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Others wait.
    Behind,
    /// It is the next one: `next` is held.
    Next,
    /// It has the turn.
    Passed,
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
        let locks = Arc::new(Locks { next: open(path, "-next")?, turn: open(path, "-turn")? });
        Ok(Self { locks, usher: OnceLock::new(), patience: patience.min(PATIENCE) })
    }

    /// Waits for this process's turn. One thread has one turn at a time.
    pub(super) fn enter(&self) -> Turn<'_> {
        // The two threads share the locks: what the usher still stands in line for is not to be tried from here.
        let stuck = self.usher.get().is_some_and(|usher| usher.as_ref().is_some_and(Usher::stands_in_line));
        Turn { gate: self, taken: !stuck && self.pass() }
    }

    fn pass(&self) -> bool {
        let place = match self.locks.try_pass() {
            Some(Place::Passed) => return true,
            Some(place) => place,
            None => return false,
        };
        match self.usher() {
            Some(usher) => usher.lead_in(place, self.patience),
            None => {
                self.locks.leave(place);
                false
            }
        }
    }

    /// Whether another process waits for the turn that is somebody's.
    #[cfg(test)]
    pub(super) fn is_waited_for(&self) -> bool {
        let free = try_take(&self.locks.next).unwrap();
        if free {
            release(&self.locks.next);
        }
        !free
    }

    fn usher(&self) -> Option<&Usher> {
        let start = || {
            let begun = Usher::start(Arc::clone(&self.locks));
            begun.inspect_err(|error| tracing::warn!(%error, "no thread can wait for a turn to write")).ok()
        };
        self.usher.get_or_init(start).as_ref()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.taken {
            release(&self.gate.locks.turn);
        }
    }
}

impl Locks {
    /// How far one comes without waiting; `None` where there are no locks.
    fn try_pass(&self) -> Option<Place> {
        if !try_take(&self.next)? {
            return Some(Place::Behind);
        }
        match try_take(&self.turn) {
            Some(true) => {
                release(&self.next);
                Some(Place::Passed)
            }
            Some(false) => Some(Place::Next),
            None => {
                release(&self.next);
                None
            }
        }
    }

    /// Waits in line, from `place` on.
    fn pass(&self, place: Place) -> io::Result<()> {
        if place == Place::Behind {
            take(&self.next)?;
        }
        let passed = take(&self.turn);
        release(&self.next);
        passed
    }

    fn leave(&self, place: Place) {
        match place {
            Place::Behind => (),
            Place::Next => release(&self.next),
            Place::Passed => release(&self.turn),
        }
    }
}

/// One of the two files, made if missing. To lock it takes no right to write it: who may not is somebody else than who made it,
/// and may use the database all the same.
fn open(path: &Path, suffix: &str) -> io::Result<File> {
    let name = beside(path, suffix);
    match OpenOptions::new().read(true).write(true).open(&name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            File::open(&name).map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", name.display())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&name)?;
            if let Err(error) = share(&made, path) {
                tracing::debug!(%error, "others may be unable to take turns at this file");
            }
            Ok(made)
        }
        opened => opened,
    }
}

/// Whoever may use the database may use what lies beside it: as SQLite does with its own files there.
#[cfg(unix)]
fn share(made: &File, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let Ok(of) = std::fs::metadata(path) else { return Ok(()) };
    // Only root gives files away.
    if made.metadata()?.uid() == 0 {
        fchown(made, Some(of.uid()), Some(of.gid()))?;
    }
    made.set_permissions(of.permissions())
}

#[cfg(not(unix))]
fn share(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether the lock was free; `None` where there are none.
fn try_take(file: &File) -> Option<bool> {
    match file.try_lock() {
        Ok(()) => Some(true),
        Err(TryLockError::WouldBlock) => Some(false),
        Err(TryLockError::Error(error)) => {
            tracing::debug!(%error, "no turn can be taken on this file system");
            None
        }
    }
}

fn take(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            ended => return ended,
        }
    }
}

fn release(file: &File) {
    if let Err(error) = file.unlock() {
        tracing::warn!(%error, "a turn could not be given up");
    }
}
