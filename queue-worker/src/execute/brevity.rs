//! Whether the next body of a task is likely to be done at once.

use std::sync::atomic::{AtomicU8, Ordering};

/// After so many bodies that were, nobody is surer; two that were not are enough to think otherwise.
const SURE: u8 = 8;

/// The last was; and where many were before it, one that was not changes nothing. The system may have taken the processor from
/// that one, and to make tasks of all that wait for it costs them their order, in which the store takes their ends most easily.
#[derive(Debug, Default)]
pub(crate) struct Brevity(AtomicU8);

impl Brevity {
    /// Whether the next is likely to be done at once.
    pub(crate) fn is_likely(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Notes whether one was.
    pub(crate) fn note(&self, brief: bool) {
        let before = self.0.load(Ordering::Relaxed);
        let now = if brief { (before + 1).min(SURE) } else { before.saturating_sub(SURE / 2) };
        // Read first: what all threads write all the time slows them all down.
        if before != now {
            self.0.store(now, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(bodies: &[bool]) -> bool {
        let brevity = Brevity::default();
        bodies.iter().for_each(|brief| brevity.note(*brief));
        brevity.is_likely()
    }

    #[test]
    fn one_that_was_not_changes_nothing_and_two_do() {
        assert!(!after(&[]) && after(&[true]) && !after(&[true, false]));
        let many = [true; 300];
        assert!(after(&[&many[..], &[false]].concat()));
        assert!(!after(&[&many[..], &[false, false]].concat()));
        assert!(after(&[&many[..], &[false, false, true]].concat()));
    }
}
