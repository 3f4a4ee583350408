//! What all calls of one consumer share: its lanes, and how they come back after they were reclaimed; what arrived and was
//! not handed out; when the next waiting message is due.
//!
//! A *lane* is one list (a queue at one priority step) with the incarnation under which this worker holds messages of it.
//! Each lane is fenced by itself: when one is reclaimed, only that one goes on under a fresh incarnation.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::growing::Growing;
use super::inner::Inner;
use super::keys::{self, ListKeys};
use super::ledger::Ledger;
use super::revoked::Revocations;
use super::times::NEVER;
use super::window::HeldOrder;
use crate::names::QueueName;
use crate::store::{Delivery, DeliveryTag, WorkerSpec};

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) index: usize,
    pub(super) keys: ListKeys,
    /// Leased from, waited on and kept alive: step 0 always, the others once they were seen used.
    pub(super) active: AtomicBool,
    /// A lease of it may have happened of which nobody heard.
    unheard: AtomicBool,
    /// Something else than a queue is at one of its keys: it is left out until a heartbeat finds that it is gone.
    barred: AtomicBool,
    incarnation: RwLock<Arc<str>>,
    generation: AtomicUsize,
}

impl Lane {
    pub(super) fn new(index: usize, keys: ListKeys, incarnation: &Arc<str>) -> Self {
        let active = AtomicBool::new(keys.step == 0);
        let incarnation = RwLock::new(incarnation.clone());
        let (unheard, barred) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { index, keys, active, unheard, barred, incarnation, generation: AtomicUsize::new(0) }
    }

    /// Under which name messages of this lane are held now.
    pub(super) fn incarnation(&self) -> Arc<str> {
        self.incarnation.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// A call that may take something of it goes, or went and got no answer.
    pub(super) fn may_be_leased(&self) {
        self.unheard.store(true, Ordering::Relaxed);
    }

    /// Whether something of it may be in this worker's hands.
    pub(super) fn may_be_held(&self) -> bool {
        self.is_active() || self.unheard.load(Ordering::Relaxed)
    }

    pub(super) fn is_barred(&self) -> bool {
        self.barred.load(Ordering::Relaxed)
    }

    /// Something else is at `key`: leaves this lane out, and says so once. It is no outage, all other queues go on. Active,
    /// since heartbeats look at those only.
    pub(super) fn bar(&self, key: &str) {
        self.active.store(true, Ordering::Relaxed);
        if !self.barred.swap(true, Ordering::Relaxed) {
            tracing::error!(
                key,
                queue = %self.keys.queue,
                "this key holds something else than a queue has there: nothing is taken from this list until it is \
                 gone; see with `TYPE` what it is, and `RENAME` or `DEL` it"
            );
        }
    }

    /// There is a queue again, or nothing.
    pub(super) fn unbar(&self) {
        self.barred.store(false, Ordering::Relaxed);
        tracing::info!(list = &*self.keys.list, queue = %self.keys.queue, "nothing else is at the keys of this list any more");
    }
}

/// What all calls of one consumer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Arc<Inner>,
    pub(super) spec: WorkerSpec,
    /// The queues it consumes now.
    pub(super) queues: Mutex<Vec<QueueName>>,
    /// How many tasks it runs at once now.
    pub(super) concurrency: AtomicUsize,
    /// The same, as the store was told.
    pub(super) described: AtomicUsize,
    /// When it first signed on, the store's time in Unix ms.
    pub(super) started: OnceLock<i64>,
    pub(super) lanes: Growing<Lane>,
    pub(super) ledger: Ledger,
    /// How what it holds lies in the store.
    pub(super) order: HeldOrder,
    /// Deliveries that arrived and were not handed out yet.
    pub(super) inbox: Mutex<VecDeque<Delivery>>,
    /// How many more deliveries a wait in progress takes; 0 when there is none.
    pub(super) room: AtomicUsize,
    /// Woken when the inbox fills or there may be something to lease.
    pub(super) news: Notify,
    /// Woken when `next_due` moved.
    pub(super) timer: Notify,
    /// Compare with the store before the next lease.
    pub(super) dirty: AtomicBool,
    /// The store's time at which the next waiting message is due, Unix ms; [`NEVER`] when none is known.
    pub(super) next_due: AtomicI64,
    /// Counts announcements of due times.
    pub(super) due_news: AtomicUsize,
    /// The store's time minus this host's, ms.
    pub(super) drift_ms: AtomicI64,
    pub(super) closed: AtomicBool,
    /// How many deliveries were made.
    pub(super) handed_out: AtomicI64,
    /// A lane was reclaimed, whoever noticed; the next heartbeat says so.
    pub(super) fenced: AtomicBool,
    pub(super) revocations: Revocations,
}

impl Shared {
    /// Where a tag's messages are held, or `None` for a tag of another consumer.
    pub(super) fn lane_of(&self, tag: &DeliveryTag) -> Option<&Lane> {
        self.lanes.iter().find(|lane| *lane.keys.list == *tag.list)
    }

    /// Notes a message that a reply brought as held and makes a delivery of it. `None` for one that is here already: the reply
    /// came so late that the message was looked up in the store. It came by a lease over the connection of this `age`, or in another way.
    pub(super) fn deliver(
        &self,
        lane: &Lane,
        incarnation: &Arc<str>,
        payload: Bytes,
        suspect: Option<u32>,
        age: Option<u64>,
    ) -> Option<Delivery> {
        if let Some(twin) = self.ledger.arrive((lane.index, suspect.is_some()), &payload) {
            let delivery = self.delivery(lane, incarnation, payload, suspect);
            self.note_order(lane, &delivery.tag, age, twin);
            return Some(delivery);
        }
        self.dirty.store(true, Ordering::Release);
        self.news.notify_one();
        None
    }

    /// Notes how what this tag names lies in the store, beside an equal one if it is a `twin`.
    pub(super) fn note_order(&self, lane: &Lane, tag: &DeliveryTag, age: Option<u64>, twin: bool) {
        // What was held under an earlier name is somebody else's.
        if !tag.suspect && lane.incarnation() == tag.incarnation {
            self.order.note(lane.index, tag, age, twin);
        }
    }

    /// Makes a delivery of a message that is noted already.
    pub(super) fn delivery(
        &self,
        lane: &Lane,
        incarnation: &Arc<str>,
        payload: Bytes,
        suspect: Option<u32>,
    ) -> Delivery {
        Delivery {
            queue: lane.keys.queue.clone(),
            step: lane.keys.step,
            redelivered: suspect.is_some(),
            deaths: suspect.unwrap_or(0),
            suspect: suspect.is_some(),
            tag: DeliveryTag {
                incarnation: incarnation.clone(),
                list: lane.keys.list.clone(),
                row: self.handed_out.fetch_add(1, Ordering::Relaxed),
                suspect: suspect.is_some(),
                payload,
            },
        }
    }

    /// The lane was reclaimed while it was held as `old`: goes on under a fresh name, unless somebody did that already.
    pub(super) fn renew(&self, lane: &Lane, old: &str) -> bool {
        let mut current = lane.incarnation.write().unwrap_or_else(PoisonError::into_inner);
        if **current != *old {
            return false;
        }
        let generation = lane.generation.fetch_add(1, Ordering::Relaxed) + 1;
        *current = Arc::from(format!("{}~{generation}", self.spec.incarnation));
        self.fenced.store(true, Ordering::Release);
        self.ledger.forget_lane(lane.index);
        self.order.clear(lane.index);
        // What was not handed out yet is somebody else's by now.
        self.inbox().retain(|delivery| *delivery.tag.list != *lane.keys.list);
        true
    }

    /// The queues it consumes now.
    pub(super) fn queues(&self) -> MutexGuard<'_, Vec<QueueName>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it runs more or fewer tasks at once than the store was told.
    pub(super) fn was_resized(&self) -> bool {
        self.concurrency.load(Ordering::Relaxed) != self.described.load(Ordering::Relaxed)
    }

    /// What arrived and was not handed out.
    pub(super) fn inbox(&self) -> MutexGuard<'_, VecDeque<Delivery>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what arrived, up to `limit`, at most one suspect among it and none unless `suspect`.
    pub(super) fn take_inbox(&self, limit: usize, suspect: bool) -> Vec<Delivery> {
        take(&mut self.inbox(), limit, suspect)
    }

    /// Where `tag` is held.
    pub(super) fn held_key(tag: &DeliveryTag) -> String {
        if tag.suspect {
            keys::suspects_held(&tag.list, &tag.incarnation)
        } else {
            keys::held(&tag.list, &tag.incarnation)
        }
    }

    /// Notes the store's time, and when its next waiting message is due, as the store said in a call that began when
    /// `due_news` was `asked`: an earlier time that was announced since then stands.
    pub(super) fn note_due(&self, store_now: i64, next_due: i64, asked: usize) {
        self.drift_ms.store(store_now - self.store.options.clock.now().as_millis(), Ordering::Relaxed);
        let next_due = if next_due < 0 { NEVER } else { next_due };
        if self.due_news.load(Ordering::Acquire) == asked {
            self.next_due.store(next_due, Ordering::Relaxed);
        } else {
            self.next_due.fetch_min(next_due, Ordering::Relaxed);
        }
    }

    /// Something becomes due at `due`, or nobody knows when: 0.
    pub(super) fn announce_due(&self, due: i64) {
        self.next_due.fetch_min(due, Ordering::Relaxed);
        self.due_news.fetch_add(1, Ordering::Release);
        self.timer.notify_one();
    }

    /// The store's time, as far as this host can tell, Unix ms.
    pub(super) fn store_now(&self) -> i64 {
        self.store.options.clock.now().as_millis() + self.drift_ms.load(Ordering::Relaxed)
    }

    /// How long until the next waiting message is due.
    pub(super) fn until_due(&self) -> Option<Duration> {
        let due = self.next_due.load(Ordering::Relaxed);
        let now = self.store_now();
        // A millisecond late rather than a little early: early would ask again and again.
        (due != NEVER)
            .then(|| if due <= now { Duration::ZERO } else { Duration::from_millis((due - now).unsigned_abs() + 1) })
    }
}

/// See [`Shared::take_inbox`].
pub(super) fn take(inbox: &mut VecDeque<Delivery>, limit: usize, mut suspect: bool) -> Vec<Delivery> {
    let (mut taken, mut kept) = (Vec::new(), VecDeque::new());
    while let Some(delivery) = inbox.pop_front() {
        if taken.len() >= limit || (delivery.suspect && !suspect) {
            kept.push_back(delivery);
        } else {
            suspect &= !delivery.suspect;
            taken.push(delivery);
        }
    }
    *inbox = kept;
    taken
}

/// Marks the shared state as dirty unless the call it guards ran to its end.
pub(super) struct DirtyUnlessDone<'a>(pub(super) &'a Shared, bool);

impl<'a> DirtyUnlessDone<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        Self(shared, false)
    }

    pub(super) fn done(mut self) {
        self.1 = true;
    }
}

impl Drop for DirtyUnlessDone<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dirty.store(true, Ordering::Release);
        }
    }
}
