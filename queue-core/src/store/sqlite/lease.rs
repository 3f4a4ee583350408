//! Lends messages to a worker: promotes what is due, then takes in the order asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, params};

use super::fault::Outcome;
use super::identity::{Identity, Incarnation};
use super::sql;
use super::tx::{Due, Kind, Tx, Wake};
use crate::clock::Timestamp;
use crate::names::{Priority, QueueName};
use crate::store::{Delivery, DeliveryTag, LeaseRequest, Order};

/// The most that one call leases.
const MOST: usize = 1000;
/// The most that one call promotes per queue; the next call goes on.
const PROMOTED: i64 = 1000;

/// What a lease took, on its way to who asked. Dropped on the way, it is left for a later lease.
#[derive(Debug)]
pub(super) struct Taken {
    identity: Arc<Identity>,
    incarnation: Incarnation,
    /// Held since earlier, but never handed out.
    claimed: Vec<Delivery>,
    /// Held from now on, once committed.
    leased: Vec<Delivery>,
    committed: bool,
}

impl Taken {
    /// After the commit: the process knows of it.
    pub(super) fn committed(&mut self) {
        self.committed = true;
        self.identity.is_now(&self.incarnation);
        self.identity.knows(self.leased.iter().map(|delivery| delivery.tag.row));
    }

    /// Hands it out.
    pub(super) fn hand_out(mut self) -> Vec<Delivery> {
        let mut all = std::mem::take(&mut self.claimed);
        all.append(&mut self.leased);
        all
    }

    fn is_suspect(&self) -> bool {
        self.claimed.iter().chain(&self.leased).any(|delivery| delivery.suspect)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let leased = self.leased.iter().filter(|_| self.committed);
        let rows = self.claimed.iter().chain(leased).map(|delivery| delivery.tag.row);
        self.identity.unclaim(self.incarnation.id, rows);
    }
}

/// Leases up to `request.limit` messages.
pub(super) fn lease(tx: &mut Tx<'_>, identity: &Arc<Identity>, request: &LeaseRequest) -> Outcome<Taken> {
    let incarnation = identity.sign_on(tx)?;
    let queues: Vec<Queue<'_>> = request
        .queues
        .iter()
        .map(|share| Ok(Queue { id: tx.queue(&share.queue)?, name: &share.queue, share: share.share }))
        .collect::<Outcome<_>>()?;
    for queue in &queues {
        promote(tx, queue.id)?;
    }
    let limit = request.limit.get().min(MOST);
    let mut taken = Taken {
        identity: Arc::clone(identity),
        incarnation,
        claimed: Vec::new(),
        leased: Vec::new(),
        committed: false,
    };
    claim(tx, &mut taken, request, limit)?;
    let mut taker = Taker { tx, taken: &mut taken, left: limit };
    taker.left -= taker.taken.claimed.len();
    if request.suspect && !taker.taken.is_suspect() {
        taker.take_suspect(&queues, request.order)?;
    }
    match request.order {
        Order::Strict => taker.take_by_step(&queues)?,
        Order::Weighted => taker.take_by_share(&queues)?,
    }
    if !taken.leased.is_empty() {
        identity.extend(tx, &taken.incarnation)?;
    }
    for queue in &queues {
        let due = next_due(tx, queue.id)?;
        tx.effects.dues.push((queue.id, Due::At(due)));
    }
    Ok(taken)
}

/// Moves what is due to the back of its queue; says how many.
pub(super) fn promote(tx: &mut Tx<'_>, queue: i64) -> Outcome<usize> {
    let now = tx.now.as_millis();
    let due: Vec<(i64, u8)> = tx
        .prepare(sql::DUE)?
        .query_map(params![queue, now, PROMOTED], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut promote = tx.prepare(sql::PROMOTE)?;
    for &(seq, step) in &due {
        promote.execute(params![seq, tx.number()])?;
        tx.count(queue, Kind::Scheduled, step, -1);
        tx.count(queue, Kind::Ready, step, 1);
    }
    tx.effects.wake(queue, Wake::Fresh, due.len());
    Ok(due.len())
}

/// When the next scheduled message of a queue is due.
pub(super) fn next_due(tx: &Tx<'_>, queue: i64) -> Outcome<Option<Timestamp>> {
    let at = tx.prepare(sql::NEXT_DUE)?.query_row([queue], |row| row.get(0)).optional()?;
    Ok(at.map(Timestamp::from_millis))
}

/// Takes over what this worker holds and was never handed; what does not fit the request stays for a later one.
fn claim(tx: &mut Tx<'_>, taken: &mut Taken, request: &LeaseRequest, limit: usize) -> Outcome<()> {
    let mut rows = taken.identity.claim();
    let mut claimed = BTreeSet::new();
    let all = rows.iter().try_for_each(|&row| {
        if taken.claimed.len() < limit
            && let Some(delivery) = held(tx, row, &taken.incarnation, request)?
            && (!delivery.suspect || (request.suspect && !taken.is_suspect()))
        {
            taken.claimed.push(delivery);
            claimed.insert(row);
        }
        Ok(())
    });
    rows.retain(|row| !claimed.contains(row));
    taken.identity.unclaim(taken.incarnation.id, rows);
    all
}

fn held(tx: &mut Tx<'_>, row: i64, owner: &Incarnation, request: &LeaseRequest) -> Outcome<Option<Delivery>> {
    for share in &request.queues {
        let queue = tx.queue(&share.queue)?;
        let delivery = tx
            .prepare(sql::HELD_ONE)?
            .query_row(params![row, owner.id, queue], |found| {
                let place = Place { queue: &share.queue, step: found.get(0)?, suspect: found.get(1)? };
                place.delivery(&owner.name, row, found.get(2)?, found.get(3)?, found, 4)
            })
            .optional()?;
        if delivery.is_some() {
            return Ok(delivery);
        }
    }
    Ok(None)
}

struct Queue<'r> {
    id: i64,
    name: &'r QueueName,
    share: usize,
}

/// Where a delivery comes from.
struct Place<'r> {
    queue: &'r QueueName,
    step: u8,
    suspect: bool,
}

impl Place<'_> {
    fn delivery(
        &self,
        owner: &Arc<str>,
        row: i64,
        deaths: u32,
        redelivered: bool,
        columns: &Row<'_>,
        payload: usize,
    ) -> rusqlite::Result<Delivery> {
        let payload = Bytes::copy_from_slice(columns.get_ref(payload)?.as_blob()?);
        let (incarnation, suspect) = (Arc::clone(owner), self.suspect);
        let tag = DeliveryTag { incarnation, list: Arc::from(""), row, suspect, payload };
        Ok(Delivery { queue: self.queue.clone(), step: self.step, redelivered, deaths, suspect, tag })
    }
}

/// Takes from one place after the other until it has enough.
struct Taker<'t, 'c> {
    tx: &'t mut Tx<'c>,
    taken: &'t mut Taken,
    left: usize,
}

impl Taker<'_, '_> {
    /// One suspect, from the first place that has any.
    fn take_suspect(&mut self, queues: &[Queue<'_>], order: Order) -> Outcome<()> {
        let by_step = || Priority::STEPS.iter().flat_map(|step| queues.iter().map(move |queue| (*step, queue)));
        let by_queue = || queues.iter().flat_map(|queue| Priority::STEPS.iter().map(move |step| (*step, queue)));
        let places: Vec<_> = if order == Order::Strict { by_step().collect() } else { by_queue().collect() };
        for (step, queue) in places {
            if self.take(queue, step, true, 1)? > 0 {
                break;
            }
        }
        Ok(())
    }

    fn take_by_step(&mut self, queues: &[Queue<'_>]) -> Outcome<()> {
        for step in Priority::STEPS {
            for queue in queues {
                self.take(queue, step, false, self.left)?;
            }
        }
        Ok(())
    }

    fn take_by_share(&mut self, queues: &[Queue<'_>]) -> Outcome<()> {
        for queue in queues {
            let has =
                self.taken.claimed.iter().chain(&self.taken.leased).filter(|had| had.queue == *queue.name).count();
            self.take_from(queue, queue.share.saturating_sub(has))?;
        }
        for queue in queues {
            self.take_from(queue, self.left)?;
        }
        Ok(())
    }

    fn take_from(&mut self, queue: &Queue<'_>, mut limit: usize) -> Outcome<()> {
        for step in Priority::STEPS {
            limit -= self.take(queue, step, false, limit)?;
        }
        Ok(())
    }

    /// Up to `limit` of one step of a queue, oldest first.
    fn take(&mut self, queue: &Queue<'_>, step: u8, suspect: bool, limit: usize) -> Outcome<usize> {
        let limit = limit.min(self.left);
        if limit == 0 {
            return Ok(0);
        }
        let owner = self.taken.incarnation.clone();
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let place = Place { queue: queue.name, step, suspect };
        let mut rows: Vec<(i64, Delivery)> = self
            .tx
            .prepare(sql::LEASE)?
            .query_map(params![owner.id, queue.id, suspect, step, most], |row| {
                let delivery = place.delivery(&owner.name, row.get(0)?, row.get(2)?, row.get(3)?, row, 4)?;
                Ok((row.get(1)?, delivery))
            })?
            .collect::<Result<_, _>>()?;
        rows.sort_unstable_by_key(|(pos, _)| *pos);
        let n = rows.len();
        self.taken.leased.extend(rows.into_iter().map(|(_, delivery)| delivery));
        self.left -= n;
        let counted = i64::try_from(n).unwrap_or(i64::MAX);
        self.tx.count(queue.id, Kind::ready(suspect), step, -counted);
        self.tx.count(queue.id, Kind::Leased, step, counted);
        Ok(n)
    }
}
