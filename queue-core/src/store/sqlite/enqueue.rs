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
    let is_news = is_news(tx, number)?;
    let mut answers = Vec::with_capacity(parcels.len());
    for parcel in parcels {
        let found = match &parcel.key {
            Some(key) if !is_news || !note(tx, key)? => standing(tx, key)?,
            Some(_) | None => {
                if is_news {
                    parcel.chords.iter().try_for_each(|start| chord::begin(tx, start))?;
                    enqueue(tx, &parcel.messages)?;
                }
                None
            }
        };
        answers.push(parcel.stood(found));
    }
    Ok(answers)
}

/// Whether a call has not been made before; then its number is noted.
fn is_news(tx: &Tx<'_>, number: Option<&SendNumber>) -> Outcome<bool> {
    let Some(SendNumber { producer, lane, number }) = number else { return Ok(true) };
    let (until, number) = (tx.now.after(REMEMBERED).as_millis(), i64::try_from(*number).unwrap_or(i64::MAX));
    let row = params![&**producer, lane, number, until, tx.now.as_millis()];
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
