//! Looks into the tables: counts, pages, one task's messages, the workers. Every look reads a bounded number of rows.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::{Fault, Outcome};
use super::sql;
use super::tx::{Kind, hash};
use crate::clock::Timestamp;
use crate::names::{Priority, QueueName, TaskId};
use crate::store::{Cursor, DeadLetter, DeadReason, Job, JobKey, JobState, Page, QueueCounts, WorkerInfo};

/// A page ends once its payloads have so many bytes.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Rows read at once, so that large payloads are not read in vain.
const SLICE: usize = 256;

/// The queues ever seen, sorted.
pub(super) fn queues(connection: &Connection) -> Outcome<Vec<QueueName>> {
    let mut statement = connection.prepare_cached(sql::QUEUE_LIST)?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(names.iter().filter_map(|name| QueueName::new(name).ok()).collect())
}

/// The number of a queue; `None` when it was never seen.
pub(super) fn queue_id(connection: &Connection, name: &QueueName) -> Outcome<Option<i64>> {
    Ok(connection.prepare_cached(sql::QUEUE_ID)?.query_row([name.as_str()], |row| row.get(0)).optional()?)
}

/// Counts of one queue.
pub(super) fn counts(connection: &Connection, name: &QueueName) -> Outcome<QueueCounts> {
    let mut counts = QueueCounts::default();
    let Some(queue) = queue_id(connection, name)? else { return Ok(counts) };
    let mut statement = connection.prepare_cached(sql::TALLY_READ)?;
    let mut rows = statement.query([queue])?;
    while let Some(row) = rows.next()? {
        let n = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        add(&mut counts, row.get(0)?, row.get(1)?, n);
    }
    counts.by_step.sort_unstable();
    counts.oldest = oldest(connection, queue)?;
    let due = connection.prepare_cached(sql::NEXT_DUE)?.query_row([queue], |row| row.get(0)).optional()?;
    counts.next_due = due.map(Timestamp::from_millis);
    Ok(counts)
}

fn add(counts: &mut QueueCounts, kind: u8, step: u8, n: u64) {
    if kind == Kind::Ready as u8 || kind == Kind::Suspect as u8 {
        counts.ready += n;
        match counts.by_step.iter_mut().find(|(s, _)| *s == step) {
            Some((_, count)) => *count += n,
            None => counts.by_step.push((step, n)),
        }
    }
    match kind {
        kind if kind == Kind::Suspect as u8 => counts.suspects += n,
        kind if kind == Kind::Scheduled as u8 => counts.scheduled += n,
        kind if kind == Kind::Leased as u8 => counts.leased += n,
        kind if kind == Kind::Dead as u8 => counts.dead += n,
        _ => (),
    }
}

/// The payload that has the foremost place of all steps.
fn oldest(connection: &Connection, queue: i64) -> Outcome<Option<Bytes>> {
    let mut statement = connection.prepare_cached(sql::OLDEST)?;
    let mut oldest: Option<(i64, i64)> = None;
    for suspect in [true, false] {
        for step in Priority::STEPS {
            let row = statement.query_row(params![queue, suspect, step], |row| Ok((row.get(0)?, row.get(1)?)));
            oldest = oldest.into_iter().chain(row.optional()?).min();
        }
    }
    let Some((_, seq)) = oldest else { return Ok(None) };
    let mut payload = connection.prepare_cached(sql::PAYLOAD)?;
    let bytes = payload.query_row([seq], |row| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?)));
    Ok(bytes.optional()?)
}

/// Where a page goes on: suspects first or not, and the two columns its order is by.
#[derive(Debug, Clone, Copy)]
struct Place {
    suspect: bool,
    major: i64,
    minor: i64,
}

impl Place {
    fn start(state: JobState) -> Self {
        match state {
            JobState::Dead => Self { suspect: false, major: i64::MAX, minor: i64::MAX },
            _ => Self { suspect: state == JobState::Ready, major: -1, minor: 0 },
        }
    }

    fn cursor(self, state: JobState) -> Cursor {
        Cursor(format!("{}{}.{}.{}", letter_of(state), u8::from(self.suspect), self.major, self.minor))
    }

    fn parse(state: JobState, cursor: &Cursor) -> Outcome<Self> {
        let bad = || Fault::BadCursor(cursor.0.clone());
        let mut parts = cursor.0.strip_prefix(letter_of(state)).ok_or_else(bad)?.split('.').map(str::parse::<i64>);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(suspect @ 0..=1)), Some(Ok(major)), Some(Ok(minor)), None) => {
                Ok(Self { suspect: suspect == 1, major, minor })
            }
            _ => Err(bad()),
        }
    }
}

/// How the cursors of a state begin: what is a place in one is none in another.
fn letter_of(state: JobState) -> char {
    match state {
        JobState::Ready => 'r',
        JobState::Scheduled => 's',
        JobState::Leased => 'l',
        JobState::Dead => 'd',
    }
}

/// A page of a queue's jobs.
pub(super) fn page(
    connection: &Connection,
    name: &QueueName,
    state: JobState,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Outcome<Page> {
    // None at all would never come to the end.
    let limit = limit.max(1);
    let mut place = cursor.map_or(Ok(Place::start(state)), |cursor| Place::parse(state, cursor))?;
    let mut page = Page { jobs: Vec::new(), next: None };
    let Some(queue) = queue_id(connection, name)? else { return Ok(page) };
    let mut bytes = 0;
    loop {
        if page.jobs.len() >= limit || bytes >= PAGE_BYTES {
            page.next = Some(place.cursor(state));
            return Ok(page);
        }
        let most = SLICE.min(limit - page.jobs.len());
        let found = slice(connection, queue, name, state, place, most, PAGE_BYTES - bytes)?;
        if let Some((_, last)) = found.jobs.last() {
            place = *last;
        }
        bytes += found.jobs.iter().map(|(job, _)| job.payload.len()).sum::<usize>();
        page.jobs.extend(found.jobs.into_iter().map(|(job, _)| job));
        match (found.ended, place.suspect) {
            (false, _) => (),
            (true, true) => place = Place { suspect: false, ..Place::start(state) },
            (true, false) => return Ok(page),
        }
    }
}

struct Slice {
    jobs: Vec<(Job, Place)>,
    /// There are no more after these.
    ended: bool,
}

/// Up to `most` jobs after `place`, and no more once they have `bytes`.
fn slice(
    connection: &Connection,
    queue: i64,
    name: &QueueName,
    state: JobState,
    place: Place,
    most: usize,
    bytes: usize,
) -> Outcome<Slice> {
    let Place { suspect, major, minor } = place;
    let rows = i64::try_from(most).unwrap_or(i64::MAX);
    let sql = match state {
        JobState::Ready => sql::PAGE_READY,
        JobState::Scheduled => sql::PAGE_SCHEDULED,
        JobState::Leased => sql::PAGE_LEASED,
        JobState::Dead => sql::PAGE_DEAD,
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = match state {
        JobState::Ready => statement.query(params![queue, suspect, major, minor, rows])?,
        _ => statement.query(params![queue, major, minor, rows])?,
    };
    let (mut jobs, mut size) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (seq, step, pos): (i64, i64, i64) = (row.get(0)?, row.get(2)?, row.get(5)?);
        let at = row.get::<_, Option<i64>>(6)?.unwrap_or_default();
        let (major, minor) = match state {
            JobState::Ready => (step, pos),
            JobState::Scheduled => (at, pos),
            JobState::Leased => (pos, seq),
            JobState::Dead => (at, seq),
        };
        let job = job(row, name.clone())?;
        size += job.payload.len();
        jobs.push((job, Place { suspect, major, minor }));
        if size >= bytes {
            return Ok(Slice { jobs, ended: false });
        }
    }
    let ended = jobs.len() < most;
    Ok(Slice { jobs, ended })
}

/// One job: seq, queue id, step, state, suspect, pos, at, worker, payload, letter.
fn job(row: &Row<'_>, queue: QueueName) -> rusqlite::Result<Job> {
    let state = match row.get::<_, u8>(3)? {
        0 => JobState::Ready,
        1 => JobState::Scheduled,
        2 => JobState::Leased,
        _ => JobState::Dead,
    };
    let suspect: bool = row.get(4)?;
    let at = row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis);
    let key = JobKey {
        list: queue.as_str().to_owned(),
        state,
        suspect,
        entry: row.get::<_, i64>(0)?.to_string(),
        payload: Bytes::new(),
    };
    Ok(Job {
        queue,
        step: row.get(2)?,
        state,
        payload: Bytes::copy_from_slice(row.get_ref(8)?.as_blob()?),
        due: at.filter(|_| state == JobState::Scheduled),
        worker: row.get(7)?,
        suspect,
        dead: at.filter(|_| state == JobState::Dead).map(|at| (at, letter(row))),
        key,
    })
}

/// Why a job is dead; a letter of a newer version is shown as it is.
fn letter(row: &Row<'_>) -> DeadLetter {
    let text: String = row.get::<_, Option<String>>(9).ok().flatten().unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|_| DeadLetter {
        id: None,
        task: None,
        reason: DeadReason::Undecodable,
        error: text,
        retries: 0,
        worker: String::new(),
    })
}

/// Every message of a task.
pub(super) fn find(connection: &Connection, id: &TaskId) -> Outcome<Vec<Job>> {
    let mut statement = connection.prepare_cached(sql::FIND)?;
    let mut rows = statement.query(params![hash(id.as_str()), id.as_str()])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        let mut name = connection.prepare_cached(sql::QUEUE_NAME)?;
        let name: String = name.query_row([row.get::<_, i64>(1)?], |row| row.get(0))?;
        if let Ok(queue) = QueueName::new(&name) {
            jobs.push(job(row, queue)?);
        }
    }
    Ok(jobs)
}

/// The workers that are signed on.
pub(super) fn workers(connection: &Connection) -> Outcome<Vec<WorkerInfo>> {
    let mut statement = connection.prepare_cached(sql::WORKER_LIST)?;
    let workers = statement.query_map([], |row| {
        let queues: Vec<String> = serde_json::from_str(row.get_ref(4)?.as_str()?).unwrap_or_default();
        Ok(WorkerInfo {
            incarnation: row.get(0)?,
            hostname: row.get(1)?,
            pid: row.get(2)?,
            concurrency: usize::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
            queues: queues.iter().filter_map(|name| QueueName::new(name).ok()).collect(),
            started: Timestamp::from_millis(row.get(5)?),
            lease_ends: Timestamp::from_millis(row.get(6)?),
            held: u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0),
        })
    })?;
    Ok(workers.collect::<Result<_, _>>()?)
}
