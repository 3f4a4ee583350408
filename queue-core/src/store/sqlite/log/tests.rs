use super::super::connection;
use super::*;
use crate::store::{StoreError, StoreOptions};

/// How many pages of the log are not in the database yet.
fn left(connection: &Connection) -> i64 {
    let counts = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    let (log, written) = connection.query_row("PRAGMA wal_checkpoint(noop)", [], counts).unwrap();
    log - written
}

/// After a sync that failed a later one proves nothing of what was written before: that goes into the database.
#[test]
fn a_doubtful_log_is_emptied_before_it_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let connection = connection::open_writer(Some(&path), "sqlite:test", &StoreOptions::default()).unwrap();
    let log = Log::take_over(&path, &connection).unwrap();
    connection.execute_batch("INSERT INTO queue (name) VALUES ('mail')").unwrap();
    log.sync(&connection).unwrap();
    assert!(left(&connection) > 0, "a sync alone leaves it where it is");
    log.doubtful.set(true);
    log.sync(&connection).unwrap();
    assert_eq!(left(&connection), 0);
    assert!(!log.doubtful.get());
}

/// While somebody reads an old state the log cannot be emptied, and nothing is promised.
#[test]
fn a_doubtful_log_that_stays_full_promises_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let connection = connection::open_writer(Some(&path), "sqlite:test", &StoreOptions::default()).unwrap();
    let log = Log::take_over(&path, &connection).unwrap();
    let reader = connection::open_reader(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM queue").unwrap();
    connection.execute_batch("INSERT INTO queue (name) VALUES ('mail')").unwrap();
    log.doubtful.set(true);
    assert!(log.sync(&connection).is_err());
    assert!(log.sync(&connection).is_err(), "nor the second time");
    reader.execute_batch("COMMIT").unwrap();
    log.sync(&connection).unwrap();
}

#[test]
fn a_sync_that_fails_casts_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let connection = connection::open_writer(Some(&path), "sqlite:test", &StoreOptions::default()).unwrap();
    let log = Log::broken();
    assert!(log.sync(&connection).is_err());
    assert!(log.doubtful.get());
}

/// A log that belongs to another user is named, and is no disk that does not answer.
#[test]
fn a_log_that_may_not_be_written_is_named() {
    let told = not_opened(Path::new("queue.db-wal"), &ErrorKind::PermissionDenied.into()).tell("sqlite:test", false);
    let StoreError::ReadOnly { source, .. } = told else { panic!("{told:?}") };
    assert!(source.to_string().starts_with("`queue.db-wal`: "), "{source}");
}
