//! A worker's heartbeat: extends its leases, promotes what is due, and looks for dead workers.
//!
//! A worker is dead when its lease ended *and* it stayed silent through the grace after a sweep first found that,
//! while sweeps went on. When the file was not served for a while (a suspended host), every worker seems silent;
//! then each grace begins anew, and the living beat before it ends. What is too short to be told from a pause between two
//! heartbeats never makes up more than half of a grace.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;

use super::fault::Outcome;
use super::identity::{Identity, Incarnation};
use super::tx::{Kind, Tx, Wake};
use super::{bus, chord, enqueue, lease, settle, sql};
use crate::clock::Timestamp;
use crate::store::Beat;

/// How many expired rows a beat deletes at most; the rest is done between other requests.
pub(super) const TIDY: usize = 1000;

/// When silence is death.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) grace: Duration,
    pub(super) sweep_gap: Duration,
}

/// What a heartbeat did.
pub(super) struct Beaten {
    pub(super) incarnation: Incarnation,
    pub(super) beat: Beat,
    /// Rows that are held no more.
    pub(super) returned: Vec<i64>,
    /// Whether expired rows are left.
    pub(super) more: bool,
}

/// One heartbeat.
pub(super) fn beat(tx: &mut Tx<'_>, identity: &Arc<Identity>, patience: Patience) -> Outcome<Beaten> {
    let incarnation = identity.sign_on(tx)?;
    identity.extend(tx, &incarnation)?;
    let mut beat = Beat::default();
    // Later than any could that begins now: the clock was set back, and who died before would be hidden for as long as that.
    let (usual, latest) = (identity.lease_ends(tx.now), identity.latest_end(tx.now));
    tx.prepare(sql::SWEEP_CUT)?.execute([usual, latest])?;
    sweep(tx, patience, &mut beat)?;
    beat.ready = has_ready(tx, identity)?;
    for name in identity.consumed() {
        let queue = tx.queue(&name)?;
        beat.promoted += lease::promote(tx, queue)?;
        if let Some(due) = lease::next_due(tx, queue)? {
            tx.effects.due(queue, due);
            beat.next_due = Some(beat.next_due.map_or(due, |next| next.min(due)));
        }
    }
    let returned = return_strays(tx, identity, &incarnation)?;
    let more = tidy(tx)?;
    tx.effects.reconcile.push(Arc::clone(identity));
    Ok(Beaten { incarnation, beat, returned, more })
}

/// Gives back what nobody was handed of queues that are consumed no more: no later lease asks for it.
fn return_strays(tx: &mut Tx<'_>, identity: &Identity, owner: &Incarnation) -> Outcome<Vec<i64>> {
    let unclaimed = identity.unclaimed();
    if unclaimed.is_empty() {
        return Ok(Vec::new());
    }
    let consumed: Vec<i64> = identity.consumed().iter().map(|name| tx.queue(name)).collect::<Outcome<_>>()?;
    let held: Vec<(i64, i64)> = tx
        .prepare(sql::HELD_ROWS)?
        .query_map([owner.id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut returned = Vec::new();
    for (row, queue) in held {
        if unclaimed.contains(&row) && !consumed.contains(&queue) && settle::give_back_row(tx, row, owner.id)? {
            returned.push(row);
        }
    }
    Ok(returned)
}

/// Whether something lies ready in one of the queues consumed now.
fn has_ready(tx: &mut Tx<'_>, identity: &Identity) -> Outcome<bool> {
    for name in identity.consumed() {
        let queue = tx.queue(&name)?;
        let mut tally = tx.prepare(sql::TALLY_READ)?;
        let kinds = tally.query_map([queue], |row| row.get::<_, u8>(0))?.collect::<Result<Vec<_>, _>>()?;
        if kinds.contains(&(Kind::Ready as u8)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn sweep(tx: &mut Tx<'_>, patience: Patience, beat: &mut Beat) -> Outcome<()> {
    let now = tx.now;
    let (passed, back) = (tx.meta.swept.until(now), now.until(tx.meta.swept));
    let nap = passed.saturating_sub(patience.grace / 2).as_millis();
    if passed.max(back) > patience.sweep_gap {
        tx.prepare(sql::SWEEP_RESTART)?.execute([now.as_millis()])?;
        tx.meta.swept = now;
    } else if nap > 0 {
        tx.prepare(sql::SWEEP_NAP)?.execute([i64::try_from(nap).unwrap_or(i64::MAX)])?;
    }
    // Hosts' clocks differ a little: never back by as little.
    tx.meta.swept = tx.meta.swept.max(now);
    tx.prepare(sql::SWEEP_MARK)?.execute([now.as_millis()])?;
    for (worker, incarnation) in dead_workers(tx, now, patience.grace)? {
        beat.reclaimed += reclaim(tx, worker)?;
        beat.dead_workers.push(incarnation);
    }
    Ok(())
}

fn dead_workers(tx: &Tx<'_>, now: Timestamp, grace: Duration) -> Outcome<Vec<(i64, String)>> {
    let since = now.as_millis().saturating_sub(i64::try_from(grace.as_millis()).unwrap_or(i64::MAX));
    let mut statement = tx.prepare(sql::SWEEP_DEAD)?;
    let dead = statement.query_map([since], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(dead)
}

/// Takes back what a dead worker held. Only the one suspect it ran, if it ran one alone, is blamed for the death.
fn reclaim(tx: &mut Tx<'_>, worker: i64) -> Outcome<usize> {
    let held: Vec<(i64, i64, u8, bool)> = tx
        .prepare(sql::HELD_ROWS)?
        .query_map([worker], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    let mut suspects = held.iter().filter(|(.., suspect)| *suspect);
    let blamed = suspects.next().filter(|_| suspects.next().is_none()).map(|(seq, ..)| *seq);
    tx.prepare(sql::RECLAIM)?.execute(params![worker, blamed])?;
    for &(_, queue, step, _) in &held {
        tx.count(queue, Kind::Leased, step, -1);
        tx.count(queue, Kind::Suspect, step, 1);
        tx.effects.wake(queue, Wake::Suspect, 1);
    }
    tx.prepare(sql::WORKER_DELETE)?.execute([worker])?;
    Ok(held.len())
}

/// Deletes a slice of what has expired; true when there may be more.
pub(super) fn tidy(tx: &Tx<'_>) -> Outcome<bool> {
    let slice = params![tx.now.as_millis(), i64::try_from(TIDY).unwrap_or(i64::MAX)];
    let results = tx.prepare(sql::RESULT_EXPIRE)?.execute(slice)?;
    let revoked = tx.prepare(sql::REVOKED_EXPIRE)?.execute(slice)?;
    let chords = chord::expire(tx, slice)?;
    let sent = enqueue::expire(tx, slice)?;
    let posts = bus::expire(tx, slice)?;
    Ok([results, revoked, chords, sent, posts].into_iter().max() >= Some(TIDY))
}
