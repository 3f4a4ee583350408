//! The jobs this worker holds, from the lease until their end is decided.
//!
//! Each job ends once: whoever takes it off this list (its own run, or the shutdown that gives it back) decides how.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use foldhash::fast::RandomState;
use queue_core::message::Message;
use queue_core::store::DeliveryTag;
use queue_core::task::Cancel;
use queue_core::{QueueName, Timestamp};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::health::polls::Polls;

/// One message on its way through the worker.
#[derive(Debug)]
pub(crate) struct Held {
    /// Its place on the list: see [`Jobs::key`].
    pub(crate) key: u64,
    /// The queue it came from.
    pub(crate) queue: QueueName,
    /// The priority step of its list.
    pub(crate) step: u8,
    /// The message.
    pub(crate) message: Arc<Message>,
    /// The envelope as it came.
    pub(crate) payload: Bytes,
    /// True when an earlier run of it was cut off.
    pub(crate) redelivered: bool,
    /// How many workers it took along.
    pub(crate) deaths: u32,
    /// Asks the body to end.
    pub(crate) cancel: Cancel,
    /// `None` once it was acknowledged early. Changes when a suspect is absolved.
    pub(crate) tag: Mutex<Option<DeliveryTag>>,
    /// Ends an asynchronous body.
    pub(crate) abort: OnceLock<AbortHandle>,
    /// How far it came, and what was asked of it meanwhile.
    pub(crate) course: Course,
    /// Whether its body is being polled.
    pub(crate) polls: Polls,
}

/// How far a job came, and what was asked of it meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// When its run began.
    started: OnceLock<Timestamp>,
    /// It is not to be started.
    revoked: AtomicBool,
    /// It is to be ended, with this signal.
    signal: OnceLock<i32>,
    /// Its end is with the settler, or it is to be given back.
    handed_on: AtomicBool,
    /// It is given back: its run is to come to nothing.
    cut_off: AtomicBool,
    terminate: Notify,
}

impl Course {
    /// Its end is decided and on its way.
    pub(crate) fn hand_on(&self) {
        self.handed_on.store(true, Ordering::Release);
    }

    /// Whether its end is on its way.
    pub(crate) fn was_handed_on(&self) -> bool {
        self.handed_on.load(Ordering::Acquire)
    }

    /// It is given back: to be said before its run is aborted.
    pub(crate) fn cut_off(&self) {
        self.cut_off.store(true, Ordering::SeqCst);
    }

    /// Whether it is given back.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::SeqCst)
    }

    /// Its run begins now; false when it is not to be started.
    pub(crate) fn start(&self, now: Timestamp) -> bool {
        let _ = self.started.set(now);
        !self.revoked.load(Ordering::Acquire)
    }

    /// When its run began.
    pub(crate) fn started(&self) -> Option<Timestamp> {
        self.started.get().copied()
    }

    /// Does not start it any more.
    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// Ends its run; what came first counts.
    pub(crate) fn terminate(&self, signal: i32) {
        let _ = self.signal.set(signal);
        self.terminate.notify_one();
    }

    /// With which signal its run was ended.
    pub(crate) fn terminated(&self) -> Option<i32> {
        self.signal.get().copied()
    }

    /// Waits until its run is to be ended.
    pub(crate) async fn termination(&self) {
        self.terminate.notified().await;
    }
}

impl Held {
    /// What settles it now.
    pub(crate) fn tag(&self) -> Option<DeliveryTag> {
        self.lock_tag().clone()
    }

    /// Replaces the tag, and says what it was.
    pub(crate) fn set_tag(&self, tag: Option<DeliveryTag>) -> Option<DeliveryTag> {
        std::mem::replace(&mut self.lock_tag(), tag)
    }

    fn lock_tag(&self) -> MutexGuard<'_, Option<DeliveryTag>> {
        self.tag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All jobs held.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    last_key: AtomicU64,
    list: Mutex<List>,
    /// Leased, and not on the list yet.
    arriving: AtomicUsize,
    empty: Notify,
}

#[derive(Debug, Default)]
struct List {
    held: HashMap<u64, Arc<Held>, RandomState>,
    /// Claimed, and their ends not yet handed to the settler.
    ending: usize,
}

/// The right to decide how a job ends. While it exists the job counts as not ended, so that a stop waits for it.
#[derive(Debug)]
pub(crate) struct Claim<'a>(&'a Jobs);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut list = self.0.lock();
        list.ending -= 1;
        if list.is_empty() {
            self.0.empty.notify_waiters();
        }
    }
}

/// Messages that were leased and are neither on the list nor ended yet.
#[derive(Debug)]
pub(crate) struct Arriving<'a> {
    jobs: &'a Jobs,
    count: usize,
}

impl Arriving<'_> {
    /// So many of them are left.
    pub(crate) fn left(&mut self, count: usize) {
        self.jobs.arriving.fetch_sub(self.count - count, Ordering::Relaxed);
        self.count = count;
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.left(0);
    }
}

impl List {
    fn is_empty(&self) -> bool {
        self.held.is_empty() && self.ending == 0
    }
}

impl Jobs {
    /// Adds a job.
    pub(crate) fn add(&self, held: &Arc<Held>) {
        self.lock().held.insert(held.key, Arc::clone(held));
    }

    /// So many messages came, and are to be looked at.
    pub(crate) fn arriving(&self, count: usize) -> Arriving<'_> {
        self.arriving.fetch_add(count, Ordering::Relaxed);
        Arriving { jobs: self, count }
    }

    /// A place for a job that is about to be made, after all before it.
    pub(crate) fn key(&self) -> u64 {
        self.last_key.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a job off the list, for the one caller that may decide its end; to be kept until that is handed on.
    pub(crate) fn claim(&self, held: &Held) -> Option<Claim<'_>> {
        let mut list = self.lock();
        list.held.remove(&held.key)?;
        list.ending += 1;
        Some(Claim(self))
    }

    /// Takes all jobs off the list, oldest first.
    pub(crate) fn claim_all(&self) -> Vec<Arc<Held>> {
        let mut all: Vec<_> = std::mem::take(&mut self.lock().held).into_values().collect();
        all.sort_unstable_by_key(|held| held.key);
        if self.lock().is_empty() {
            self.empty.notify_waiters();
        }
        all
    }

    /// Asks every body to end.
    pub(crate) fn cancel_all(&self) {
        let all: Vec<_> = self.lock().held.values().cloned().collect();
        all.iter().for_each(|held| held.cancel.cancel());
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Held>> {
        let mut all: Vec<_> = self.lock().held.values().cloned().collect();
        all.sort_unstable_by_key(|held| held.key);
        all
    }

    /// Those whose bodies are being polled right now, each with the number of the poll.
    pub(crate) fn inside(&self) -> Vec<(Arc<Held>, u64)> {
        let list = self.lock();
        list.held.values().filter_map(|held| Some((Arc::clone(held), held.polls.inside()?))).collect()
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.lock().held.values().filter(|held| held.course.started().is_some()).count()
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.lock().held.len()
    }

    /// How many there are with those that are about to be added.
    pub(crate) fn in_hand(&self) -> usize {
        self.len() + self.arriving.load(Ordering::Relaxed)
    }

    /// Waits until there is none, and all ends are with the settler.
    pub(crate) async fn drained(&self) {
        loop {
            let mut empty = std::pin::pin!(self.empty.notified());
            empty.as_mut().enable();
            if self.lock().is_empty() {
                return;
            }
            empty.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
