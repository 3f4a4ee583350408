//! Looks into queues: counts, pages, and the search for a task's messages, always in bounded steps.

use bytes::Bytes;
use redis::FromRedisValue;

use super::held::{held_counts, leased_page};
use super::inner::Inner;
use super::keys::ListKeys;
use crate::clock::Timestamp;
use crate::message::{DecodeLimits, Message};
use crate::names::QueueName;
use crate::store::{Cursor, DeadLetter, DeadReason, Job, JobKey, JobState, Page, QueueCounts, StoreError, WorkerInfo};

/// Elements of one read at most: with messages of ordinary size under a millisecond of the server's time.
pub(super) const STEP: usize = 500;
/// A read that brought more bytes than this is followed by a smaller one.
const STEP_BYTES: usize = 250_000;

/// See [`crate::store::Inspect::queues`].
pub(super) async fn queues(store: &Inner) -> Result<Vec<QueueName>, StoreError> {
    let names: Vec<String> = store.link.query(redis::cmd("SMEMBERS").arg(&store.keys.queues)).await?;
    let mut queues: Vec<QueueName> = names.iter().filter_map(|name| QueueName::new(name).ok()).collect();
    // Python producers do not tell us of their queue; the default one is worth a look.
    let celery = QueueName::celery();
    if !queues.contains(&celery) {
        let mut exists = redis::cmd("EXISTS");
        for lane in store.keys.lanes(&celery) {
            exists.arg(&*lane.list);
        }
        if store.link.query::<u64>(&exists).await? > 0 {
            queues.push(celery);
        }
    }
    queues.sort();
    Ok(queues)
}

/// See [`crate::store::Inspect::counts`].
pub(super) async fn counts(store: &Inner, queue: &QueueName) -> Result<QueueCounts, StoreError> {
    let (mut counts, mut first) = (QueueCounts::default(), Vec::new());
    for lane in store.keys.lanes(queue) {
        let mut pipe = redis::pipe();
        pipe.cmd("LLEN").arg(&*lane.list).cmd("LLEN").arg(&lane.suspects).cmd("ZCARD").arg(&lane.scheduled);
        pipe.cmd("ZCARD").arg(&lane.dead).cmd("ZRANGE").arg(&lane.scheduled).arg(0).arg(0).arg("WITHSCORES");
        pipe.cmd("LINDEX").arg(&lane.suspects).arg(-1).cmd("LINDEX").arg(&*lane.list).arg(-1);
        pipe.cmd("ZRANGE").arg(&lane.workers).arg(0).arg(-1);
        type Row = (u64, u64, u64, u64, Vec<(Vec<u8>, f64)>, Option<Vec<u8>>, Option<Vec<u8>>, Vec<String>);
        let row: Row = store.link.pipe(&pipe).await?;
        let (fresh, suspects, scheduled, dead, head, oldest_suspect, oldest, workers) = row;
        counts.ready += fresh + suspects;
        if fresh + suspects > 0 {
            counts.by_step.push((lane.step, fresh + suspects));
        }
        counts.suspects += suspects;
        counts.scheduled += scheduled;
        counts.dead += dead;
        counts.leased += held_counts(store, &lane, &workers).await?.into_iter().sum::<u64>();
        first.extend([oldest_suspect, oldest].into_iter().flatten().map(Bytes::from));
        let due = head.first().map(|(_, score)| at(*score));
        counts.next_due = [counts.next_due, due].into_iter().flatten().min();
    }
    counts.oldest = oldest(first);
    Ok(counts)
}

/// Of the first ones of each list the one that waits longest, as far as they say since when; else the one that is next.
fn oldest(mut first: Vec<Bytes>) -> Option<Bytes> {
    let since = |payload: &Bytes| {
        let message = Message::decode(payload, &DecodeLimits::default()).ok()?;
        // A retry keeps the time of the first sending: only a due time says since when it waits.
        message.ready_since().filter(|_| message.retries == 0 || message.eta.is_some())
    };
    let longest = match first.len() {
        0 | 1 => None,
        _ => first.iter().enumerate().filter_map(|(at, payload)| Some((since(payload)?, at))).min(),
    };
    let at = longest.map_or(0, |(_, at)| at);
    (at < first.len()).then(|| first.swap_remove(at))
}

/// A score as an instant.
#[expect(clippy::cast_possible_truncation, reason = "a Unix time in ms fits an i64 and is exact in an f64")]
pub(super) fn at(score: f64) -> Timestamp {
    Timestamp::from_millis(score as i64)
}

/// See [`crate::store::Inspect::page`].
pub(super) async fn page(
    store: &Inner,
    queue: &QueueName,
    state: JobState,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page, StoreError> {
    page_of(store, &store.keys.lanes(queue), state, cursor, limit).await
}

/// The same of some of a queue's lists.
pub(super) async fn page_of(
    store: &Inner,
    lanes: &[ListKeys],
    state: JobState,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page, StoreError> {
    let mut offsets = read_cursor(state, cursor, 2 * lanes.len())?;
    let limit = limit.clamp(1, STEP);
    let before: usize = offsets.iter().sum();
    let jobs = match state {
        JobState::Ready => ready_page(store, lanes, &mut offsets, limit).await?,
        JobState::Scheduled | JobState::Dead => scored_page(store, lanes, state, &mut offsets, limit).await?,
        JobState::Leased => leased_page(store, lanes, &mut offsets, limit).await?,
    };
    let full = offsets.iter().sum::<usize>() - before >= limit;
    let next = full.then(|| write_cursor(state, &offsets));
    Ok(Page { jobs, next })
}

/// How far each of a queue's parts was read: per step, suspects and fresh ones.
pub(super) type Offsets = Vec<usize>;

fn letter(state: JobState) -> char {
    match state {
        JobState::Ready => 'r',
        JobState::Scheduled => 's',
        JobState::Leased => 'l',
        JobState::Dead => 'd',
    }
}

fn write_cursor(state: JobState, offsets: &Offsets) -> Cursor {
    let numbers: Vec<String> = offsets.iter().map(usize::to_string).collect();
    Cursor(format!("{}{}", letter(state), numbers.join(".")))
}

fn read_cursor(state: JobState, cursor: Option<&Cursor>, parts: usize) -> Result<Offsets, StoreError> {
    let Some(Cursor(text)) = cursor else { return Ok(vec![0; parts]) };
    let bad = || StoreError::BadCursor(text.clone());
    let numbers = text.strip_prefix(letter(state)).ok_or_else(bad)?;
    let numbers: Result<Vec<usize>, _> = numbers.split('.').map(str::parse).collect();
    numbers.ok().filter(|numbers| numbers.len() == parts).ok_or_else(bad)
}

/// `count` elements of a list that lie `offset` elements from its right end, next to be delivered first.
pub(super) async fn from_the_right(
    store: &Inner,
    list: &str,
    offset: usize,
    count: usize,
) -> Result<Vec<Bytes>, StoreError> {
    let (first, last) = (signed(offset + count), signed(offset + 1));
    let mut look = redis::cmd("LRANGE");
    look.arg(list).arg(-first).arg(-last);
    let found: Vec<Vec<u8>> = store.link.query(&look).await?;
    Ok(found.into_iter().rev().map(Bytes::from).collect())
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

async fn ready_page(
    store: &Inner,
    lanes: &[ListKeys],
    offsets: &mut Offsets,
    limit: usize,
) -> Result<Vec<Job>, StoreError> {
    let mut jobs = Vec::new();
    for (n, lane) in lanes.iter().enumerate() {
        for (suspect, list) in [(true, &*lane.suspects), (false, &*lane.list)] {
            let offset = &mut offsets[2 * n + usize::from(!suspect)];
            // Small steps first: messages may be large.
            let mut step = 10;
            while jobs.len() < limit {
                let asked = step.min(limit - jobs.len());
                let found = from_the_right(store, list, *offset, asked).await?;
                let (n_found, bytes) = (found.len(), found.iter().map(Bytes::len).sum::<usize>());
                *offset += n_found;
                jobs.extend(found.into_iter().map(|payload| job(lane, JobState::Ready, suspect, payload)));
                if n_found < asked {
                    break;
                }
                step = if bytes > STEP_BYTES { (step / 2).max(1) } else { STEP };
            }
        }
    }
    Ok(jobs)
}

pub(super) fn job(lane: &ListKeys, state: JobState, suspect: bool, payload: Bytes) -> Job {
    let list = lane.list.to_string();
    let key = JobKey { list, state, suspect, entry: String::new(), payload: payload.clone() };
    Job {
        queue: lane.queue.clone(),
        step: lane.step,
        state,
        payload,
        due: None,
        worker: None,
        suspect,
        dead: None,
        key,
    }
}

/// Merges the steps' sorted sets: soonest due first, or latest dead first.
async fn scored_page(
    store: &Inner,
    lanes: &[ListKeys],
    state: JobState,
    offsets: &mut Offsets,
    limit: usize,
) -> Result<Vec<Job>, StoreError> {
    let mut rows: Vec<(f64, usize, Vec<u8>)> = Vec::new();
    for (n, lane) in lanes.iter().enumerate() {
        let mut look = redis::cmd("ZRANGE");
        let key = if state == JobState::Dead { &lane.dead } else { &lane.scheduled };
        look.arg(key).arg(offsets[2 * n]).arg(offsets[2 * n] + limit - 1);
        if state == JobState::Dead {
            look.arg("REV");
        }
        let found: Vec<(Vec<u8>, f64)> = store.link.query(look.arg("WITHSCORES")).await?;
        rows.extend(found.into_iter().map(|(member, score)| (score, n, member)));
    }
    rows.sort_by(|a, b| if state == JobState::Dead { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
    rows.truncate(limit);
    let mut jobs = Vec::with_capacity(rows.len());
    for (score, n, member) in rows {
        offsets[2 * n] += 1;
        if state == JobState::Dead {
            let entry = String::from_utf8_lossy(&member).into_owned();
            jobs.extend(dead_job(store, &lanes[n], entry, at(score)).await?);
        } else {
            jobs.push(scheduled_job(&lanes[n], Bytes::from(member), at(score)));
        }
    }
    Ok(jobs)
}

/// A member of a set of scheduled messages, as `enqueue.lua` wrote it.
pub(super) fn scheduled_job(lane: &ListKeys, member: Bytes, due: Timestamp) -> Job {
    let payload = match member.first() {
        Some(0) => {
            let ends = member.iter().skip(1).position(|byte| *byte == 0).map_or(0, |at| at + 2);
            member.slice(ends..)
        }
        _ => member.clone(),
    };
    let mut job = job(lane, JobState::Scheduled, false, payload);
    job.due = Some(due);
    job.key.payload = member;
    job
}

/// A dead letter, if it is still there.
pub(super) async fn dead_job(
    store: &Inner,
    lane: &ListKeys,
    entry: String,
    died: Timestamp,
) -> Result<Option<Job>, StoreError> {
    let mut pipe = redis::pipe();
    pipe.cmd("HGET").arg(&lane.dead_message).arg(&entry).cmd("HGET").arg(&lane.dead_why).arg(&entry);
    let (message, why): (Option<Vec<u8>>, Option<Vec<u8>>) = store.link.pipe(&pipe).await?;
    let Some(message) = message else { return Ok(None) };
    let why = why.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_else(|| DeadLetter {
        id: None,
        task: None,
        reason: DeadReason::Undecodable,
        error: "the reason of this dead letter cannot be read".to_owned(),
        retries: 0,
        worker: String::new(),
    });
    let mut job = job(lane, JobState::Dead, false, Bytes::from(message));
    job.dead = Some((died, why));
    job.key.entry = entry;
    Ok(Some(job))
}

/// See [`crate::store::Inspect::workers`].
pub(super) async fn workers(store: &Inner) -> Result<Vec<WorkerInfo>, StoreError> {
    let mut found: Vec<WorkerInfo> = Vec::new();
    for queue in queues(store).await? {
        for lane in store.keys.lanes(&queue) {
            let look = redis::cmd("ZRANGE").arg(&lane.workers).arg(0).arg(-1).arg("WITHSCORES").clone();
            let of_lane: Vec<(String, f64)> = match store.link.query(&look).await {
                // Something else is there, so that nobody is registered.
                Err(StoreError::Foreign { .. }) => continue,
                answer => answer?,
            };
            let names: Vec<String> = of_lane.iter().map(|(name, _)| name.clone()).collect();
            let held = held_counts(store, &lane, &names).await?;
            for ((name, ends), held) in of_lane.into_iter().zip(held) {
                // A lane that was reclaimed goes on as `<incarnation>~<generation>`: the same worker.
                let incarnation = name.split('~').next().unwrap_or(&name).to_owned();
                match found.iter_mut().find(|worker| worker.incarnation == incarnation) {
                    Some(worker) => {
                        worker.held += held;
                        worker.lease_ends = worker.lease_ends.max(at(ends));
                    }
                    None => found.push(describe(store, incarnation, at(ends), held).await?),
                }
            }
        }
    }
    found.sort_by(|a, b| (&a.hostname, a.started).cmp(&(&b.hostname, b.started)));
    Ok(found)
}

async fn describe(
    store: &Inner,
    incarnation: String,
    lease_ends: Timestamp,
    held: u64,
) -> Result<WorkerInfo, StoreError> {
    let mut look = redis::cmd("HMGET");
    look.arg(store.keys.worker(&incarnation)).arg(&["hostname", "pid", "concurrency", "queues", "started"]);
    let fields: Vec<Option<String>> = store.link.query(&look).await?;
    let mut fields = fields.into_iter().map(Option::unwrap_or_default);
    let mut next = || fields.next().unwrap_or_default();
    let hostname = next();
    let (pid, concurrency) = (next().parse().unwrap_or(0), next().parse().unwrap_or(0));
    let names: Vec<String> = serde_json::from_str(&next()).unwrap_or_default();
    let queues = names.iter().filter_map(|name| QueueName::new(name).ok()).collect();
    let started = Timestamp::from_millis(next().parse().unwrap_or(0));
    let hostname = if hostname.is_empty() { "?".to_owned() } else { hostname };
    Ok(WorkerInfo { incarnation, hostname, pid, concurrency, queues, started, lease_ends, held })
}

/// Reads one step of a scan: the cursor to go on with, and the elements.
pub(super) type Scan<T> = (u64, Vec<T>);

/// One step of a cursor command (`ZSCAN`, `HSCAN`).
pub(super) async fn scan<T: FromRedisValue>(
    store: &Inner,
    command: &str,
    key: &str,
    cursor: u64,
) -> Result<Scan<T>, StoreError> {
    let mut step = redis::cmd(command);
    store.link.query(step.arg(key).arg(cursor).arg("COUNT").arg(STEP)).await
}
