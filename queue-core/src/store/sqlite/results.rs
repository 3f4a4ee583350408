//! Keeps results: bytes under a task's id, for a time. A stored SUCCESS is never overwritten.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::time::{Instant, timeout};

use super::fault::Outcome;
use super::tx::{Tx, hash};
use super::{Core, sql};
use crate::clock::Timestamp;
use crate::names::TaskId;
use crate::store::{Ready, StoreError, StoredResult};

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

/// How long a look may take where the wait itself is shorter.
const LOOK: Duration = Duration::from_secs(3);

/// See [`crate::store::Results::wait_result`].
pub(super) async fn wait(
    core: &Core,
    id: &TaskId,
    ready: Ready,
    at_most: Duration,
) -> Result<Option<Bytes>, StoreError> {
    let began = Instant::now();
    let mut waiting = core.hub.wait_for_result(id, ready);
    let found = look_for(core, id, ready, at_most.max(LOOK)).await?;
    let left = at_most.saturating_sub(began.elapsed());
    if found.is_some() || left.is_zero() {
        return Ok(found);
    }
    match timeout(left, waiting.result()).await {
        Ok(found) => Ok(found),
        // Nobody said so, perhaps because the file could not be read any more.
        Err(_) => look_for(core, id, ready, LOOK).await,
    }
}

/// The result of a task, if it is ready.
async fn look_for(core: &Core, id: &TaskId, ready: Ready, at_most: Duration) -> Result<Option<Bytes>, StoreError> {
    let (id, now) = (id.clone(), core.now());
    let look = core.look(move |connection| Ok(get(connection, &id, now)?));
    let found = core.within(at_most, look).await.map_err(StoreError::of_known_outcome)?;
    Ok(found.filter(|meta| ready(meta)))
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
