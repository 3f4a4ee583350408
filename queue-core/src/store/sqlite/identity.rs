//! A worker as this process knows it: under which incarnation, and what it holds.
//!
//! Only the writing thread changes it, after the commit that makes it true; so it can be compared with the tables
//! there. What the tables hold and the process was never handed (a dropped future, a lost answer) is *unclaimed*, and
//! a later lease of its queue hands it out, or, when that is consumed no more, a heartbeat gives it back.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Outcome;
use super::sql;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::names::QueueName;
use crate::store::{Settled, Settlement, WorkerSpec, longest_lease};

/// One worker of this process.
#[derive(Debug)]
pub(super) struct Identity {
    spec: WorkerSpec,
    lease_ms: i64,
    longest_ms: i64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Option<Incarnation>,
    fenced: bool,
    closed: bool,
    /// When it first signed on.
    started: Option<Timestamp>,
    /// What it consumes now, where that is not what it signed on with.
    queues: Option<Vec<QueueName>>,
    /// How many tasks it runs at once now, likewise.
    concurrency: Option<usize>,
    doubt: bool,
    known: HashSet<i64>,
    unclaimed: BTreeSet<i64>,
}

/// Under which name a worker is signed on.
#[derive(Debug, Clone)]
pub(super) struct Incarnation {
    /// Its number in the tables, never given twice.
    pub(super) id: i64,
    /// Its name.
    pub(super) name: Arc<str>,
    generation: u32,
}

impl Identity {
    /// A worker that is not signed on yet.
    pub(super) fn new(spec: WorkerSpec, lease: std::time::Duration) -> Self {
        let ms = |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self { spec, lease_ms: ms(lease), longest_ms: ms(longest_lease(lease)), state: Mutex::default() }
    }

    pub(super) fn spec(&self) -> &WorkerSpec {
        &self.spec
    }

    /// When a lease taken at `now` ends, Unix ms.
    pub(super) fn lease_ends(&self, now: Timestamp) -> i64 {
        now.as_millis().saturating_add(self.lease_ms)
    }

    /// When any worker's lease that is taken at `now` has ended, Unix ms.
    pub(super) fn latest_end(&self, now: Timestamp) -> i64 {
        now.as_millis().saturating_add(self.longest_ms)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The incarnation this process believes in.
    pub(super) fn current(&self) -> Option<Incarnation> {
        self.state().now.clone()
    }

    /// Whether the worker has signed off.
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// The incarnation that is signed on: the known one, or a fresh one when that was reclaimed.
    pub(super) fn sign_on(&self, tx: &mut Tx<'_>) -> Outcome<Incarnation> {
        let known = self.current();
        if let Some(now) = &known
            && tx.prepare(sql::WORKER_ALIVE)?.exists([now.id])?
        {
            return Ok(now.clone());
        }
        let mut generation = known.map_or(0, |now| now.generation + 1);
        loop {
            let name = match generation {
                0 => Arc::clone(&self.spec.incarnation),
                n => format!("{}~{n}", self.spec.incarnation).into(),
            };
            if let Some(id) = self.insert(tx, &name)? {
                return Ok(Incarnation { id, name, generation });
            }
            // Taken: by an earlier request of this transaction, else by another start of the same name.
            if generation > 0
                && let Some(id) = tx.prepare(sql::WORKER_ID)?.query_row([&*name], |row| row.get(0)).optional()?
            {
                return Ok(Incarnation { id, name, generation });
            }
            generation += 1;
        }
    }

    fn insert(&self, tx: &mut Tx<'_>, name: &str) -> Outcome<Option<i64>> {
        let (spec, id, now) = (&self.spec, tx.number(), tx.now);
        let (queues, concurrency) = (as_json(&self.consumed()), self.concurrency());
        // Under another name it has not started anew.
        let started = self.state().started.get_or_insert(now).as_millis();
        let row = params![id, name, spec.hostname, spec.pid, concurrency, queues, started, self.lease_ends(now)];
        let inserted = tx.prepare(sql::WORKER_INSERT)?.execute(row)?;
        Ok((inserted == 1).then_some(id))
    }

    /// It runs so many tasks at once from now on.
    pub(super) fn resize(&self, concurrency: usize) {
        self.state().concurrency = Some(concurrency);
    }

    /// A sign of life, and how long the leases stand now.
    pub(super) fn extend(&self, tx: &Tx<'_>, incarnation: &Incarnation) -> Outcome<()> {
        let row = params![incarnation.id, self.lease_ends(tx.now), self.concurrency()];
        tx.prepare(sql::WORKER_EXTEND)?.execute(row)?;
        Ok(())
    }

    /// How many tasks it runs at once now, as the tables have it.
    fn concurrency(&self) -> i64 {
        i64::try_from(self.state().concurrency.unwrap_or(self.spec.concurrency)).unwrap_or(i64::MAX)
    }

    /// The queues it consumes now.
    pub(super) fn consumed(&self) -> Vec<QueueName> {
        self.state().queues.as_ref().unwrap_or(&self.spec.queues).clone()
    }

    /// Writes down that it consumes these from now on.
    pub(super) fn consume(&self, tx: &mut Tx<'_>, queues: &[QueueName]) -> Outcome<Incarnation> {
        for queue in queues {
            tx.queue(queue)?;
        }
        let incarnation = self.sign_on(tx)?;
        tx.prepare(sql::WORKER_QUEUES)?.execute(params![incarnation.id, as_json(queues)])?;
        Ok(incarnation)
    }

    /// After a commit: it consumes these.
    pub(super) fn consumes(&self, queues: Vec<QueueName>) {
        self.state().queues = Some(queues);
    }

    /// After a commit: this is the incarnation. Another one than before means that what was held is lost.
    pub(super) fn is_now(&self, incarnation: &Incarnation) {
        let mut state = self.state();
        let before = state.now.replace(incarnation.clone());
        if before.is_some_and(|before| before.id != incarnation.id) {
            state.fenced = true;
            state.known.clear();
            state.unclaimed.clear();
        }
    }

    /// Whether this worker was reclaimed since the last time somebody asked.
    pub(super) fn take_fenced(&self) -> bool {
        std::mem::take(&mut self.state().fenced)
    }

    /// After a commit: these are held now.
    pub(super) fn knows(&self, rows: impl IntoIterator<Item = i64>) {
        self.state().known.extend(rows);
    }

    /// After a commit: these are held no more.
    pub(super) fn forgets(&self, rows: impl IntoIterator<Item = i64>) {
        let mut state = self.state();
        for row in rows {
            state.known.remove(&row);
            state.unclaimed.remove(&row);
        }
    }

    /// After a commit: done or lost, this incarnation holds none of them any more. One that an earlier incarnation lost
    /// may by now be held again by this one.
    pub(super) fn settled(&self, settlements: &[Settlement], answers: &[Settled]) {
        let now = self.current();
        let tags = settlements.iter().zip(answers).filter_map(|(settlement, answer)| {
            let tag = settlement.tag.as_ref()?;
            let own = now.as_ref().is_some_and(|now| now.name == tag.incarnation);
            (*answer != Settled::LeaseLost || own).then_some(tag.row)
        });
        self.forgets(tags);
    }

    /// After a commit: the worker has signed off.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.known.clear();
        state.unclaimed.clear();
    }

    /// What nobody was handed.
    pub(super) fn unclaimed(&self) -> BTreeSet<i64> {
        self.state().unclaimed.clone()
    }

    /// Takes what nobody was handed, to hand it out.
    pub(super) fn claim(&self) -> BTreeSet<i64> {
        std::mem::take(&mut self.state().unclaimed)
    }

    /// These did not reach anybody after all. `owner`: under whose number they are held.
    pub(super) fn unclaim(&self, owner: i64, rows: impl IntoIterator<Item = i64>) {
        let mut state = self.state();
        if state.now.as_ref().is_some_and(|now| now.id == owner) {
            for row in rows {
                if state.known.contains(&row) {
                    state.unclaimed.insert(row);
                }
            }
        }
    }

    /// The outcome of a call is unknown: compare with the tables at the next occasion.
    pub(super) fn doubt(&self) {
        self.state().doubt = true;
    }

    /// Whether to compare; asked once.
    pub(super) fn take_doubt(&self) -> bool {
        std::mem::take(&mut self.state().doubt)
    }

    /// Compares what the tables say this worker holds with what it knows. For the writing thread, between transactions.
    pub(super) fn reconcile(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut state = self.state();
        let Some(now) = state.now.clone() else { return Ok(()) };
        let count: i64 = connection.prepare_cached(sql::HELD_COUNT)?.query_row([now.id], |row| row.get(0))?;
        if usize::try_from(count) == Ok(state.known.len()) {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(sql::HELD_ROWS)?;
        let held = statement.query_map([now.id], |row| row.get(0))?.collect::<Result<HashSet<i64>, _>>()?;
        let State { known, unclaimed, .. } = &mut *state;
        unclaimed.extend(held.difference(known));
        unclaimed.retain(|row| held.contains(row));
        *known = held;
        Ok(())
    }
}

/// Queues as the tables have them.
fn as_json(queues: &[QueueName]) -> String {
    serde_json::Value::from_iter(queues.iter().map(QueueName::as_str)).to_string()
}
