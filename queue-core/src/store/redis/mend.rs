//! Mends: deletes messages, empties queues, puts dead letters back.

use bytes::Bytes;

use super::inner::Inner;
use super::keys;
use crate::names::QueueName;
use crate::store::{INTERNAL, JobKey, JobState, StoreError};

/// Dead letters of one call at most.
const CHUNK: usize = 100;

/// See [`crate::store::Inspect::delete`].
pub(super) async fn delete(store: &Inner, jobs: &[JobKey]) -> Result<u64, StoreError> {
    if jobs.iter().any(|job| job.state == JobState::Leased) {
        return Err(StoreError::Leased);
    }
    let mut deleted = 0;
    for job in jobs {
        let some = deleted > 0;
        deleted += delete_one(store, job).await.map_err(|error| error.after_some(some))?;
    }
    Ok(deleted)
}

async fn delete_one(store: &Inner, job: &JobKey) -> Result<u64, StoreError> {
    match job.state {
        JobState::Ready => {
            let list = if job.suspect { keys::suspects(&job.list) } else { job.list.clone() };
            let mut remove = redis::cmd("LREM");
            store.link.query(remove.arg(list).arg(-1).arg(&job.payload[..])).await
        }
        JobState::Scheduled => {
            let mut remove = redis::cmd("ZREM");
            store.link.query(remove.arg(keys::scheduled(&job.list)).arg(&job.payload[..])).await
        }
        JobState::Dead => delete_dead(store, job).await,
        JobState::Leased => Err(StoreError::Leased),
    }
}

async fn delete_dead(store: &Inner, job: &JobKey) -> Result<u64, StoreError> {
    let (dead, why, message) = (keys::dead(&job.list), keys::dead_why(&job.list), keys::dead_message(&job.list));
    let mut call = store.scripts.dead_delete.call(&[&dead, &why, &message]);
    call.arg(&job.entry);
    store.link.script(&store.scripts.dead_delete, &call).await
}

/// See [`crate::store::Inspect::purge`].
pub(super) async fn purge(store: &Inner, queue: &QueueName, state: JobState) -> Result<u64, StoreError> {
    let mut purged = 0;
    for lane in store.keys.lanes(queue) {
        let targets: Vec<(&str, &str)> = match state {
            // Deaths are counted also of suspects that workers hold now; their counts end by themselves.
            JobState::Ready => vec![(&lane.list, "list"), (&lane.suspects, "list")],
            JobState::Scheduled => vec![(&lane.scheduled, "zset")],
            JobState::Dead => vec![(&lane.dead, "zset"), (&lane.dead_why, ""), (&lane.dead_message, "")],
            JobState::Leased => return Err(StoreError::Leased),
        };
        let names: Vec<&str> = targets.iter().map(|(name, _)| *name).collect();
        let mut call = store.scripts.purge.call(&names);
        for (_, kind) in &targets {
            call.arg(*kind);
        }
        let done = store.link.script::<u64>(&store.scripts.purge, &call).await;
        purged += done.map_err(|error| error.after_some(purged > 0))?;
    }
    Ok(purged)
}

/// See [`crate::store::Inspect::retry_dead`].
pub(super) async fn retry_dead(store: &Inner, jobs: &[(JobKey, Bytes)]) -> Result<u64, StoreError> {
    let mut retried = 0;
    let mut by_list: Vec<(&str, Vec<(&JobKey, &Bytes)>)> = Vec::new();
    for (job, payload) in jobs.iter().filter(|(job, _)| job.state == JobState::Dead) {
        match by_list.iter_mut().find(|(list, _)| *list == job.list) {
            Some((_, group)) => group.push((job, payload)),
            None => by_list.push((&job.list, vec![(job, payload)])),
        }
    }
    for (list, group) in by_list {
        let (dead, why, message) = (keys::dead(list), keys::dead_why(list), keys::dead_message(list));
        let names = [list.to_owned(), dead, why, message, keys::deaths(list), keys::suspects(list)];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for chunk in group.chunks(CHUNK) {
            let mut call = store.scripts.dead_retry.call(&names);
            call.arg(INTERNAL);
            for (job, payload) in chunk {
                call.arg(&job.entry).arg(&payload[..]);
            }
            let done = store.link.script::<u64>(&store.scripts.dead_retry, &call).await;
            retried += done.map_err(|error| error.after_some(retried > 0))?;
        }
    }
    Ok(retried)
}
