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

/// A search for all messages of one task.
struct Search<'a> {
    store: &'a Inner,
    id: &'a TaskId,
    needle: Finder<'a>,
    found: Vec<Job>,
}

/// See [`crate::store::Inspect::find`].
pub(super) async fn find(store: &Inner, id: &TaskId) -> Result<Vec<Job>, StoreError> {
    let mut search = Search { store, id, needle: Finder::new(id.as_str()), found: Vec::new() };
    for queue in look::queues(store).await? {
        let lanes = store.keys.lanes(&queue);
        for (lane, used) in lanes.iter().zip(used(store, &lanes).await?) {
            for state in used.states() {
                // What is of another type holds no message of ours, and must not hide the others.
                unless_foreign(search.look_in(lane, state).await)?;
            }
        }
    }
    search.again_at_the_held().await?;
    Ok(search.found)
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

impl Search<'_> {
    async fn look_in(&mut self, lane: &ListKeys, state: JobState) -> Result<(), StoreError> {
        match state {
            JobState::Ready | JobState::Leased => self.in_pages(lane, state).await,
            JobState::Scheduled => self.in_scheduled(lane).await,
            JobState::Dead => self.in_dead(lane).await,
        }
    }

    async fn in_pages(&mut self, lane: &ListKeys, state: JobState) -> Result<(), StoreError> {
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = look::page_of(self.store, slice::from_ref(lane), state, cursor.as_ref(), look::STEP).await?;
            self.keep(page.jobs);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn in_scheduled(&mut self, lane: &ListKeys) -> Result<(), StoreError> {
        let mut cursor = 0;
        loop {
            let (next, members) = scan::<(Vec<u8>, f64)>(self.store, "ZSCAN", &lane.scheduled, cursor).await?;
            for (member, score) in members {
                let job = scheduled_job(lane, Bytes::from(member), at(score));
                if self.is_of(&job.payload) {
                    self.keep_once(job);
                }
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn in_dead(&mut self, lane: &ListKeys) -> Result<(), StoreError> {
        let mut cursor = 0;
        loop {
            let (next, letters) = scan::<(String, Vec<u8>)>(self.store, "HSCAN", &lane.dead_message, cursor).await?;
            for (entry, message) in letters {
                if !self.is_of(&message) {
                    continue;
                }
                let died: Option<f64> = self.store.link.query(redis::cmd("ZSCORE").arg(&lane.dead).arg(&entry)).await?;
                let Some(died) = died else { continue };
                if let Some(job) = dead_job(self.store, lane, entry, at(died)).await? {
                    self.keep_once(job);
                }
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// A message that was ready when the held ones were read, and held when the ready ones were: looks at the held ones again.
    async fn again_at_the_held(&mut self) -> Result<(), StoreError> {
        if !self.found.is_empty() {
            return Ok(());
        }
        for queue in look::queues(self.store).await? {
            let lanes = self.store.keys.lanes(&queue);
            let used = used(self.store, &lanes).await?;
            for (lane, _) in lanes.iter().zip(used).filter(|(_, used)| used.held) {
                self.keep(unless_foreign(held(self.store, lane, 0, 10_000).await)?.unwrap_or_default());
            }
        }
        Ok(())
    }

    fn keep(&mut self, jobs: Vec<Job>) {
        let jobs: Vec<Job> = jobs.into_iter().filter(|job| self.is_of(&job.payload)).collect();
        self.found.extend(jobs);
    }

    /// A scan may show an element twice.
    fn keep_once(&mut self, job: Job) {
        if !self.found.iter().any(|other| other.key == job.key) {
            self.found.push(job);
        }
    }

    /// Most messages are told apart by a search for the bytes; one that has them is decoded to be sure.
    fn is_of(&self, payload: &[u8]) -> bool {
        // An id that JSON escapes, or inside a body in base64 (protocol 1 has no header `task`), cannot be searched for as it is.
        let escaped = |byte: u8| !byte.is_ascii_graphic() || b"\"\\/".contains(&byte);
        let searchable = !self.id.as_str().bytes().any(escaped) && memchr::memmem::find(payload, b"\"task\"").is_some();
        if searchable && self.needle.find(payload).is_none() {
            return false;
        }
        Message::decode(payload, &DecodeLimits::default()).is_ok_and(|message| message.id == *self.id)
    }
}
