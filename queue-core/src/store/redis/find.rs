//! Finds all messages of a task, in steps that never hold the server up.

use std::slice;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::errors::unless_foreign;
use super::held::held;
use super::inner::Inner;
use super::keys::ListKeys;
use super::look::{self, at, dead_job, scan, scheduled_job};
use crate::message::{DecodeLimits, Message};
use crate::names::TaskId;
use crate::store::{Cursor, Job, JobState, StoreError};

/// See [`crate::store::Inspect::find`].
pub(super) async fn find(store: &Inner, id: &TaskId) -> Result<Vec<Job>, StoreError> {
    let mut found = Vec::new();
    let needle = Finder::new(id.as_str());
    for queue in look::queues(store).await? {
        let lanes = store.keys.lanes(&queue);
        for (lane, used) in lanes.iter().zip(used(store, &lanes).await?) {
            for state in used.states() {
                // What is of another type holds no message of ours, and must not hide the others.
                unless_foreign(find_in(store, lane, state, &needle, id, &mut found).await)?;
            }
        }
    }
    found.extend(moved_meanwhile(store, id, &found).await?);
    Ok(found)
}

async fn find_in(
    store: &Inner,
    lane: &ListKeys,
    state: JobState,
    needle: &Finder<'_>,
    id: &TaskId,
    found: &mut Vec<Job>,
) -> Result<(), StoreError> {
    match state {
        JobState::Ready | JobState::Leased => find_in_pages(store, lane, state, needle, id, found).await,
        JobState::Scheduled => find_scheduled(store, lane, needle, id, found).await,
        JobState::Dead => find_dead(store, lane, needle, id, found).await,
    }
}

/// Which keys of a list exist; most do not.
struct Used {
    ready: bool,
    held: bool,
    scheduled: bool,
    dead: bool,
}

impl Used {
    fn states(&self) -> impl Iterator<Item = JobState> {
        let states = [
            (JobState::Ready, self.ready),
            (JobState::Leased, self.held),
            (JobState::Scheduled, self.scheduled),
            (JobState::Dead, self.dead),
        ];
        states.into_iter().filter_map(|(state, used)| used.then_some(state))
    }
}

async fn used(store: &Inner, lanes: &[ListKeys]) -> Result<Vec<Used>, StoreError> {
    let mut pipe = redis::pipe();
    for lane in lanes {
        pipe.cmd("EXISTS").arg(&*lane.list).arg(&lane.suspects).cmd("EXISTS").arg(&lane.workers);
        pipe.cmd("EXISTS").arg(&lane.scheduled).cmd("EXISTS").arg(&lane.dead_message);
    }
    let counts: Vec<u64> = store.link.pipe(&pipe).await?;
    let used = counts.chunks_exact(4).map(|lane| Used {
        ready: lane[0] > 0,
        held: lane[1] > 0,
        scheduled: lane[2] > 0,
        dead: lane[3] > 0,
    });
    Ok(used.collect())
}

async fn find_in_pages(
    store: &Inner,
    lane: &ListKeys,
    state: JobState,
    needle: &Finder<'_>,
    id: &TaskId,
    found: &mut Vec<Job>,
) -> Result<(), StoreError> {
    let mut cursor: Option<Cursor> = None;
    loop {
        let page = look::page_of(store, slice::from_ref(lane), state, cursor.as_ref(), look::STEP).await?;
        found.extend(page.jobs.into_iter().filter(|job| is_of(needle, id, &job.payload)));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// A message that was ready when the held ones were read, and held when the ready ones were: looks at the held ones again.
async fn moved_meanwhile(store: &Inner, id: &TaskId, found: &[Job]) -> Result<Vec<Job>, StoreError> {
    let mut more = Vec::new();
    if !found.is_empty() {
        return Ok(more);
    }
    let needle = Finder::new(id.as_str());
    for queue in look::queues(store).await? {
        let lanes = store.keys.lanes(&queue);
        let used = used(store, &lanes).await?;
        for (lane, _) in lanes.iter().zip(used).filter(|(_, used)| used.held) {
            let jobs = unless_foreign(held(store, lane, 0, 10_000).await)?.unwrap_or_default();
            more.extend(jobs.into_iter().filter(|job| is_of(&needle, id, &job.payload)));
        }
    }
    Ok(more)
}

/// Most messages are told apart by a search for the bytes; one that has them is decoded to be sure.
fn is_of(needle: &Finder<'_>, id: &TaskId, payload: &[u8]) -> bool {
    // An id that JSON escapes, or inside a body in base64 (protocol 1 has no header `task`), cannot be searched for as it is.
    let escaped = |byte: u8| !byte.is_ascii_graphic() || b"\"\\/".contains(&byte);
    let searchable = !id.as_str().bytes().any(escaped) && memchr::memmem::find(payload, b"\"task\"").is_some();
    if searchable && needle.find(payload).is_none() {
        return false;
    }
    Message::decode(payload, &DecodeLimits::default()).is_ok_and(|message| message.id == *id)
}

async fn find_scheduled(
    store: &Inner,
    lane: &ListKeys,
    needle: &Finder<'_>,
    id: &TaskId,
    found: &mut Vec<Job>,
) -> Result<(), StoreError> {
    let mut cursor = 0;
    loop {
        let (next, members) = scan::<(Vec<u8>, f64)>(store, "ZSCAN", &lane.scheduled, cursor).await?;
        for (member, score) in members {
            let job = scheduled_job(lane, Bytes::from(member), at(score));
            // A scan may show an element twice.
            if is_of(needle, id, &job.payload) && !found.iter().any(|other| other.key == job.key) {
                found.push(job);
            }
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

async fn find_dead(
    store: &Inner,
    lane: &ListKeys,
    needle: &Finder<'_>,
    id: &TaskId,
    found: &mut Vec<Job>,
) -> Result<(), StoreError> {
    let mut cursor = 0;
    loop {
        let (next, letters) = scan::<(String, Vec<u8>)>(store, "HSCAN", &lane.dead_message, cursor).await?;
        for (entry, _) in letters.into_iter().filter(|(_, message)| is_of(needle, id, message)) {
            let died: Option<f64> = store.link.query(redis::cmd("ZSCORE").arg(&lane.dead).arg(&entry)).await?;
            let Some(died) = died else { continue };
            let job = dead_job(store, lane, entry, at(died)).await?;
            found.extend(job.filter(|job| !found.iter().any(|other| other.key == job.key)));
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}
