//! Puts messages in: into their queue, or aside until they are due.

use rusqlite::params;

use super::fault::Outcome;
use super::sql;
use super::tx::{Kind, Tx, Wake, hash};
use crate::names::Priority;
use crate::store::{Outgoing, StoreError};

/// Refuses a batch with a payload over the limit.
pub(super) fn check_size(messages: &[Outgoing], limit: usize) -> Result<(), StoreError> {
    match messages.iter().find(|message| message.payload.len() > limit) {
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

/// The step a message of such a step number belongs to: one of the four there are.
pub(super) fn step(step: u8) -> u8 {
    Priority::new(i64::from(step)).step()
}
