//! How many messages this worker may still take: one slot for each task it runs, and the prefetch beyond.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::places::{Places, Taken};

/// The most slots a worker has or grows to, and the most messages it prefetches.
pub(crate) const MOST: usize = 100_000;

/// The places of a worker.
#[derive(Debug)]
pub(crate) struct Slots {
    /// One for each message the worker may hold.
    hold: Arc<Places>,
    /// One for each task it may run at once; absent when it holds no more than that.
    run: Option<Arc<Places>>,
    concurrency: AtomicUsize,
    prefetch: usize,
    stuck: AtomicUsize,
    /// There are more, or fewer.
    resized: Notify,
    /// Cancelled once half of the slots are stuck.
    pub(crate) worn_out: CancellationToken,
    suspect: Arc<Suspicion>,
}

/// Whether one of the messages held is a suspect.
#[derive(Debug, Default)]
struct Suspicion {
    held: AtomicBool,
    cleared: Notify,
}

/// Places for messages about to be leased; split into [`Slot`]s one by one.
#[derive(Debug)]
pub(crate) struct Room(Taken);

/// One place, from the lease until the end is settled; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _hold: Taken,
    run: Option<Taken>,
}

/// Held for as long as a suspect is: at most one runs at a time, so that a crash names it.
#[derive(Debug)]
pub(crate) struct SuspectGuard(Arc<Suspicion>);

impl Slots {
    pub(crate) fn new(concurrency: usize, prefetch: usize) -> Self {
        Self {
            hold: Places::new(concurrency + prefetch),
            run: (prefetch > 0).then(|| Places::new(concurrency)),
            concurrency: AtomicUsize::new(concurrency),
            prefetch,
            stuck: AtomicUsize::new(0),
            resized: Notify::new(),
            worn_out: CancellationToken::new(),
            suspect: Arc::default(),
        }
    }

    /// How many tasks may run at once.
    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency.load(Ordering::Acquire)
    }

    /// How many messages may be held.
    pub(crate) fn places(&self) -> usize {
        self.concurrency() + self.prefetch
    }

    /// Runs `n` more tasks at once; how many then.
    pub(crate) fn grow(&self, n: usize) -> usize {
        let n = n.min(MOST.saturating_sub(self.concurrency()));
        self.each().for_each(|places| places.add(n));
        let now = self.concurrency.fetch_add(n, Ordering::AcqRel) + n;
        self.resized.notify_one();
        now
    }

    /// Runs `n` fewer tasks at once, but one at least: as soon as slots become free. How many then.
    pub(crate) fn shrink(&self, n: usize) -> usize {
        let fewer = |now: usize| Some(now.saturating_sub(n).max(1));
        let before = self.concurrency.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer).unwrap_or(1);
        let now = before.saturating_sub(n).max(1);
        self.each().for_each(|places| places.remove(before - now));
        self.resized.notify_one();
        now
    }

    /// Waits until there are more slots, or fewer, than when this was last waited for.
    pub(crate) async fn resized(&self) {
        self.resized.notified().await;
    }

    fn each(&self) -> impl Iterator<Item = &Arc<Places>> {
        std::iter::once(&self.hold).chain(&self.run)
    }

    /// Waits for a free place and takes it with whatever else is free, `most` in all at most.
    pub(crate) async fn room(&self, most: usize) -> Room {
        let mut room = self.hold.one().await;
        if let Some(Room(more)) = self.room_now(1, most.saturating_sub(1)) {
            room.merge(more);
        }
        Room(room)
    }

    /// Takes the places that are free, `most` at most; none where there are not `least`.
    pub(crate) fn room_now(&self, least: usize, most: usize) -> Option<Room> {
        let free = self.hold.free().min(most);
        if free < least {
            return None;
        }
        self.hold.now(free).map(Room)
    }

    /// Waits until the message in this slot may start; whether it had to.
    pub(crate) async fn start(&self, slot: &mut Slot) -> bool {
        let Some(run) = &self.run else { return false };
        // Whoever waits is given what becomes free, so to look first overtakes nobody; and nearly always there is one.
        let free = run.now(1);
        let waits = free.is_none();
        slot.run = match free {
            Some(place) => Some(place),
            None => Some(run.one().await),
        };
        waits
    }

    /// Whether a suspect may be leased now.
    pub(crate) fn may_take_suspect(&self) -> bool {
        !self.suspect.held.load(Ordering::Acquire)
    }

    /// Notes that a suspect is held.
    pub(crate) fn take_suspect(&self) -> SuspectGuard {
        self.suspect.held.store(true, Ordering::Release);
        SuspectGuard(Arc::clone(&self.suspect))
    }

    /// Waits until the suspect held is no longer one.
    pub(crate) async fn suspect_cleared(&self) {
        self.suspect.cleared.notified().await;
    }

    /// Notes that a slot's thread does not return; true when half of them don't.
    pub(crate) fn stuck(&self) -> usize {
        let stuck = self.stuck.fetch_add(1, Ordering::AcqRel) + 1;
        self.look_whether_worn_out();
        stuck
    }

    /// Gives up when half of the slots are stuck, of those that there are now.
    pub(crate) fn look_whether_worn_out(&self) {
        let stuck = self.stuck_now();
        if stuck > 0 && stuck * 2 >= self.concurrency() {
            self.worn_out.cancel();
        }
    }

    /// Notes that a stuck thread came back after all.
    pub(crate) fn unstuck(&self) {
        self.stuck.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many slots are stuck now.
    pub(crate) fn stuck_now(&self) -> usize {
        self.stuck.load(Ordering::Acquire)
    }
}

impl Slot {
    /// The body has ended: another may run, while this one's end goes to the store. True when one may have waited for that.
    pub(crate) fn ended(&mut self) -> bool {
        self.run.take().is_some_and(|run| run.free() == 0)
    }
}

impl Room {
    /// How many places.
    pub(crate) fn size(&self) -> usize {
        self.0.count()
    }

    /// One of them; `None` when none is left.
    pub(crate) fn slot(&mut self) -> Option<Slot> {
        self.0.split_one().map(|hold| Slot { _hold: hold, run: None })
    }
}

impl Drop for SuspectGuard {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Release);
        self.0.cleared.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn room_is_what_is_free_and_comes_back_slot_by_slot() {
        let slots = Slots::new(3, 0);
        let mut room = slots.room(10).await;
        assert_eq!(room.size(), 3);
        let kept = room.slot();
        drop(room);
        assert_eq!(slots.room(10).await.size(), 2);
        drop(kept);
        assert_eq!(slots.room(2).await.size(), 2);
    }

    #[tokio::test]
    async fn a_room_that_would_be_small_is_not_taken() {
        let slots = Slots::new(3, 0);
        let mut room = slots.room(10).await;
        let kept = room.slot();
        drop(room);
        assert!(slots.room_now(3, 10).is_none());
        assert_eq!(slots.room_now(2, 10).map(|room| room.size()), Some(2));
        drop(kept);
        assert_eq!(slots.room_now(1, 2).map(|room| room.size()), Some(2));
        assert!(slots.room_now(1, 0).is_none());
    }

    #[tokio::test]
    async fn a_worker_grows_at_once_and_shrinks_as_slots_become_free() {
        let slots = Slots::new(2, 0);
        assert_eq!(slots.grow(2), 4);
        let mut room = slots.room(10).await;
        assert_eq!(room.size(), 4);
        let kept = [room.slot(), room.slot(), room.slot()];
        drop(room);
        assert_eq!((slots.shrink(2), slots.concurrency()), (2, 2));
        assert_eq!(slots.room(10).now_or_never().map(|room| room.size()), None);
        drop(kept);
        assert_eq!(slots.room(10).await.size(), 2);
        assert_eq!((slots.shrink(100), slots.concurrency()), (1, 1));
    }

    #[tokio::test]
    async fn prefetched_messages_wait_for_a_running_one_to_end() {
        let slots = Slots::new(1, 1);
        let mut room = slots.room(10).await;
        let (mut first, mut second) = (room.slot().unwrap(), room.slot().unwrap());
        slots.start(&mut first).await;
        assert_eq!(slots.start(&mut second).now_or_never(), None);
        drop(first);
        slots.start(&mut second).await;
    }

    #[tokio::test]
    async fn fewer_run_at_once_although_prefetched_ones_wait() {
        let slots = Slots::new(2, 2);
        let mut room = slots.room(10).await;
        let [mut first, mut second, mut third] = [(); 3].map(|()| room.slot().unwrap());
        slots.start(&mut first).await;
        slots.start(&mut second).await;
        let mut waits = Box::pin(slots.start(&mut third));
        assert!((&mut waits).now_or_never().is_none());
        slots.shrink(1);
        assert!(first.ended());
        assert!((&mut waits).now_or_never().is_none(), "one still runs");
        second.ended();
        assert!(waits.now_or_never().is_some());
    }

    #[test]
    fn one_suspect_at_a_time() {
        let slots = Slots::new(4, 0);
        let guard = slots.take_suspect();
        assert!(!slots.may_take_suspect());
        drop(guard);
        assert!(slots.may_take_suspect());
    }

    #[test]
    fn a_worker_with_half_of_its_slots_stuck_is_worn_out() {
        let slots = Slots::new(4, 0);
        slots.stuck();
        assert!(!slots.worn_out.is_cancelled());
        slots.stuck();
        assert!(slots.worn_out.is_cancelled());
    }

    #[tokio::test]
    async fn half_of_fewer_slots_is_half_of_them_too() {
        let slots = Slots::new(8, 0);
        slots.shrink(1);
        slots.look_whether_worn_out();
        assert!(!slots.worn_out.is_cancelled());
        (0..3).for_each(|_| _ = slots.stuck());
        assert!(!slots.worn_out.is_cancelled());
        slots.shrink(1);
        slots.look_whether_worn_out();
        assert!(slots.worn_out.is_cancelled());
    }
}
