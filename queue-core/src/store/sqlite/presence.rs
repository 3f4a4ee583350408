//! Whether the open database is still the file at its path, and its log and its index are still those beside it.
//!
//! On Unix a file can be deleted or replaced while it is open: what is written to it then is gone with its last user,
//! so writing must stop, until it is back at its place. The log (`-wal`) and the index of it (`-shm`) are parts of the
//! database: SQLite makes them when the first connection is set up and deletes them when the last one is closed, so that
//! they stay the same for as long as one of ours is open. When they are deleted under it, whoever opens the file next makes
//! others, and neither sees what the other one commits. Elsewhere the system refuses to delete an open file, and we only
//! look whether it exists.
//!
//! By their metadata alone: to open and close them would drop the POSIX locks that SQLite has on the file and the index.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::connection::beside;
use super::fault::{Fault, Outcome};
use super::place::Place;

#[cfg(test)]
mod tests;

/// A part of the database: the end of its name, and what to say when it was removed or replaced.
type Kind = (&'static str, &'static str, &'static str);

const FILE: Kind =
    ("", "the file was removed while it was open", "the file was replaced by another one while it was open");
const BESIDE: [Kind; 2] = [
    (
        "-wal",
        "the write-ahead log beside the file (-wal) was removed while it was open",
        "the write-ahead log beside the file (-wal) was replaced by another one while it was open",
    ),
    (
        "-shm",
        "the index of the log beside the file (-shm) was removed while it was open",
        "the index of the log beside the file (-shm) was replaced by another one while it was open",
    ),
];

/// Remembers which files were opened.
#[derive(Debug)]
pub(super) struct Presence {
    file: Part,
    beside: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    identity: Option<Identity>,
    removed: &'static str,
    replaced: &'static str,
}

impl Presence {
    /// Remembers the file now at `path`, which SQLite has open, and those beside it. One that is only read may have none.
    pub(super) fn of(path: &Path, read_only: bool) -> Self {
        let beside = BESIDE.map(|kind| Part::of(path, kind)).into_iter();
        Self {
            file: Part::of(path, FILE),
            beside: beside.filter(|part| !read_only || part.identity.is_some()).collect(),
        }
    }

    /// The same of the file at a place. What it is called must lead to it for as long: whoever comes later goes by that.
    pub(super) fn at(place: &Place, read_only: bool) -> Self {
        let mut presence = Self::of(&place.file, read_only);
        presence.file.path.clone_from(&place.named);
        presence
    }

    /// An error when one of them was removed or replaced since.
    pub(super) fn check(&self) -> Outcome<()> {
        self.file.check()?;
        self.beside.iter().try_for_each(Part::check)
    }

    /// Whether others have made a log or an index of their own.
    fn is_anothers(&self) -> bool {
        self.beside.iter().any(|part| part.now().is_ok_and(|now| Some(now) != part.identity))
    }
}

impl Part {
    fn of(path: &Path, (end, removed, replaced): Kind) -> Self {
        let mut part = Self { path: beside(path, end), identity: None, removed, replaced };
        part.identity = part.now().ok();
        part
    }

    fn now(&self) -> std::io::Result<Identity> {
        std::fs::metadata(&self.path).map(|meta| identity(&meta))
    }

    fn check(&self) -> Outcome<()> {
        match self.now() {
            Ok(now) if Some(now) == self.identity => Ok(()),
            Ok(_) => Err(Fault::Away(self.replaced)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Fault::Away(self.removed)),
            // Cannot be looked at just now; SQLite has it open and will say more.
            Err(_) => Ok(()),
        }
    }
}

#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(meta: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (meta.dev(), meta.ino())
}

#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}

/// A connection and the presence of its files; a database in memory has none.
#[derive(Debug)]
pub(super) struct Watched {
    connection: Connection,
    presence: Option<Arc<Presence>>,
}

impl Watched {
    pub(super) fn new(connection: Connection, presence: Option<Arc<Presence>>) -> Self {
        Self { connection, presence }
    }

    /// An error when what is read or written through it is not what others see.
    pub(super) fn check(&self) -> Outcome<()> {
        self.presence.as_ref().map_or(Ok(()), |presence| presence.check())
    }
}

impl Deref for Watched {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Watched {
    /// The last connection that is closed writes its log into the file, and deletes what is called like it. What others have
    /// committed to a log of their own would be lost; SQLite looks only whether the file itself is at its place.
    fn drop(&mut self) {
        let anothers = self.presence.as_ref().is_some_and(|presence| presence.is_anothers());
        if anothers && let Err(error) = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        {
            tracing::warn!(%error, "another process's log may be deleted");
        }
    }
}
