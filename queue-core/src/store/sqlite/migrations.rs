//! Makes the tables of a new file, and brings an older file to this version.
//!
//! Each version is one file, applied in one transaction with the number it leads to. Nothing is done to a file that
//! holds other tables, or that a newer version made.

use rusqlite::{Connection, TransactionBehavior};

use super::connection::APPLICATION_ID;
use super::fault::{Fault, Outcome};
use crate::clock::Timestamp;

#[cfg(test)]
mod tests;

const VERSIONS: [&str; 4] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
];

/// What a file says of itself.
struct Found {
    application: i32,
    version: usize,
    tables: usize,
}

/// Brings the database to the newest version; nothing to do is the usual case, and takes no lock.
pub(super) fn apply(connection: &mut Connection, now: Timestamp) -> Outcome<()> {
    // In one step: another process may be making the tables, and half of what it has made would be somebody else's.
    if check(&at_once(connection, look)?)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been quicker.
    let found = look(&transaction)?;
    if !check(&found)? {
        for script in &VERSIONS[found.version..] {
            transaction.execute_batch(script)?;
        }
        transaction.execute("UPDATE meta SET swept = ?1 WHERE swept = 0", [now.as_millis()])?;
        transaction.pragma_update(None, "user_version", i32::try_from(VERSIONS.len()).unwrap_or(i32::MAX))?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Looks at one state of the database, however often it asks.
fn at_once<T>(connection: &mut Connection, look: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
    look(&*connection.transaction()?)
}

fn look(connection: &Connection) -> Outcome<Found> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(Found {
        application: i32::try_from(application).unwrap_or(-1),
        version: usize::try_from(version).unwrap_or(usize::MAX),
        tables: usize::try_from(tables).unwrap_or(usize::MAX),
    })
}

/// Whether there is nothing to do.
fn check(found: &Found) -> Outcome<bool> {
    let newest = VERSIONS.len();
    match (found.application, found.version) {
        (0, 0) if found.tables == 0 => Ok(false),
        (APPLICATION_ID, version) if version == newest => Ok(true),
        (APPLICATION_ID, version) if version < newest => Ok(false),
        (APPLICATION_ID, version) => Err(Fault::Foreign(format!(
            "a newer version of this program made it (schema {version}, this one knows {newest})"
        ))),
        _ => Err(Fault::Foreign("it is an SQLite database of another program".into())),
    }
}
