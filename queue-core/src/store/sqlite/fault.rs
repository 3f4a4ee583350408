//! What went wrong inside the driver, and which [`StoreError`] that is to the caller.

use std::path::Path;
use std::time::Duration;

use rusqlite::{ErrorCode, ffi};

use crate::store::{BoxError, StoreError};

/// Why a step failed. Unlike [`StoreError`], it can be told to several callers.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// What SQLite said: its extended code and its words.
    Sql { code: i32, text: String },
    /// Others held the lock for so long.
    Locked(Duration),
    /// What this process had to do before took so long.
    Late(Duration),
    /// The file is not a store of ours.
    Foreign(String),
    /// The file that was opened is not at its place any more. It may come back.
    Away(&'static str),
    /// The disk did not take what was committed.
    Disk(String),
    /// A file may not be written by whoever runs this.
    Denied(String),
    /// A leased job was to be deleted.
    Leased,
    /// A cursor of somebody else.
    BadCursor(String),
    /// The store is being closed, or its thread died.
    Gone,
}

/// What a step inside the driver comes to.
pub(super) type Outcome<T> = Result<T, Fault>;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let code = match &error {
            rusqlite::Error::SqliteFailure(failure, _) => failure.extended_code,
            _ => ffi::SQLITE_ERROR,
        };
        Self::Sql { code, text: error.to_string() }
    }
}

impl Fault {
    /// Whether somebody else holds the lock just now, or stands still where the log's index is written.
    pub(super) fn is_busy(&self) -> bool {
        let busy = |code| matches!(code & 0xff, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL);
        matches!(self, Self::Sql { code, .. } if busy(*code))
    }

    /// What the caller is told. `unknown`: whether a commit may have happened all the same.
    pub(super) fn tell(self, url: &str, unknown: bool) -> StoreError {
        let url = url.to_owned();
        match self {
            Self::Sql { code, text } => tell_sql(url, code, text, unknown),
            Self::Locked(waited) => StoreError::Locked { url, waited },
            Self::Late(waited) => {
                let why = format!("it waited for {waited:.1?} behind what this process wrote before");
                StoreError::Unreachable { url, unknown: false, source: why.into() }
            }
            Self::Foreign(why) => StoreError::Foreign { url, why },
            Self::Away(why) => StoreError::Unreachable { url, unknown: false, source: why.into() },
            Self::Disk(why) => StoreError::Unreachable { url, unknown, source: why.into() },
            Self::Denied(why) => StoreError::ReadOnly { url, source: why.into() },
            Self::Leased => StoreError::Leased,
            Self::BadCursor(cursor) => StoreError::BadCursor(cursor),
            Self::Gone => StoreError::Unreachable { url, unknown, source: "the store's thread has ended".into() },
        }
    }
}

fn tell_sql(url: String, code: i32, text: String, unknown: bool) -> StoreError {
    let source: BoxError = text.clone().into();
    match ffi::Error::new(code).code {
        ErrorCode::DiskFull => StoreError::Full { url, source },
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly { url, source },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            StoreError::Locked { url, waited: Duration::ZERO }
        }
        ErrorCode::NotADatabase => StoreError::Foreign { url, why: "the file is not an SQLite database".into() },
        ErrorCode::DatabaseCorrupt => StoreError::Foreign { url, why: format!("the file is damaged: {text}") },
        ErrorCode::CannotOpen => StoreError::Foreign { url, why: format!("the file cannot be opened: {text}") },
        ErrorCode::SystemIoFailure => StoreError::Unreachable { url, unknown, source },
        _ => StoreError::Refused { url, source },
    }
}

/// What the caller is told when the operating system refused the file at `path`.
pub(super) fn tell_io(url: &str, path: &Path, error: std::io::Error) -> StoreError {
    use std::io::ErrorKind as Kind;
    let url = url.to_owned();
    match error.kind() {
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => StoreError::ReadOnly { url, source: error.into() },
        Kind::StorageFull | Kind::QuotaExceeded => StoreError::Full { url, source: error.into() },
        Kind::NotFound => {
            let why = match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                Some(folder) => format!("its folder `{}` does not exist", folder.display()),
                None => "it does not exist".to_owned(),
            };
            StoreError::Foreign { url, why }
        }
        Kind::IsADirectory => StoreError::Foreign { url, why: "it is a folder, not a file".into() },
        _ => StoreError::Foreign { url, why: format!("the file cannot be opened: {error}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_for_another_page_is_a_full_disk() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x); PRAGMA max_page_count = 2").unwrap();
        let error = connection.execute("INSERT INTO t VALUES (zeroblob(100000))", []).unwrap_err();
        let told = Fault::from(error).tell("sqlite:test", false);
        assert!(matches!(told, StoreError::Full { .. }), "{told:?}");
    }

    /// SQLite says so when it could not read the log's index for ten seconds, since somebody stands still who writes it: a
    /// worker that took it for a refusal would let jobs fail that are done.
    #[test]
    fn who_stands_still_in_the_index_is_waited_for() {
        let fault = || Fault::Sql { code: ffi::SQLITE_PROTOCOL, text: "locking protocol".into() };
        assert!(fault().is_busy());
        let told = fault().tell("sqlite:test", false);
        assert!(matches!(told, StoreError::Locked { .. }) && told.is_transient(), "{told:?}");
    }
}
