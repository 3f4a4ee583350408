//! Which tasks were revoked: a copy of the store's set, fetched anew only when something was revoked.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::hub::Subscription;
use super::inner::Inner;
use super::results::LONGEST;
use super::times::ms;
use crate::clock::Clock;
use crate::names::TaskId;
use crate::store::StoreError;

/// See [`crate::store::Broker::revoke`].
pub(super) async fn revoke(store: &Inner, ids: &[TaskId], keep: Duration) -> Result<(), StoreError> {
    for (n, chunk) in ids.chunks(1000).enumerate() {
        let mut call = store.scripts.revoke.call(&[&store.keys.revoked, &store.keys.revoked_version]);
        call.arg(store.options.clock.skew_ms()).arg(ms(keep.min(LONGEST)));
        for id in chunk {
            call.arg(id.as_str());
        }
        let done = store.link.script::<i64>(&store.scripts.revoke, &call).await;
        done.map_err(|error| error.after_some(n > 0))?;
    }
    Ok(())
}

/// See [`crate::store::Broker::revocations`].
pub(super) async fn list(store: &Inner, limit: usize) -> Result<Vec<TaskId>, StoreError> {
    let now = store.now_ms(&store.link).await?;
    let mut ask = redis::cmd("ZRANGE");
    ask.arg(&store.keys.revoked)
        .arg("+inf")
        .arg(format!("({now}"))
        .arg("BYSCORE")
        .arg("REV")
        .arg("LIMIT")
        .arg(0)
        .arg(limit);
    let found: Vec<String> = store.link.query(&ask).await?;
    Ok(found.into_iter().filter_map(|id| TaskId::new(id).ok()).collect())
}

/// A consumer's copy.
#[derive(Debug)]
pub(super) struct Revocations {
    ids: RwLock<HashSet<String>>,
    /// Counts announcements; the copy is stale while it is not of the latest.
    announced: Arc<AtomicU64>,
    fetched: AtomicU64,
    /// Until when the copy is right: the first revocation in it ends then.
    valid: Validity,
    _news: Subscription,
}

impl Revocations {
    pub(super) fn new(store: &Arc<Inner>) -> Self {
        let announced = Arc::new(AtomicU64::new(1));
        let count = announced.clone();
        let news =
            store.hub.subscribe(store.keys.revoked_version.clone(), move |_| _ = count.fetch_add(1, Ordering::AcqRel));
        let (ids, fetched) = (RwLock::default(), AtomicU64::new(0));
        Self { ids, announced, fetched, valid: Validity::new(), _news: news }
    }

    /// Which of `ids` are revoked. Asks the store only after it announced something.
    pub(super) async fn check(&self, store: &Inner, ids: &[&TaskId]) -> Result<Vec<bool>, StoreError> {
        let over = self.valid.is_over(&store.options.clock);
        let announced = self.announced.load(Ordering::Acquire);
        if over || self.fetched.load(Ordering::Acquire) != announced {
            // Noted only afterwards: a fetch that fails or is dropped leaves the copy stale.
            match self.fetch(store).await {
                // Nobody can be revoked through it, so the copy stays right until somebody is again.
                Err(error @ StoreError::Foreign { .. }) => {
                    let key = &*store.keys.revoked;
                    tracing::error!(key, %error, "which tasks were revoked cannot be read: what was known before counts");
                    self.valid.set(None, &store.options.clock);
                }
                fetched => fetched?,
            }
            self.fetched.fetch_max(announced, Ordering::AcqRel);
        }
        let known = self.ids.read().unwrap_or_else(PoisonError::into_inner);
        Ok(ids.iter().map(|id| !known.is_empty() && known.contains(id.as_str())).collect())
    }

    async fn fetch(&self, store: &Inner) -> Result<(), StoreError> {
        let now = store.now_ms(&store.link).await?;
        let mut ask = redis::cmd("ZRANGE");
        ask.arg(&store.keys.revoked).arg(format!("({now}")).arg("+inf").arg("BYSCORE").arg("WITHSCORES");
        let found: Vec<(String, f64)> = store.link.query(&ask).await?;
        #[expect(clippy::cast_possible_truncation, reason = "a Unix time in ms fits an i64 and is exact in an f64")]
        let left_ms = found.first().map(|(_, ends)| (*ends as i64).saturating_sub(now));
        self.valid.set(left_ms, &store.options.clock);
        *self.ids.write().unwrap_or_else(PoisonError::into_inner) = found.into_iter().map(|(id, _)| id).collect();
        Ok(())
    }
}

/// Until when something is right, by this host's clock and by its stopwatch: the clock may be set meanwhile, and the stopwatch
/// of a host that sleeps stands still. Whichever says that it is over is believed, since to ask once more costs little.
#[derive(Debug)]
struct Validity {
    base: Instant,
    clock_ms: AtomicI64,
    stopwatch_ms: AtomicI64,
}

impl Validity {
    /// For ever.
    fn new() -> Self {
        Self { base: Instant::now(), clock_ms: AtomicI64::new(i64::MAX), stopwatch_ms: AtomicI64::new(i64::MAX) }
    }

    /// For so long from now on, or for ever.
    fn set(&self, left_ms: Option<i64>, clock: &Clock) {
        let (now, ran) = self.read(clock);
        let until = |from: i64| left_ms.map_or(i64::MAX, |left| from.saturating_add(left));
        self.clock_ms.store(until(now), Ordering::Relaxed);
        self.stopwatch_ms.store(until(ran), Ordering::Relaxed);
    }

    fn is_over(&self, clock: &Clock) -> bool {
        let (now, ran) = self.read(clock);
        now > self.clock_ms.load(Ordering::Relaxed) || ran > self.stopwatch_ms.load(Ordering::Relaxed)
    }

    /// What both say now.
    fn read(&self, clock: &Clock) -> (i64, i64) {
        (clock.now().as_millis(), ms(self.base.elapsed()).saturating_add(clock.skew_ms()))
    }
}
