//! The write-ahead log as a file: what is in it once it is synced, a power cut does not undo.
//!
//! With `synchronous = full` SQLite syncs inside of `COMMIT`, while it holds the lock, and the other processes stand and
//! wait for a disk that could take their transactions too. So it only writes (`normal`: it still syncs the log before a
//! checkpoint, and its header before it is begun anew), and the writing thread syncs what it has committed between the
//! end of its turn and the answers. Others see a commit that little before the disk has it; but one that
//! builds on it lies behind it in the log, and is not answered before both are on the disk.
//!
//! SQLite has no locks on this file, so that one may open it beside SQLite. It stays the same file for as long as a
//! connection is open.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::Connection;

use super::connection::beside;
use super::fault::{Fault, Outcome};

#[cfg(test)]
mod tests;

/// The log of one database, which this process syncs by itself.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// A sync failed. The system may have given up what was to be written, and a second sync would not say so.
    doubtful: Cell<bool>,
}

impl Log {
    /// Takes the syncing of commits over from `connection`, which has the database at `path` open.
    pub(super) fn take_over(path: &Path, connection: &Connection) -> Outcome<Self> {
        // For writing: some systems sync nothing else.
        let log = beside(path, "-wal");
        let file = OpenOptions::new().read(true).write(true).open(&log).map_err(|error| not_opened(&log, &error))?;
        connection.execute_batch("PRAGMA synchronous = normal")?;
        Ok(Self { file, doubtful: Cell::new(false) })
    }

    /// Waits until the disk has all that was committed so far, by whomever. For the thread of `connection`, outside of a
    /// transaction.
    pub(super) fn sync(&self, connection: &Connection) -> Outcome<()> {
        if self.doubtful.get() {
            empty(connection)?;
        }
        let synced = self.file.sync_data().map_err(|error| disk(&error));
        self.doubtful.set(synced.is_err());
        synced
    }
}

/// Writes what the log holds into the database, where SQLite syncs it.
fn empty(connection: &Connection) -> Outcome<()> {
    let left = connection.query_row("PRAGMA wal_checkpoint(full)", [], |row| {
        Ok(row.get::<_, bool>(0)? || row.get::<_, i64>(1)? != row.get::<_, i64>(2)?)
    })?;
    if left { Err(Fault::Disk("the log could not be synced, nor emptied since".into())) } else { Ok(()) }
}

/// One that cannot be synced.
#[cfg(test)]
impl Log {
    pub(super) fn broken() -> Self {
        Self { file: File::open("/dev/null").unwrap(), doubtful: Cell::new(false) }
    }
}

/// A log may be somebody else's: who may only read the file leaves one behind.
fn not_opened(log: &Path, error: &std::io::Error) -> Fault {
    let why = format!("`{}`: {error}", log.display());
    if error.kind() == ErrorKind::PermissionDenied { Fault::Denied(why) } else { Fault::Disk(why) }
}

fn disk(error: &std::io::Error) -> Fault {
    Fault::Disk(error.to_string())
}
