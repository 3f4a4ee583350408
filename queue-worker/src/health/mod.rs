//! What a worker knows of its own health: whether its runtime turns, which bodies block it, whether it gets what it
//! should. Noted with atomics where the work is done; looked at from the heartbeat's thread and by the probe.

pub(crate) mod histogram;
pub(crate) mod polls;
pub(crate) mod pulse;
pub(crate) mod tally;
pub(crate) mod watchdog;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::histogram::Histogram;
use self::pulse::Pulse;
use self::tally::Counts;

/// Upper ends of the sizes of settle batches.
const BATCHES: &[u64] = &[1, 2, 5, 10, 25, 50, 100, 250];

/// How long what may be waited for before it is said to be wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The runtime shows no life: the leases are let go, `/live` fails. After twice as long a worker program ends.
    pub(crate) runtime: Duration,
    /// A body does not give its thread back: it is named.
    pub(crate) poll: Duration,
    /// Messages are ready, slots are free, nothing is leased: connections are remade.
    pub(crate) stalled: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { runtime: s(60), poll: s(5), stalled: s(10) }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) pulse: Pulse,
    pub(crate) patience: Patience,
    pub(crate) intake: Intake,
    pub(crate) counts: Counts,
    /// How many ends each settle carried.
    pub(crate) batches: Histogram,
    /// Heartbeats that the store answered.
    pub(crate) beats: AtomicU64,
    pub(crate) leases_lost: AtomicU64,
    /// Messages taken back from dead workers.
    pub(crate) reclaimed: AtomicU64,
    pub(crate) watchdog_trips: AtomicU64,
    /// The bodies that block a thread of the runtime now.
    blocking: Mutex<Vec<Blocking>>,
}

/// A body that does not give its thread back.
#[derive(Debug, Clone)]
pub(crate) struct Blocking {
    pub(crate) task: String,
    pub(crate) id: String,
    pub(crate) since: Instant,
}

/// What the fetch loop does.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// It has free slots, and asks the store or waits in it.
    wanting: AtomicBool,
    /// How many messages it was lent.
    leased: AtomicU64,
}

/// While this exists, the fetch loop asks.
pub(crate) struct Wanting<'a>(&'a Intake);

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        self.0.wanting.store(false, Ordering::Relaxed);
    }
}

impl Intake {
    /// The fetch loop has free slots, and asks.
    pub(crate) fn wants(&self) -> Wanting<'_> {
        self.wanting.store(true, Ordering::Relaxed);
        Wanting(self)
    }

    /// Notes what came.
    pub(crate) fn note(&self, leased: usize) {
        self.leased.fetch_add(u64::try_from(leased).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether it asks now.
    pub(crate) fn is_wanting(&self) -> bool {
        self.wanting.load(Ordering::Relaxed)
    }

    /// How many messages came so far.
    pub(crate) fn leased(&self) -> u64 {
        self.leased.load(Ordering::Relaxed)
    }
}

impl Health {
    pub(crate) fn new(patience: Patience) -> Self {
        Self {
            pulse: Pulse::new(),
            patience,
            intake: Intake::default(),
            counts: Counts::default(),
            batches: Histogram::new(BATCHES, 1.0),
            beats: AtomicU64::default(),
            leases_lost: AtomicU64::default(),
            reclaimed: AtomicU64::default(),
            watchdog_trips: AtomicU64::default(),
            blocking: Mutex::default(),
        }
    }

    /// The bodies that block a thread of the runtime now, the longest first.
    pub(crate) fn blocking(&self) -> Vec<Blocking> {
        self.blocking.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_blocking(&self, mut now: Vec<Blocking>) {
        now.sort_unstable_by_key(|one| one.since);
        *self.blocking.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}
