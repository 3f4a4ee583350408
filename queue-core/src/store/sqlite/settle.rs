//! Ends deliveries. What becomes of one, its results and what follows from it are written together, and only while
//! its lease stands.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::fault::Outcome;
use super::tx::{Kind, Tx, Wake, hash};
use super::{chord, enqueue, results, sql};
use crate::names::QueueName;
use crate::store::{DeadLetter, DeliveryTag, Ending, Settled, Settlement, StoredResult};

/// Remembers the numbers of incarnations within one request.
#[derive(Default)]
struct Owners(HashMap<Arc<str>, Option<i64>>);

impl Owners {
    /// The number of the incarnation that holds `tag`; `None` when it is signed on no more.
    fn of(&mut self, tx: &Tx<'_>, tag: &DeliveryTag) -> Outcome<Option<i64>> {
        if let Some(owner) = self.0.get(&tag.incarnation) {
            return Ok(*owner);
        }
        let owner = tx.prepare(sql::WORKER_ID)?.query_row([&*tag.incarnation], |row| row.get(0)).optional()?;
        self.0.insert(Arc::clone(&tag.incarnation), owner);
        Ok(owner)
    }
}

/// Ends deliveries, in the order given.
pub(super) fn settle(tx: &mut Tx<'_>, settlements: &[Settlement]) -> Outcome<Vec<Settled>> {
    let mut owners = Owners::default();
    settlements.iter().map(|settlement| settle_one(tx, &mut owners, settlement)).collect()
}

fn settle_one(tx: &mut Tx<'_>, owners: &mut Owners, settlement: &Settlement) -> Outcome<Settled> {
    let taken = match &settlement.chord_end {
        Some(end) => !chord::may_end(tx, end)?,
        None => false,
    };
    match &settlement.tag {
        // Fence and removal are one statement; what follows is undone with it should it fail.
        Some(tag) => {
            let Some(owner) = owners.of(tx, tag)? else { return Ok(Settled::LeaseLost) };
            let stood = match &settlement.ending {
                Ending::Dead(letter) if !taken => set_aside(tx, tag.row, owner, letter)?,
                Ending::Done | Ending::Dead(_) => remove(tx, tag.row, owner)?,
            };
            if !stood {
                return Ok(Settled::LeaseLost);
            }
        }
        None if taken => (),
        None => {
            if let (Ending::Dead(letter), Some((queue, step, payload))) =
                (&settlement.ending, settlement.early.as_deref())
            {
                add_dead(tx, queue, *step, payload, letter)?;
            }
        }
    }
    if taken {
        return Ok(Settled::ChordTaken);
    }
    results::put(tx, &settlement.results)?;
    chord::apply(tx, &settlement.chords)?;
    enqueue::enqueue(tx, &settlement.follow)?;
    if let Some(end) = &settlement.chord_end {
        chord::end(tx, end)?;
    }
    Ok(Settled::Done)
}

/// Runs a fenced statement that returns the queue and step of the row it found.
fn fenced(tx: &Tx<'_>, sql: &str, params: impl rusqlite::Params) -> Outcome<Option<(i64, u8)>> {
    Ok(tx.prepare(sql)?.query_row(params, |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn remove(tx: &mut Tx<'_>, row: i64, owner: i64) -> Outcome<bool> {
    let Some((queue, step)) = fenced(tx, sql::SETTLE_DONE, params![row, owner])? else { return Ok(false) };
    tx.prepare(sql::BODY_DELETE)?.execute([row])?;
    tx.count(queue, Kind::Leased, step, -1);
    Ok(true)
}

fn set_aside(tx: &mut Tx<'_>, row: i64, owner: i64, letter: &DeadLetter) -> Outcome<bool> {
    let now = tx.now.as_millis();
    let Some((queue, step)) = fenced(tx, sql::SETTLE_DEAD, params![row, owner, now])? else { return Ok(false) };
    write_letter(tx, row, letter)?;
    tx.count(queue, Kind::Leased, step, -1);
    tx.count(queue, Kind::Dead, step, 1);
    Ok(true)
}

fn write_letter(tx: &Tx<'_>, row: i64, letter: &DeadLetter) -> Outcome<()> {
    let letter = serde_json::to_string(letter).expect("a dead letter is texts and numbers");
    tx.prepare(sql::DEAD_INSERT)?.execute(params![row, letter])?;
    Ok(())
}

/// Keeps aside what was acknowledged before it ran.
fn add_dead(tx: &mut Tx<'_>, queue: &QueueName, step: u8, payload: &[u8], letter: &DeadLetter) -> Outcome<()> {
    let (seq, queue, step) = (tx.number(), tx.queue(queue)?, enqueue::step(step));
    let id = letter.id.as_deref().unwrap_or_default();
    let task = letter.task.as_deref().unwrap_or_default();
    let now = tx.now.as_millis();
    tx.prepare(sql::JOB_INSERT)?.execute(params![seq, queue, step, Kind::Dead as u8, now, hash(id)])?;
    tx.prepare(sql::BODY_INSERT)?.execute(params![seq, id, task, payload])?;
    write_letter(tx, seq, letter)?;
    tx.count(queue, Kind::Dead, step, 1);
    Ok(())
}

/// Puts deliveries back at their old places; nobody comes under suspicion by it. Says which rows.
pub(super) fn give_back(tx: &mut Tx<'_>, tags: &[DeliveryTag]) -> Outcome<Vec<i64>> {
    let mut owners = Owners::default();
    let mut given = Vec::new();
    for tag in tags {
        let Some(owner) = owners.of(tx, tag)? else { continue };
        if give_back_row(tx, tag.row, owner)? {
            given.push(tag.row);
        }
    }
    Ok(given)
}

/// As [`give_back`], of everything a worker holds.
pub(super) fn give_back_all(tx: &mut Tx<'_>, owner: i64) -> Outcome<usize> {
    let rows: Vec<i64> = tx.prepare(sql::HELD_ROWS)?.query_map([owner], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for &row in &rows {
        give_back_row(tx, row, owner)?;
    }
    Ok(rows.len())
}

pub(super) fn give_back_row(tx: &mut Tx<'_>, row: i64, owner: i64) -> Outcome<bool> {
    let found = tx.prepare(sql::GIVE_BACK)?.query_row(params![row, owner], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, u8>(1)?, row.get::<_, bool>(2)?))
    });
    let Some((queue, step, suspect)) = found.optional()? else { return Ok(false) };
    let (kind, wake) = if suspect { (Kind::Suspect, Wake::Suspect) } else { (Kind::Ready, Wake::Fresh) };
    tx.count(queue, Kind::Leased, step, -1);
    tx.count(queue, kind, step, 1);
    tx.effects.wake(queue, wake, 1);
    Ok(true)
}

/// Takes a delivery off suspicion; false when its lease was lost.
pub(super) fn absolve(tx: &mut Tx<'_>, tag: &DeliveryTag) -> Outcome<bool> {
    let Some(owner) = Owners::default().of(tx, tag)? else { return Ok(false) };
    Ok(tx.prepare(sql::ABSOLVE)?.execute(params![tag.row, owner])? == 1)
}

/// Stores results while the lease stands; false when it was lost.
pub(super) fn progress(tx: &mut Tx<'_>, tag: &DeliveryTag, stored: &[StoredResult]) -> Outcome<bool> {
    let Some(owner) = Owners::default().of(tx, tag)? else { return Ok(false) };
    if !tx.prepare(sql::HELD_CHECK)?.exists(params![tag.row, owner])? {
        return Ok(false);
    }
    results::put(tx, stored)?;
    Ok(true)
}
