//! Which tasks were revoked: marks in a table, and this process's copy of them.
//!
//! Every transaction tells how often `revoke` was called, by any process; only when that number has grown are the new
//! marks read.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};

use super::fault::Outcome;
use super::sql;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::names::TaskId;

/// Marks tasks until then.
pub(super) fn revoke(tx: &mut Tx<'_>, ids: &[TaskId], until: Timestamp) -> Outcome<()> {
    tx.meta.revocations += 1;
    let version = tx.meta.revocations;
    for id in ids {
        tx.prepare(sql::REVOKE)?.execute(params![id.as_str(), until.as_millis(), version])?;
    }
    Ok(())
}

/// Some of the tasks that are marked now.
pub(super) fn list(connection: &Connection, now: Timestamp, limit: i64) -> Outcome<Vec<TaskId>> {
    let mut statement = connection.prepare_cached(sql::REVOKED_LIST)?;
    let ids = statement.query_map(params![now.as_millis(), limit], |row| row.get::<_, String>(0))?;
    Ok(ids.filter_map(|id| id.ok().and_then(|id| TaskId::new(id).ok())).collect())
}

/// Marks newer than a version: id, until, version.
pub(super) type Marks = Vec<(String, i64, i64)>;

/// Reads the marks newer than `version` that still count.
pub(super) fn since(connection: &Connection, version: i64, now: Timestamp) -> Outcome<Marks> {
    let mut statement = connection.prepare_cached(sql::REVOKED_SINCE)?;
    let marks =
        statement.query_map(params![version, now.as_millis()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(marks.collect::<Result<_, _>>()?)
}

/// This process's copy of the marks.
#[derive(Debug, Default)]
pub(super) struct Copy(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    version: i64,
    until: HashMap<String, i64>,
}

impl Copy {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest version it has.
    pub(super) fn version(&self) -> i64 {
        self.inner().version
    }

    /// Adds marks, which are all there are up to `version`; forgets those whose time is over.
    pub(super) fn add(&self, marks: Marks, version: i64, now: Timestamp) {
        let mut inner = self.inner();
        inner.version = inner.version.max(version);
        inner.until.retain(|_, until| *until > now.as_millis());
        for (id, until, version) in marks {
            inner.version = inner.version.max(version);
            inner.until.insert(id, until);
        }
    }

    /// Which of `ids` are marked.
    pub(super) fn has(&self, ids: &[&TaskId], now: Timestamp) -> Vec<bool> {
        let inner = self.inner();
        let marked = |id: &&TaskId| inner.until.get(id.as_str()).is_some_and(|until| *until > now.as_millis());
        ids.iter().map(marked).collect()
    }
}
