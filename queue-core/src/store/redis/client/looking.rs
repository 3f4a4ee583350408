//! Looks for an answer for some microseconds before it sleeps for it.
//!
//! A server nearby answers sooner than a thread falls asleep and is woken; on a virtual machine a core that fell asleep as well
//! takes several times as long. So who sends one request, while nobody else waits on its connection, looks some times whether the
//! answer is there. Where that does not help it is tried more seldom: a server far away costs next to nothing.
//!
//! Whoever looks lets nobody else of its thread send meanwhile, and of many that were to send at once each would be alone. So now and
//! then, and the first time, the others of the thread have their turn first; if one of them sends, nobody looks for a while.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long it looks: about what sleeping and waking cost a processor. In that time its thread does nothing else.
pub(super) const LOOK: Duration = Duration::from_micros(50);
/// After this many requests for which it did not look, it is tried again, however seldom it helped.
const MAX_PAUSE: u16 = 1023;
/// So many looks until the others have their turn first again.
const TRUST: u8 = 8;

/// Whether to look.
#[derive(Debug)]
pub(super) struct Looking {
    /// How long; `None`: never.
    length: Option<Duration>,
    /// For how many requests more it does not.
    left: u16,
    /// For how many it did not after it was last in vain.
    pause: u16,
    /// How many looks more without the others' turn.
    trusted: u8,
}

/// When to look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum When {
    Never,
    /// Until then.
    Now(Instant),
    /// If one is still alone when the others of the thread have had their turn.
    Later,
}

impl Looking {
    /// Looks from the first request on, for so long.
    pub(super) fn new(length: Option<Duration>) -> Self {
        Self { length, left: 0, pause: 0, trusted: 0 }
    }

    /// When to look for the answer to this request, whose sender is alone.
    pub(super) fn begin(&mut self) -> When {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return When::Never;
        }
        match self.trusted.checked_sub(1) {
            _ if self.length.is_none() => When::Never,
            None => When::Later,
            Some(trusted) => {
                self.trusted = trusted;
                self.now()
            }
        }
    }

    /// The others had their turn, and it is `alone` still, or not.
    pub(super) fn go_on(&mut self, alone: bool) -> When {
        if !alone {
            self.note(false);
            return When::Never;
        }
        self.trusted = TRUST;
        self.now()
    }

    fn now(&self) -> When {
        self.length.map_or(When::Never, |length| When::Now(Instant::now() + length))
    }

    /// Notes whether it helped.
    pub(super) fn note(&mut self, helped: bool) {
        self.pause = if helped { 0 } else { (self.pause * 2 + 1).min(MAX_PAUSE) };
        self.left = self.pause;
        if !helped {
            self.trusted = 0;
        }
    }
}

/// How long to look. Not at all where there is one processor: who looks keeps it, and a server on the same machine needs it.
pub(super) fn usual() -> Option<Duration> {
    static SEVERAL: OnceLock<bool> = OnceLock::new();
    let several = || std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    SEVERAL.get_or_init(several).then_some(LOOK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unasked(looking: &mut Looking) -> usize {
        std::iter::repeat_with(|| looking.begin()).take_while(|when| *when == When::Never).count()
    }

    #[test]
    fn what_does_not_help_is_tried_more_seldom_and_again() {
        let mut looking = Looking::new(Some(LOOK));
        let mut between = Vec::new();
        for _ in 0..12 {
            between.push(unasked(&mut looking));
            looking.note(false);
        }
        assert_eq!(between, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1023]);
        assert_eq!(unasked(&mut looking), 1023);
        looking.note(true);
        assert_eq!(looking.begin(), When::Later);
        assert_eq!(Looking::new(None).begin(), When::Never);
    }

    #[test]
    fn the_others_have_their_turn_at_first_and_now_and_then() {
        let mut looking = Looking::new(Some(LOOK));
        for _ in 0..3 {
            assert_eq!(looking.begin(), When::Later);
            assert!(matches!(looking.go_on(true), When::Now(_)));
            looking.note(true);
            for _ in 0..TRUST {
                assert!(matches!(looking.begin(), When::Now(_)));
                looking.note(true);
            }
        }
        assert_eq!(looking.begin(), When::Later);
        assert_eq!((looking.go_on(false), looking.begin(), looking.begin()), (When::Never, When::Never, When::Later));
    }
}
