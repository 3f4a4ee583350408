//! Waits for messages without asking again and again: one blocking move per list, a timer for what is due.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::consumer::RedisConsumer;
use super::hub::Subscription;
use super::link::Link;
use super::shared::{Lane, Shared, take};
use super::times::deadline;
use crate::store::{Delivery, INTERNAL, LeaseRequest, StoreError};

/// How many due messages of a list one call moves.
const PROMOTE_MAX: usize = 200;

/// Says how many deliveries a wait in progress takes; none once it is dropped.
struct Room<'a>(&'a Shared);

impl<'a> Room<'a> {
    fn open(shared: &'a Shared, limit: usize) -> Self {
        shared.room.store(limit, Ordering::Release);
        Self(shared)
    }

    /// Closes and takes what arrived. Both under the inbox's lock, which arrivals hold too: one that comes between would
    /// lie in the inbox of a worker that has what it wanted.
    fn close(self, request: &LeaseRequest) -> Vec<Delivery> {
        let mut inbox = self.0.inbox();
        self.0.room.store(0, Ordering::Release);
        take(&mut inbox, request.limit.get(), request.suspect)
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.room.store(0, Ordering::Release);
    }
}

/// See [`crate::store::Consumer::wait`].
pub(super) async fn wait(
    consumer: &RedisConsumer,
    request: &LeaseRequest,
    at_most: Duration,
) -> Result<Vec<Delivery>, StoreError> {
    let shared = &*consumer.shared;
    if shared.closed.load(Ordering::Acquire) {
        return Ok(Vec::new());
    }
    let ends = deadline(at_most);
    let room = Room::open(shared, request.limit.get());
    for arm in consumer.arms.iter() {
        let lane = &shared.lanes[arm.lane()];
        if lane.is_active() && !lane.is_barred() && request.queues.iter().any(|share| share.queue == lane.keys.queue) {
            arm.arm(&consumer.shared);
        }
    }
    loop {
        let news = shared.news.notified();
        let arrived = shared.inbox().iter().any(|delivery| request.suspect || !delivery.suspect);
        if arrived || shared.dirty.load(Ordering::Acquire) {
            return Ok(room.close(request));
        }
        let due = shared.until_due();
        tokio::select! {
            // With an empty inbox somebody says that a lease may find something.
            () = news => return Ok(room.close(request)),
            () = shared.timer.notified() => {}
            () = tokio::time::sleep(due.unwrap_or(Duration::MAX)), if due.is_some() => {
                if promote(shared, &shared.store.link).await? > 0 {
                    return Ok(room.close(request));
                }
            }
            () = tokio::time::sleep_until(ends.into()) => return Ok(room.close(request)),
        }
    }
}

/// Moves what is due into its lists, and notes when the next is.
pub(super) async fn promote(shared: &Shared, link: &Link) -> Result<usize, StoreError> {
    let mut keys: Vec<&str> = Vec::with_capacity(3 * shared.lanes.len());
    for lane in shared.lanes.iter() {
        keys.extend([&*lane.keys.scheduled, &*lane.keys.list, &*lane.keys.suspects]);
    }
    let script = &shared.store.scripts.promote;
    let mut call = script.call(&keys);
    call.arg(shared.store.options.clock.skew_ms()).arg(PROMOTE_MAX).arg(INTERNAL);
    let asked = shared.due_news.load(Ordering::Acquire);
    let (moved, next_due, now): (usize, i64, i64) = link.script(script, &call).await?;
    shared.note_due(now, next_due, asked);
    Ok(moved)
}

/// Listens for due times that come before all others of a lane.
pub(super) fn watch_due(shared: &Arc<Shared>, lane: &Lane) -> Subscription {
    let weak = Arc::downgrade(shared);
    shared.store.hub.subscribe(lane.keys.due.clone(), move |payload| {
        let Some(shared) = weak.upgrade() else { return };
        // After a reconnection (no payload) something may have been missed: look at once.
        let due = payload.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0);
        shared.announce_due(due);
    })
}
