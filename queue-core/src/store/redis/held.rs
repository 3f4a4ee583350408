//! Looks at what workers hold.

use super::errors::unless_foreign;
use super::inner::Inner;
use super::keys::ListKeys;
use super::look::{Offsets, STEP, from_the_right, job};
use crate::store::{Job, JobState, StoreError};

/// How many messages of a list each of `workers` holds: the suspect among them, and all others. A key that is no list is a
/// tombstone, perhaps since a moment: nothing is held there any more.
async fn held_lengths(store: &Inner, lane: &ListKeys, workers: &[String]) -> Result<Vec<[u64; 2]>, StoreError> {
    let mut lengths = Vec::with_capacity(workers.len());
    for chunk in workers.chunks(STEP) {
        let mut pipe = redis::pipe();
        for worker in chunk {
            pipe.cmd("LLEN").arg(lane.suspects_held(worker)).cmd("LLEN").arg(lane.held(worker));
        }
        let found = store.link.each::<u64>(pipe).await?.into_iter().map(unless_foreign);
        let found = found.map(|length| length.map(Option::unwrap_or_default)).collect::<Result<Vec<_>, _>>()?;
        lengths.extend(found.chunks_exact(2).map(|of| [of[0], of[1]]));
    }
    Ok(lengths)
}

/// The same, both together.
pub(super) async fn held_counts(store: &Inner, lane: &ListKeys, workers: &[String]) -> Result<Vec<u64>, StoreError> {
    Ok(held_lengths(store, lane, workers).await?.into_iter().map(|of| of.iter().sum()).collect())
}

/// A page of what is leased of some of a queue's lists.
pub(super) async fn leased_page(
    store: &Inner,
    lanes: &[ListKeys],
    offsets: &mut Offsets,
    limit: usize,
) -> Result<Vec<Job>, StoreError> {
    // Most lists have none, and whoever looks for a job goes through all there are.
    let mut pipe = redis::pipe();
    lanes.iter().for_each(|lane| _ = pipe.cmd("ZRANGE").arg(&lane.workers).arg(0).arg(-1));
    let mut jobs = Vec::new();
    for ((n, lane), workers) in lanes.iter().enumerate().zip(store.link.each::<Vec<String>>(pipe).await?) {
        let found = held_by(store, lane, &workers?, offsets[2 * n], limit - jobs.len()).await?;
        offsets[2 * n] += found.len();
        jobs.extend(found);
        if jobs.len() >= limit {
            break;
        }
    }
    Ok(jobs)
}

/// What workers hold of a list: skips `offset` messages, then up to `limit`, oldest first within a worker.
pub(super) async fn held(store: &Inner, lane: &ListKeys, offset: usize, limit: usize) -> Result<Vec<Job>, StoreError> {
    let workers: Vec<String> = store.link.query(redis::cmd("ZRANGE").arg(&lane.workers).arg(0).arg(-1)).await?;
    held_by(store, lane, &workers, offset, limit).await
}

async fn held_by(
    store: &Inner,
    lane: &ListKeys,
    workers: &[String],
    offset: usize,
    limit: usize,
) -> Result<Vec<Job>, StoreError> {
    let (mut jobs, mut skip) = (Vec::new(), offset);
    for (worker, lengths) in workers.iter().zip(held_lengths(store, lane, workers).await?) {
        let keys = [(true, lane.suspects_held(worker)), (false, lane.held(worker))];
        for ((suspect, key), length) in keys.into_iter().zip(lengths) {
            if jobs.len() >= limit {
                return Ok(jobs);
            }
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let here = skip.min(length);
            skip -= here;
            if here == length {
                continue;
            }
            let found = match from_the_right(store, &key, here, (limit - jobs.len()).min(STEP)).await {
                // Reclaimed since its length was asked.
                Err(StoreError::Foreign { .. }) => Vec::new(),
                answer => answer?,
            };
            jobs.extend(found.into_iter().map(|payload| {
                let mut job = job(lane, JobState::Leased, suspect, payload);
                job.worker = Some(worker.clone());
                job
            }));
        }
    }
    Ok(jobs)
}
