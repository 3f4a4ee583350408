//! Deletes, purges, and retries what was set aside; in slices, so that no transaction is long.

use bytes::Bytes;
use rusqlite::{OptionalExtension, params};

use super::fault::{Fault, Outcome};
use super::look;
use super::sql;
use super::tx::{Kind, Tx, Wake};
use crate::names::QueueName;
use crate::store::{JobKey, JobState};

/// Rows per transaction.
pub(super) const SLICE: usize = 1000;

/// The row that a key names; `None` for a key that this store did not make.
fn row(key: &JobKey) -> Option<i64> {
    key.entry.parse().ok()
}

/// Deletes jobs that are still where they were seen; says how many.
pub(super) fn delete(tx: &mut Tx<'_>, keys: &[JobKey]) -> Outcome<u64> {
    if keys.iter().any(|key| key.state == JobState::Leased) {
        return Err(Fault::Leased);
    }
    let mut deleted = 0;
    for key in keys {
        if let Some(row) = row(key) {
            deleted += u64::from(delete_row(tx, row, kind(key.state))?);
        }
    }
    Ok(deleted)
}

fn kind(state: JobState) -> Kind {
    match state {
        JobState::Ready => Kind::Ready,
        JobState::Scheduled => Kind::Scheduled,
        JobState::Leased => Kind::Leased,
        JobState::Dead => Kind::Dead,
    }
}

fn delete_row(tx: &mut Tx<'_>, row: i64, state: Kind) -> Outcome<bool> {
    let found = tx
        .prepare(sql::DELETE)?
        .query_row(params![row, state as u8], |found| Ok((found.get(0)?, found.get(1)?, found.get(2)?)))
        .optional()?;
    let Some((queue, step, suspect)) = found else { return Ok(false) };
    tx.prepare(sql::BODY_DELETE)?.execute([row])?;
    let kind = if state == Kind::Ready { Kind::ready(suspect) } else { state };
    if kind == Kind::Dead {
        tx.prepare(sql::DEAD_DELETE)?.execute([row])?;
    }
    tx.count(queue, kind, step, -1);
    Ok(true)
}

/// Deletes a slice of a queue's jobs; `last` is the newest that counts, found by the first slice.
pub(super) fn purge(tx: &mut Tx<'_>, name: &QueueName, state: JobState, last: Option<i64>) -> Outcome<(usize, i64)> {
    let last = last.unwrap_or(tx.meta.sequence);
    let sql = match state {
        JobState::Ready => sql::PURGE_READY,
        JobState::Scheduled => sql::PURGE_SCHEDULED,
        JobState::Dead => sql::PURGE_DEAD,
        JobState::Leased => return Err(Fault::Leased),
    };
    let Some(queue) = look::queue_id(tx.connection(), name)? else { return Ok((0, last)) };
    let most = i64::try_from(SLICE).unwrap_or(i64::MAX);
    let rows: Vec<i64> =
        tx.prepare(sql)?.query_map(params![queue, last, most], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for &row in &rows {
        delete_row(tx, row, kind(state))?;
    }
    Ok((rows.len(), last))
}

/// Puts dead letters back into their queues; says how many were there.
pub(super) fn retry_dead(tx: &mut Tx<'_>, jobs: &[(JobKey, Bytes)]) -> Outcome<u64> {
    let mut retried = 0;
    for (key, payload) in jobs {
        let Some(row) = row(key).filter(|_| key.state == JobState::Dead) else { continue };
        let place = tx.number();
        let found = tx
            .prepare(sql::RETRY_DEAD)?
            .query_row(params![row, place], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((queue, step)) = found else { continue };
        tx.prepare(sql::BODY_REPLACE)?.execute(params![row, &**payload])?;
        tx.prepare(sql::DEAD_DELETE)?.execute([row])?;
        tx.count(queue, Kind::Dead, step, -1);
        tx.count(queue, Kind::Ready, step, 1);
        tx.effects.wake(queue, Wake::Fresh, 1);
        retried += 1;
    }
    Ok(retried)
}
