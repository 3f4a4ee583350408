//! Opens connections: what kind of file is it, is it ours, and how SQLite is to treat it.
//!
//! A file that is not ours is never changed: what it says of itself is read before anything is written.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::{Fault, Outcome, tell_io};
use super::{migrations, network};
use crate::store::{StoreError, StoreOptions};

#[cfg(test)]
mod tests;

/// In the file's header: it is a store of ours. The letters `Queu`.
pub(super) const APPLICATION_ID: i32 = 0x5175_6575;

/// Statements kept prepared per connection: all of them.
const STATEMENTS: usize = 128;

/// How readers wait for a lock; they meet one only while another process opens or recovers the file.
const READER_PATIENCE: Duration = Duration::from_secs(5);

/// Opens the connection that writes; makes the file and its tables if there are none.
pub(super) fn open_writer(path: Option<&Path>, url: &str, options: &StoreOptions) -> Result<Connection, StoreError> {
    let Some(path) = path else {
        return memory(options).map_err(|fault| fault.tell(url, false));
    };
    check_place(path, url)?;
    file(path, options).map_err(|fault| fault.tell(url, false))
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(READER_PATIENCE)?;
    connection.execute_batch("PRAGMA query_only = on; PRAGMA cache_size = -2000;")?;
    keep_statements(&connection)?;
    Ok(connection)
}

/// Keeps statements prepared, whatever is bound to them. SQLite would look at values too, to plan better: each other `LIMIT`
/// then prepares its statement anew, a tenth of what the writing thread does.
fn keep_statements(connection: &Connection) -> Outcome<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn memory(options: &StoreOptions) -> Outcome<Connection> {
    let mut connection = Connection::open_in_memory()?;
    keep_statements(&connection)?;
    migrations::apply(&mut connection, options.clock.now())?;
    Ok(connection)
}

fn file(path: &Path, options: &StoreOptions) -> Outcome<Connection> {
    if let Some(kind) = network::file_system(path) {
        return Err(Fault::Foreign(format!(
            "it is on a network file system ({kind}), where SQLite's write-ahead log does not work; \
             put it on a local disk, or use Redis"
        )));
    }
    // The log first: it is made after the file, which so is there, unless somebody has taken it away.
    let log = std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    if log && !path.exists() {
        // A new file would have SQLite delete it.
        return Err(Fault::Away(
            "the file is not there, but its write-ahead log (-wal) is, which may hold jobs: put the file back, or, to \
             begin anew, move the log away",
        ));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // Until the file is known to be ours, closing it must not move somebody's log into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(Duration::ZERO)?;
    // One that would overflow has no end.
    let until = Instant::now().checked_add(options.connect_timeout);
    patiently(until, || migrations::apply(&mut connection, options.clock.now()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    if !connection.is_readonly("main")? {
        patiently(until, || write_ahead(&connection))?;
    }
    connection.execute_batch(
        "PRAGMA synchronous = full; PRAGMA temp_store = memory; PRAGMA cache_size = -8000;
         PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
    )?;
    keep_statements(&connection)?;
    Ok(connection)
}

fn write_ahead(connection: &Connection) -> Outcome<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0))?;
    match mode.as_str() {
        // Only a read opens the log, where another process has just made the file; it stays open with the connection.
        "wal" => Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?),
        other => Err(Fault::Foreign(format!(
            "SQLite cannot keep a write-ahead log there (it stays with `{other}`); is it a network file system? \
             put the file on a local disk, or use Redis"
        ))),
    }
}

/// Tries again while others hold the lock.
fn patiently<T>(until: Option<Instant>, mut step: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let start = Instant::now();
    loop {
        match step() {
            Err(fault) if fault.is_busy() && until.is_none_or(|until| Instant::now() < until) => {
                std::thread::sleep(Duration::from_micros(fastrand::u64(500..5000)));
            }
            Err(fault) if fault.is_busy() => return Err(Fault::Locked(start.elapsed())),
            other => return other,
        }
    }
}

/// Refuses a place where no file can be, in words clearer than SQLite's.
///
/// By its metadata alone: to open and close the file ourselves would drop the POSIX locks of every connection that
/// this process has to it.
fn check_place(path: &Path, url: &str) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(tell_io(url, path, ErrorKind::IsADirectory.into())),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound && folder_exists(path) => Ok(()),
        Err(error) => Err(tell_io(url, path, error)),
    }
}

/// Whether the folder of `path` is there.
pub(super) fn folder_exists(path: &Path) -> bool {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.is_dir(),
        _ => true,
    }
}

/// `path` with `suffix` after its name: SQLite's way to name its side files.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
