//! Places of which there can be fewer while all are taken: a semaphore with debts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// So many places; who waits for one gets it in turn.
#[derive(Debug)]
pub(crate) struct Places {
    free: Semaphore,
    /// How many of those that come back are none any more. They are taken before whoever waits gets them.
    owed: AtomicUsize,
}

/// Places that are taken; free again when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    places: Arc<Places>,
    count: usize,
}

impl Places {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Semaphore::new(count), owed: AtomicUsize::new(0) })
    }

    /// How many are free.
    pub(crate) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// Waits for one.
    pub(crate) async fn one(self: &Arc<Self>) -> Taken {
        let permit = self.free.acquire().await;
        permit.expect("the semaphore is never closed").forget();
        Taken { places: Arc::clone(self), count: 1 }
    }

    /// Takes so many, if they are free and nobody waits for them.
    pub(crate) fn now(self: &Arc<Self>, count: usize) -> Option<Taken> {
        let permits = self.free.try_acquire_many(u32::try_from(count).ok()?).ok()?;
        permits.forget();
        Some(Taken { places: Arc::clone(self), count })
    }

    /// So many more: those that come back, and those that there were not.
    pub(crate) fn add(&self, count: usize) {
        let mut paid = 0;
        // Nearly always there is no debt.
        if self.owed.load(Ordering::Acquire) > 0 {
            let pay = |owed: usize| Some(owed.saturating_sub(count));
            paid = self.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, pay).unwrap_or(0).min(count);
        }
        if count > paid {
            self.free.add_permits(count - paid);
        }
    }

    /// So many fewer: the free ones at once, others as they come back.
    pub(crate) fn remove(&self, count: usize) {
        let gone = self.free.forget_permits(count);
        self.owed.fetch_add(count - gone, Ordering::AcqRel);
    }
}

impl Taken {
    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many are free of those that it belongs to.
    pub(crate) fn free(&self) -> usize {
        self.places.free()
    }

    /// One of them; `None` when there is none.
    pub(crate) fn split_one(&mut self) -> Option<Self> {
        self.count = self.count.checked_sub(1)?;
        Some(Self { places: Arc::clone(&self.places), count: 1 })
    }

    /// Takes those of `other` over, which are of the same places.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.count += std::mem::take(&mut other.count);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.count > 0 {
            self.places.add(self.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_is_owed_is_taken_before_who_waits_gets_it() {
        let places = Places::new(3);
        let mut taken = places.now(3).unwrap();
        let mut waits = Box::pin(places.one());
        assert!((&mut waits).now_or_never().is_none());
        places.remove(2);
        drop(taken.split_one());
        drop(taken.split_one());
        assert!((&mut waits).now_or_never().is_none());
        drop(taken);
        assert_eq!(waits.now_or_never().map(|one| one.count()), Some(1));
        assert_eq!(places.free(), 1);
    }

    #[test]
    fn more_places_pay_the_debt_first() {
        let places = Places::new(2);
        let taken = places.now(2).unwrap();
        places.remove(1);
        places.add(3);
        assert_eq!(places.free(), 2);
        drop(taken);
        assert_eq!(places.free(), 4);
        places.remove(1);
        assert_eq!(places.free(), 3);
    }
}
