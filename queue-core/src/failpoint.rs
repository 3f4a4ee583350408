//! Steps at which a test lets a worker die.
//!
//! The code says `failpoint::hit("settle.before")` where it takes a step whose interruption must do no harm. With the
//! feature `failpoints`, which only the tests turn on, `$QUEUE_FAILPOINT` arms one of them: `settle.before@3` has the process
//! kill itself (SIGKILL) when it comes there for the third time, `settle.before@3=hold` leaves the thread there for ever.
//! Without the feature a hit is nothing at all.

/// Every step there is, in the order in which a job comes by.
pub const STEPS: [&str; 19] = [
    // The heartbeat.
    "beat.before",
    "beat.answered",
    // What a dead worker held is back in its queue.
    "beat.reclaimed",
    // Leased, and nobody here has looked at it.
    "lease.answered",
    "message.decoded",
    "body.before",
    "body.done",
    // What the job comes to is decided and written, and not yet with the settler.
    "settle.built",
    "settle.before",
    "settle.answered",
    // The dispatch of a chord is leased.
    "chord.leased",
    "chord.parts-read",
    // The message of the chord's body is written, and not yet with the settler.
    "chord.built",
    "chord.before-settle",
    "chord.settled",
    // In an SQLite file: nothing of a transaction is there yet, all is, the disk has it, and whoever asked for it knows.
    "commit.before",
    "commit.after",
    "commit.synced",
    "commit.told",
];

pub use imp::{hit, hit_when};

#[cfg(not(feature = "failpoints"))]
mod imp {
    /// The process is at this step.
    #[inline(always)]
    pub const fn hit(_step: &str) {}

    /// As [`hit`], where `when` says so.
    #[inline(always)]
    pub fn hit_when(_step: &str, _when: impl FnOnce() -> bool) {}
}

#[cfg(feature = "failpoints")]
mod imp {
    use std::io::Write;
    use std::process::{Command, abort, id};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The step that is armed.
    struct Armed {
        step: String,
        /// How many more hits.
        left: AtomicUsize,
        hold: bool,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| Armed::read(&std::env::var("QUEUE_FAILPOINT").ok()?));

    impl Armed {
        /// `None` where `text` is not `step@n` or `step@n=hold`.
        fn read(text: &str) -> Option<Self> {
            let (step, times) = text.split_once('@')?;
            let (times, hold) = times.strip_suffix("=hold").map_or((times, false), |times| (times, true));
            Some(Self { step: step.to_owned(), left: AtomicUsize::new(times.parse().ok()?), hold })
        }
    }

    /// The process is at this step.
    ///
    /// # Panics
    ///
    /// Where [`STEPS`](super::STEPS) does not name it.
    pub fn hit(step: &str) {
        assert!(super::STEPS.contains(&step), "no such step: {step}");
        if let Some(armed) = ARMED.as_ref().filter(|armed| armed.step == step)
            && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            stay(armed);
        }
    }

    /// As [`hit`], where `when` says so.
    pub fn hit_when(step: &str, when: impl FnOnce() -> bool) {
        if when() {
            hit(step);
        }
    }

    fn stay(armed: &Armed) -> ! {
        // A test waits for this line; where stderr is gone there is none.
        let _ = writeln!(std::io::stderr(), "failpoint: {} in process {}", armed.step, id());
        if !armed.hold && Command::new("kill").args(["-9", &id().to_string()]).spawn().is_err() {
            abort();
        }
        loop {
            std::thread::park();
        }
    }
}
