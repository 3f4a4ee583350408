//! The store's time, as a producer knows it: what is due or expires is compared with the store's clock, so it is reckoned
//! from that clock too, whatever this host believes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::store::{Store, StoreError};

/// How long an answer is believed.
const BELIEVE: Duration = Duration::from_secs(60);
/// This host's clock was set, or the host slept, when its time and its stopwatch differ by more since the last answer.
const JUMP: Duration = Duration::from_millis(500);

/// How far this host's clock is behind the store's, once that was asked.
#[derive(Debug, Default)]
pub(super) struct StoreTime(Mutex<Option<Seen>>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    offset_ms: i64,
    at: Instant,
    host: Timestamp,
}

impl Seen {
    fn is_fresh(&self, host: Timestamp) -> bool {
        let (ran, waited) = (host.as_millis() - self.host.as_millis(), self.at.elapsed());
        let drift = ran.saturating_sub(i64::try_from(waited.as_millis()).unwrap_or(i64::MAX));
        waited < BELIEVE && u128::from(drift.unsigned_abs()) < JUMP.as_millis()
    }
}

impl StoreTime {
    /// Now, by the store's clock; asks it once a minute at most, and when this host's clock was set.
    pub(super) async fn now(&self, store: &dyn Store) -> Result<Timestamp, StoreError> {
        let before = store.clock().now();
        if let Some(seen) = self.seen().filter(|seen| seen.is_fresh(before)) {
            return Ok(moved(before, seen.offset_ms));
        }
        self.ask(store).await
    }

    /// Asks.
    pub(super) async fn ask(&self, store: &dyn Store) -> Result<Timestamp, StoreError> {
        let before = store.clock().now();
        // Asking changes nothing, whatever becomes of the answer.
        let theirs = store.now().await.map_err(StoreError::of_known_outcome)?;
        let host = store.clock().now();
        // The store was asked half way between.
        let offset_ms = theirs.as_millis().saturating_sub(before.as_millis().midpoint(host.as_millis()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { offset_ms, at: Instant::now(), host });
        Ok(moved(host, offset_ms))
    }

    /// Now, as far as is known without asking.
    pub(super) fn guess(&self, store: &dyn Store) -> Timestamp {
        moved(store.clock().now(), self.seen().map_or(0, |seen| seen.offset_ms))
    }

    fn seen(&self) -> Option<Seen> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn moved(at: Timestamp, by_ms: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add(by_ms))
}
