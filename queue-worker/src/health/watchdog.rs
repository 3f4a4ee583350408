//! Notices that the worker gets nothing although it should: messages are ready, slots are free, and nothing is leased.
//!
//! Something between the store and the waits is dead then (a connection that a firewall forgot, a wake-up that got lost),
//! and the cure is to make the connections anew. What it looks at comes with the heartbeat, so it asks the store for
//! nothing. Messages that others take before us do not look like this: a wait that stands in the store gets its turn.

use std::time::{Duration, Instant};

use queue_core::store::Beat;

use crate::engine::{Engine, count};

/// The longest pause between two trips while nothing comes.
const LONGEST: Duration = Duration::from_secs(300);
/// A runtime that is silent for longer leases nothing for that reason.
const AWAKE: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug)]
pub(crate) struct Watchdog {
    first: Duration,
    /// How long it lasts before it trips, the next time.
    pause: Duration,
    since: Option<Instant>,
    leased: u64,
}

/// What a heartbeat sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// Messages are ready, and the fetch loop asks for them and could.
    pub(crate) should_lease: bool,
    /// How many messages it has leased so far.
    pub(crate) leased: u64,
}

impl Watchdog {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { first: patience, pause: patience, since: None, leased: 0 }
    }

    /// Looks after a heartbeat; makes the connections anew when it trips.
    pub(crate) fn look(&mut self, engine: &Engine, beat: &Beat) {
        let health = &engine.health;
        let able = health.intake.is_wanting()
            && health.pulse.silence() < AWAKE
            && !engine.outage.is_on()
            && !engine.phase.stop.is_cancelled();
        let sight = Sight { should_lease: beat.ready && able, leased: health.intake.leased() };
        if let Some(waited) = self.trips(sight, Instant::now()) {
            count(&health.watchdog_trips);
            tracing::warn!(
                waited = ?waited, slots = engine.slots.concurrency(),
                "messages are ready and slots are free, but nothing is leased: reconnecting to the store"
            );
            engine.consumer.reconnect();
            engine.wakeups.nudge();
        }
    }

    /// For how long nothing came, when that is too long.
    fn trips(&mut self, sight: Sight, now: Instant) -> Option<Duration> {
        let came = std::mem::replace(&mut self.leased, sight.leased) != sight.leased;
        if came {
            self.pause = self.first;
        }
        if came || !sight.should_lease {
            self.since = None;
            return None;
        }
        let waited = now - *self.since.get_or_insert(now);
        if waited < self.pause {
            return None;
        }
        self.since = None;
        self.pause = (2 * self.pause).min(LONGEST);
        Some(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Patience;

    const BEAT: Duration = Duration::from_secs(2);

    /// The beats at which it trips, of so many, with the patience that it has unless told otherwise.
    fn trips(beats: u32, mut sight: impl FnMut(u32) -> Sight) -> Vec<u32> {
        let (mut dog, start) = (Watchdog::new(Patience::default().stalled), Instant::now());
        (0..beats).filter(|n| dog.trips(sight(*n), start + BEAT * *n).is_some()).collect()
    }

    #[test]
    fn it_trips_after_ten_seconds_in_a_row_and_then_more_and_more_seldom() {
        assert_eq!(trips(50, |_| Sight { should_lease: true, leased: 0 }), [5, 16, 37]);
    }

    #[test]
    fn it_does_not_trip_while_anything_comes() {
        assert_eq!(trips(100, |n| Sight { should_lease: true, leased: u64::from(n / 4) }), [0_u32; 0]);
    }

    #[test]
    fn it_does_not_trip_when_there_was_nothing_to_get_in_between() {
        assert_eq!(trips(100, |n| Sight { should_lease: n % 5 != 0, leased: 0 }), [0_u32; 0]);
    }

    #[test]
    fn what_comes_makes_it_patient_again() {
        let after = trips(30, |n| Sight { should_lease: true, leased: u64::from(n >= 8) });
        assert_eq!(after, [5, 14, 25]);
    }
}
