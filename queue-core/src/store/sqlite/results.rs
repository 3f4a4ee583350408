//! Keeps results: bytes under a task's id, for a time. A stored SUCCESS is never overwritten.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Outcome;
use super::sql;
use super::tx::{Tx, hash};
use crate::clock::Timestamp;
use crate::names::TaskId;
use crate::store::StoredResult;

/// How a stored success begins; `result_old` returns as many bytes.
const SUCCESS: &[u8] = br#"{"status": "SUCCESS""#;

/// Stores each, but for those that would overwrite a SUCCESS.
pub(super) fn put(tx: &mut Tx<'_>, results: &[StoredResult]) -> Outcome<()> {
    for result in results {
        put_one(tx, result)?;
    }
    Ok(())
}

fn put_one(tx: &mut Tx<'_>, result: &StoredResult) -> Outcome<()> {
    let (id, hash, now) = (result.id.as_str(), hash(result.id.as_str()), tx.now);
    let old = tx
        .prepare(sql::RESULT_OLD)?
        .query_row(params![hash, id], |row| {
            let expires: Option<i64> = row.get(1)?;
            let stands = expires.is_none_or(|at| at > now.as_millis());
            Ok((row.get::<_, i64>(0)?, stands && row.get_ref(2)?.as_blob()? == SUCCESS))
        })
        .optional()?;
    match old {
        Some((_, true)) => return Ok(()),
        Some((seq, false)) => tx.prepare(sql::RESULT_DELETE)?.execute([seq])?,
        None => 0,
    };
    let expires = result.ttl.map(|ttl| now.after(ttl).as_millis());
    tx.prepare(sql::RESULT_INSERT)?.execute(params![tx.number(), hash, id, expires, &*result.meta])?;
    tx.effects.results.push((result.id.clone(), result.meta.clone()));
    Ok(())
}

/// The bytes stored under an id.
pub(super) fn get(connection: &Connection, id: &TaskId, now: Timestamp) -> rusqlite::Result<Option<Bytes>> {
    let key = params![hash(id.as_str()), id.as_str(), now.as_millis()];
    let mut statement = connection.prepare_cached(sql::RESULT_GET)?;
    statement.query_row(key, |row| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?))).optional()
}

/// Deletes a result; true if there was one.
pub(super) fn forget(tx: &Tx<'_>, id: &TaskId) -> Outcome<bool> {
    let now = tx.now.as_millis();
    let old = tx
        .prepare(sql::RESULT_OLD)?
        .query_row(params![hash(id.as_str()), id.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?.is_none_or(|at| at > now)))
        })
        .optional()?;
    let Some((seq, stood)) = old else { return Ok(false) };
    tx.prepare(sql::RESULT_DELETE)?.execute([seq])?;
    Ok(stood)
}
