//! Puts messages in: into their queue, or aside until they are due; by number and by key at most once.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{OptionalExtension, params};

use super::fault::Outcome;
use super::tx::{Kind, Tx, Wake, hash};
use super::{chord, sql};
use crate::names::Priority;
use crate::store::{Outgoing, Parcel, REMEMBERED, SendKey, SendNumber, StoreError};

/// Refuses a batch with a payload over the limit.
pub(super) fn check_size<'a>(messages: impl IntoIterator<Item = &'a Outgoing>, limit: usize) -> Result<(), StoreError> {
    match messages.into_iter().find(|message| message.payload.len() > limit) {
        None => Ok(()),
        Some(message) => {
            let (id, size) = (message.id.as_str().to_owned(), message.payload.len());
            Err(StoreError::TooLarge { id, size, limit })
        }
    }
}

/// Appends each message to its queue, in order.
pub(super) fn enqueue(tx: &mut Tx<'_>, messages: &[Outgoing]) -> Outcome<()> {
    let mut job = tx.prepare(sql::JOB_INSERT)?;
    let mut body = tx.prepare(sql::BODY_INSERT)?;
    for message in messages {
        let (seq, queue, step) = (tx.number(), tx.queue(&message.queue)?, message.priority.step());
        let due = message.due.filter(|due| *due > tx.now);
        let kind = if due.is_some() { Kind::Scheduled } else { Kind::Ready };
        let at = due.map(|due| due.as_millis());
        job.execute(params![seq, queue, step, kind as u8, at, hash(message.id.as_str())])?;
        body.execute(params![seq, message.id.as_str(), &*message.task, &*message.payload])?;
        tx.count(queue, kind, step, 1);
        match due {
            None => tx.effects.wake(queue, Wake::Fresh, 1),
            Some(due) => tx.effects.due(queue, due),
        }
    }
    Ok(())
}

/// Enqueues parcels by number and by key; per parcel the value of the key that stood.
pub(super) fn enqueue_once(
    tx: &mut Tx<'_>,
    parcels: &[Parcel],
    number: Option<&SendNumber>,
) -> Outcome<Vec<Option<Bytes>>> {
    let is_news = number.map_or(Ok(true), |number| see(tx, number, number.lane.into()))?;
    let mut answers = Vec::with_capacity(parcels.len());
    for (nth, parcel) in (1..).zip(parcels) {
        let found = enqueue_parcel(tx, parcel, number.map(|number| Numbered { number, nth, is_news }))?;
        answers.push(parcel.stood(found));
    }
    Ok(answers)
}

/// A parcel of a call with a number.
#[derive(Clone, Copy)]
struct Numbered<'a> {
    number: &'a SendNumber,
    /// Which parcel, from 1.
    nth: i64,
    /// The call has not been made before.
    is_news: bool,
}

/// Enqueues a parcel, unless a try of its call has done so before, or its key stands: then it gives that one's value.
fn enqueue_parcel(tx: &mut Tx<'_>, parcel: &Parcel, numbered: Option<Numbered<'_>>) -> Outcome<Option<Bytes>> {
    let goes = numbered.map_or(Ok(true), |numbered| numbered.is_open(tx))?;
    if let Some(key) = &parcel.key
        && !(goes && note(tx, key)?)
    {
        if let Some(numbered) = numbered.filter(|_| goes) {
            numbered.keep_out(tx)?;
        }
        return standing(tx, key);
    }
    if goes {
        if let Some(numbered) = numbered.filter(|numbered| !numbered.is_news) {
            numbered.let_in(tx)?;
        }
        parcel.chords.iter().try_for_each(|start| chord::begin(tx, start))?;
        enqueue(tx, &parcel.messages)?;
    }
    Ok(None)
}

impl Numbered<'_> {
    /// The lane under which it is noted that a key kept it out.
    fn lane(&self) -> i64 {
        (self.nth << 32) | i64::from(self.number.lane)
    }

    /// Whether no try of its call has enqueued it. A key that kept it out may have ended since, and to say then that it is enqueued
    /// would be a lie.
    fn is_open(&self, tx: &Tx<'_>) -> Outcome<bool> {
        let SendNumber { producer, lane, number } = self.number;
        let row = params![&**producer, lane, as_row(*number), self.lane()];
        Ok(self.is_news || tx.prepare(sql::PRODUCER_KEPT_OUT)?.exists(row)?)
    }

    fn keep_out(&self, tx: &Tx<'_>) -> Outcome<()> {
        see(tx, self.number, self.lane()).map(drop)
    }

    fn let_in(&self, tx: &Tx<'_>) -> Outcome<()> {
        tx.prepare(sql::PRODUCER_LET_IN)?.execute(params![&*self.number.producer, self.lane()])?;
        Ok(())
    }
}

fn as_row(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Notes a number on a lane; false when it, or a later one, was seen.
fn see(tx: &Tx<'_>, number: &SendNumber, lane: i64) -> Outcome<bool> {
    let until = tx.now.after(REMEMBERED).as_millis();
    let row = params![&*number.producer, lane, as_row(number.number), until, tx.now.as_millis()];
    Ok(tx.prepare(sql::PRODUCER_SEE)?.execute(row)? == 1)
}

/// Puts a key up; false when it stands already.
fn note(tx: &Tx<'_>, SendKey { key, ttl, value }: &SendKey) -> Outcome<bool> {
    let row =
        params![&**key, &**value, tx.now.after((*ttl).max(Duration::from_secs(1))).as_millis(), tx.now.as_millis()];
    Ok(tx.prepare(sql::SENT_NOTE)?.execute(row)? == 1)
}

fn standing(tx: &Tx<'_>, key: &SendKey) -> Outcome<Option<Bytes>> {
    let mut read = tx.prepare(sql::SENT_READ)?;
    let row = params![&*key.key, tx.now.as_millis()];
    let found = read.query_row(row, |row| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?)));
    Ok(found.optional()?)
}

/// Deletes a slice of what has expired; how many rows of the kind that had most.
pub(super) fn expire(tx: &Tx<'_>, slice: &[&dyn rusqlite::ToSql]) -> Outcome<usize> {
    let numbers = tx.prepare(sql::PRODUCER_EXPIRE)?.execute(slice)?;
    let keys = tx.prepare(sql::SENT_EXPIRE)?.execute(slice)?;
    Ok(numbers.max(keys))
}

/// The step a message of such a step number belongs to: one of the four there are.
pub(super) fn step(step: u8) -> u8 {
    Priority::new(i64::from(step)).step()
}
