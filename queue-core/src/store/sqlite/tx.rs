//! One request's view of the transaction it runs in: statements, numbers, and what is to happen once it is committed.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::fault::Outcome;
use super::identity::Identity;
use super::sql;
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskId};

/// What jobs are counted by: their state, ready ones apart by suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Ready = 0,
    Scheduled = 1,
    Leased = 2,
    Dead = 3,
    Suspect = 4,
}

impl Kind {
    /// The kind of a ready job.
    pub(super) fn ready(suspect: bool) -> Self {
        if suspect { Self::Suspect } else { Self::Ready }
    }
}

/// Who can take what became ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// Any worker.
    Fresh,
    /// A worker that runs no suspect.
    Suspect,
}

/// What a request knows of when a queue's next message is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Then, or before.
    By(Timestamp),
    /// Then, or none is scheduled.
    At(Option<Timestamp>),
}

/// What follows from a request once it is committed.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Queue, kind, step: how many more.
    tally: HashMap<(i64, u8, u8), i64>,
    /// Queue and how many became ready.
    pub(super) wakes: Vec<(i64, Wake, usize)>,
    /// When the next message of a queue is due, in the order it became so.
    pub(super) dues: Vec<(i64, Due)>,
    /// Results stored.
    pub(super) results: Vec<(TaskId, Bytes)>,
    /// Workers whose knowledge is to be compared with the tables.
    pub(super) reconcile: Vec<Arc<Identity>>,
}

impl Effects {
    pub(super) fn merge(&mut self, other: Self) {
        for (key, n) in other.tally {
            *self.tally.entry(key).or_default() += n;
        }
        self.wakes.extend(other.wakes);
        self.dues.extend(other.dues);
        self.results.extend(other.results);
        self.reconcile.extend(other.reconcile);
    }

    /// Says that something in a queue is due then.
    pub(super) fn due(&mut self, queue: i64, at: Timestamp) {
        match self.dues.last_mut() {
            Some((last, Due::By(due))) if *last == queue => *due = at.min(*due),
            _ => self.dues.push((queue, Due::By(at))),
        }
    }

    /// Says that `n` became ready in a queue.
    pub(super) fn wake(&mut self, queue: i64, wake: Wake, n: usize) {
        match self.wakes.iter_mut().find(|(q, w, _)| *q == queue && *w == wake) {
            Some((_, _, count)) => *count += n,
            None if n > 0 => self.wakes.push((queue, wake, n)),
            None => (),
        }
    }
}

/// The counters of the whole store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    /// The last number given to a row or a place.
    pub(super) sequence: i64,
    /// How often `revoke` was called.
    pub(super) revocations: i64,
    /// When dead workers were last looked for.
    pub(super) swept: Timestamp,
}

impl Meta {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached(sql::META_READ)?.query_row([], |row| {
            let swept = Timestamp::from_millis(row.get(2)?);
            Ok(Self { sequence: row.get(0)?, revocations: row.get(1)?, swept })
        })
    }

    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let row = params![self.sequence, self.revocations, self.swept.as_millis()];
        connection.prepare_cached(sql::META_WRITE)?.execute(row).map(drop)
    }
}

/// The numbers of queues. A queue is never deleted, so what was committed stays true.
#[derive(Debug, Default)]
pub(super) struct Queues(HashMap<QueueName, i64>);

impl Queues {
    /// Forgets them: a transaction that may have added some was rolled back.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// One request's view of a transaction.
pub(super) struct Tx<'c> {
    connection: &'c Connection,
    queues: &'c mut Queues,
    /// The counters; written back at the end.
    pub(super) meta: Meta,
    /// The time, read once per request.
    pub(super) now: Timestamp,
    /// What follows once it is committed.
    pub(super) effects: Effects,
}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: &'c Connection, queues: &'c mut Queues, meta: Meta, now: Timestamp) -> Self {
        Self { connection, queues, meta, now, effects: Effects::default() }
    }

    /// A statement, kept prepared.
    pub(super) fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
        self.connection.prepare_cached(sql)
    }

    /// The connection, for reads that are shared with the readers.
    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// The next number for a row or a place.
    pub(super) fn number(&mut self) -> i64 {
        self.meta.sequence += 1;
        self.meta.sequence
    }

    /// Counts `n` more.
    pub(super) fn count(&mut self, queue: i64, kind: Kind, step: u8, n: i64) {
        *self.effects.tally.entry((queue, kind as u8, step)).or_default() += n;
    }

    /// The number of a queue, which is added when it is new.
    pub(super) fn queue(&mut self, name: &QueueName) -> Outcome<i64> {
        if let Some(id) = self.queues.0.get(name) {
            return Ok(*id);
        }
        let known = self.prepare(sql::QUEUE_ID)?.query_row([name.as_str()], |row| row.get(0)).optional()?;
        let id = match known {
            Some(id) => id,
            None => self.prepare(sql::QUEUE_ADD)?.query_row([name.as_str()], |row| row.get(0))?,
        };
        self.queues.0.insert(name.clone(), id);
        Ok(id)
    }
}

/// Writes the counts of what a transaction did.
pub(super) fn write_tally(connection: &Connection, effects: &Effects) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(sql::TALLY_ADD)?;
    for (&(queue, kind, step), &n) in effects.tally.iter().filter(|(_, n)| **n != 0) {
        add.execute(params![queue, kind, step, n])?;
    }
    Ok(())
}

/// A task id's place in the indexes: 31 bits of FNV-1a. Stored, so it never changes.
pub(super) fn hash(id: &str) -> i64 {
    let full = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i64::from(full >> 1)
}
