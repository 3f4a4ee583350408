//! What the connections of one store tell each other.
//!
//! Each is made and remade by itself, and rests between its tries. One that stands again wakes those that rest: what is true
//! of the server for one is true for all. One that got no answer casts doubt on those that wait for a message in silence
//! and would notice a dead line only when their wait is over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How long to rest after a broken connection, at first and at most.
const REST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The last connection that was tried could not be made.
    away: AtomicBool,
    back: Notify,
    doubt: Notify,
    /// How often another server became the master.
    switches: AtomicU64,
    /// How often connections that were made before became doubtful.
    doubts: AtomicU64,
    /// Somebody listens to the sentinels.
    watched: AtomicBool,
}

impl Lines {
    /// A connection was made, or could not be. Only the first that stands after one that did not is news: a server on
    /// which connections stand and commands fail must not be asked without a rest.
    pub(super) fn tried(&self, stands: bool) {
        if !stands {
            self.away.store(true, Ordering::Release);
        } else if self.away.swap(false, Ordering::AcqRel) {
            self.back.notify_waiters();
        }
    }

    /// An answer did not come in time: connections made before are doubtful.
    pub(super) fn cast_doubt(&self) {
        self.doubts.fetch_add(1, Ordering::AcqRel);
        self.doubt.notify_waiters();
    }

    /// Another server is the master: connections from before lead to the wrong one.
    pub(super) fn switch(&self) {
        self.switches.fetch_add(1, Ordering::AcqRel);
        self.cast_doubt();
        self.back.notify_waiters();
    }

    /// Whether nobody listens to the sentinels; from now on the caller does.
    pub(super) fn begin_watch(&self) -> bool {
        !self.watched.load(Ordering::Relaxed) && !self.watched.swap(true, Ordering::AcqRel)
    }

    /// Nobody listens to them any more.
    pub(super) fn end_watch(&self) {
        self.watched.store(false, Ordering::Release);
    }

    /// How often another server became the master.
    pub(super) fn switches(&self) -> u64 {
        self.switches.load(Ordering::Acquire)
    }

    /// How often there was doubt.
    pub(super) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::Acquire)
    }

    /// Waits until an answer to somebody did not come in time, or another server is the master; from this call on, polled or not.
    pub(super) fn doubted(&self) -> Notified<'_> {
        self.doubt.notified()
    }
}

/// How long one connection rests between its tries.
#[derive(Debug)]
pub(super) struct Rest(Duration);

impl Default for Rest {
    fn default() -> Self {
        Self(REST.0)
    }
}

impl Rest {
    /// Rests, longer each time, spread so that a fleet does not come back in step; at most until another connection stands
    /// again.
    pub(super) async fn take(&mut self, lines: &Lines) {
        let pause = self.0.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.0 = (self.0 * 2).min(REST.1);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = lines.back.notified() => {}
        }
    }

    /// Starts again from the first.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_connection_that_stands_wakes_the_others_once() {
        let (lines, mut rest) = (Lines::default(), Rest(Duration::from_secs(3600)));
        lines.tried(false);
        let woken = async {
            tokio::join!(rest.take(&lines), async { lines.tried(true) });
        };
        tokio::time::timeout(Duration::from_secs(30), woken).await.unwrap();
        rest.0 = Duration::from_secs(3600);
        tokio::select! {
            biased;
            () = rest.take(&lines) => panic!("a connection that stood all the time is no news"),
            () = async {
                lines.tried(true);
                tokio::task::yield_now().await;
            } => {}
        }
    }
}
