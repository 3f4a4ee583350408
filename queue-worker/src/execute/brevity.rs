//! Whether the next body of a task is likely to be done at once.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// A body that ends in its first poll and within so long was done at once.
const BRIEF: Duration = Duration::from_millis(1);
/// Longer than the system takes a processor away: this body kept its thread itself.
const LONG: Duration = Duration::from_millis(10);

/// After so many bodies that were done at once, nobody is surer; two that were not are enough to think otherwise.
const SURE: u8 = 8;

/// The last was; and where many were before it, one that was not changes nothing, unless it took long. The system may have taken the
/// processor from that one, and to make tasks of all that wait for it costs them their order, in which the store takes their
/// ends most easily.
#[derive(Debug, Default)]
pub(crate) struct Brevity(AtomicU8);

impl Brevity {
    /// Whether the next is likely to be done at once.
    pub(crate) fn is_likely(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// One ended in its first poll, which took so long.
    pub(crate) fn ended(&self, took: Duration) {
        self.change(|before| match took {
            _ if took < BRIEF => (before + 1).min(SURE),
            _ if took < LONG => before.saturating_sub(SURE / 2),
            _ => 0,
        });
    }

    /// One did not end in its first poll.
    pub(crate) fn waited(&self) {
        self.change(|before| before.saturating_sub(SURE / 2));
    }

    /// Read first: what all threads write all the time slows them all down. That two of them may take each other for none does no harm.
    fn change(&self, to: impl Fn(u8) -> u8) {
        let before = self.0.load(Ordering::Relaxed);
        let now = to(before);
        if before != now {
            self.0.store(now, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_micros(3);

    /// Whether the next is likely after so many quick ones and then these; `None` waited.
    fn after(quick: usize, bodies: &[Option<Duration>]) -> bool {
        let brevity = Brevity::default();
        (0..quick).for_each(|_| brevity.ended(QUICK));
        bodies.iter().for_each(|body| body.map_or_else(|| brevity.waited(), |took| brevity.ended(took)));
        brevity.is_likely()
    }

    #[test]
    fn one_that_was_not_changes_nothing_and_two_do() {
        assert!(!after(0, &[]) && after(1, &[]));
        for slow in [None, Some(BRIEF)] {
            assert!(!after(1, &[slow]));
            assert!(after(300, &[slow]) && !after(300, &[slow, slow]) && after(300, &[slow, slow, Some(QUICK)]));
        }
    }

    #[test]
    fn one_that_took_long_changes_it() {
        assert!(!after(300, &[Some(LONG)]));
    }
}
