//! Looks for an answer for some microseconds before it sleeps for it.
//!
//! A server nearby answers sooner than a thread falls asleep and is woken; on a virtual machine a core that fell asleep as well
//! takes several times as long. So who sends one request, while nobody else waits on its connection, looks some times whether the answer is
//! there. Where that did not help it is tried more seldom: a server far away costs next to nothing.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long it looks: about what sleeping and waking cost a processor. In that time its thread does nothing else.
const LOOK: Duration = Duration::from_micros(50);
/// After this many requests for which it did not look, it is tried again, however seldom it helped.
const MAX_PAUSE: u16 = 1023;

/// Whether to look.
#[derive(Debug)]
pub(super) struct Looking {
    allowed: bool,
    /// For how many requests more it does not.
    left: u16,
    /// How many that were after the last that had looked in vain.
    pause: u16,
}

impl Looking {
    /// Looks from the first request on, or never.
    pub(super) fn new(allowed: bool) -> Self {
        Self { allowed, left: 0, pause: 0 }
    }

    /// Whether to look for the answer to this request, and until when.
    pub(super) fn begin(&mut self) -> Option<Instant> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                None
            }
            None => self.allowed.then(|| Instant::now() + LOOK),
        }
    }

    /// Notes how it went.
    pub(super) fn note(&mut self, answered: bool) {
        self.pause = if answered { 0 } else { (self.pause * 2 + 1).min(MAX_PAUSE) };
        self.left = self.pause;
    }
}

/// Whether there is more than one processor: who looks keeps one, which a server on the same machine may need.
pub(super) fn may_look() -> bool {
    static SEVERAL: OnceLock<bool> = OnceLock::new();
    *SEVERAL.get_or_init(|| std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_help_is_tried_more_seldom_and_again() {
        let mut looking = Looking::new(true);
        let mut between = Vec::new();
        for _ in 0..12 {
            let asked = std::iter::repeat_with(|| looking.begin()).take_while(Option::is_none).count();
            between.push(asked);
            looking.note(false);
        }
        assert_eq!(between, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1023]);
        assert_eq!(std::iter::repeat_with(|| looking.begin()).take_while(Option::is_none).count(), 1023);
        looking.note(true);
        assert!(looking.begin().is_some());
        assert!(Looking::new(false).begin().is_none());
    }
}
