//! Rate limits: how often this worker starts a task at most. Each worker counts for itself, as in Celery.
//!
//! A job that must wait goes back into the store with a due time, so that it blocks no slot. Its due time is its place in a
//! line: each next one is due one interval later, but none later than [`FARTHEST`], so that a limit that is lifted soon
//! has an end soon.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use queue_core::message::Message;
use queue_core::{TaskId, Timestamp};

/// How far ahead a job is put off at most.
const FARTHEST: Duration = Duration::from_secs(60);
/// So many jobs in line are known by their ids.
const KNOWN: usize = 10_000;

/// How much time lies between two starts of a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate(Duration);

impl Rate {
    /// Reads `10/m`, `2/s`, `100/h` or a number per second; `None` is no limit.
    ///
    /// # Errors
    ///
    /// In the words of Python's `float`.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, String> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let unit = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            other => return Err(format!("KeyError('{other}')")),
        };
        let count: f64 = number.trim().parse().map_err(|_| {
            let said = format!("could not convert string to float: '{number}'");
            format!("ValueError(\"{said}\")")
        })?;
        let interval = Duration::try_from_secs_f64(unit / count).ok().filter(|_| count > 0.0);
        Ok(interval.map(Self))
    }
}

/// The limits of this worker's tasks.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    any: AtomicBool,
    by_task: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    text: String,
    interval: Duration,
    /// When the next start is allowed.
    next: Timestamp,
    /// The last place in the line.
    last: Timestamp,
    /// Who stands in it, and when they are due.
    line: HashMap<TaskId, Timestamp>,
    /// When it was last looked who does not come again.
    looked: Timestamp,
}

impl Rates {
    /// Whether a job may start: `None`, or when it is to come again.
    pub(crate) fn admit(&self, message: &Message, now: Timestamp) -> Option<Timestamp> {
        // Nearly always.
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.lock().get_mut(message.task.as_str())?.admit(&message.id, now)
    }

    /// Sets a task's limit, or takes it away.
    pub(super) fn set(&self, task: &str, text: &str, rate: Option<Rate>) {
        let mut by_task = self.lock();
        match rate {
            None => drop(by_task.remove(task)),
            Some(Rate(interval)) => {
                by_task.insert(task.to_owned(), Bucket::new(text, interval));
            }
        }
        self.any.store(!by_task.is_empty(), Ordering::Release);
    }

    /// A task's limit as it was set.
    pub(super) fn of(&self, task: &str) -> Option<String> {
        self.lock().get(task).map(|bucket| bucket.text.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Bucket>> {
        self.by_task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn new(text: &str, interval: Duration) -> Self {
        let (text, epoch) = (text.to_owned(), Timestamp::from_millis(0));
        Self { text, interval, next: epoch, last: epoch, line: HashMap::default(), looked: epoch }
    }

    fn admit(&mut self, id: &TaskId, now: Timestamp) -> Option<Timestamp> {
        self.live_in(now);
        let stood = self.line.remove(id).is_some();
        // Who comes while others stand in line goes behind them.
        if now >= self.next && (stood || now >= self.last) {
            self.next = now.after(self.interval);
            return None;
        }
        let due = match stood {
            // Its turn, a moment early.
            true => self.next,
            false => self.next.max(self.last.after(self.interval)),
        };
        let due = due.min(now.after(FARTHEST));
        self.last = self.last.max(due);
        self.forget_gone(now);
        if self.line.len() < KNOWN {
            self.line.insert(id.clone(), due);
        }
        Some(due)
    }

    /// A clock that was set back holds nobody up for as long as that.
    fn live_in(&mut self, now: Timestamp) {
        self.next = self.next.min(now.after(self.interval));
        self.last = self.last.min(now.after(FARTHEST));
        self.looked = self.looked.min(now);
    }

    /// Makes room where the line is full: who was due long ago does not come again. Another worker took that job, or it was
    /// revoked.
    fn forget_gone(&mut self, now: Timestamp) {
        if self.line.len() >= KNOWN && now >= self.looked.after(FARTHEST) {
            self.looked = now;
            self.line.retain(|_, due| now < due.after(FARTHEST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        START.after(Duration::from_secs(seconds))
    }

    fn bucket(text: &str) -> Bucket {
        let Some(Rate(interval)) = Rate::parse(text).unwrap() else { panic!("no limit") };
        Bucket::new(text, interval)
    }

    fn id(n: u32) -> TaskId {
        TaskId::new(n.to_string()).unwrap()
    }

    #[test]
    fn limits_are_written_as_in_celery() {
        let interval = |text| Rate::parse(text).unwrap().map(|rate| rate.0);
        assert_eq!(interval("10/m"), Some(Duration::from_secs(6)));
        assert_eq!(interval("2/s"), Some(Duration::from_millis(500)));
        assert_eq!(interval("100/h"), Some(Duration::from_secs(36)));
        assert_eq!(interval("0.5"), Some(Duration::from_secs(2)));
        assert_eq!((interval("0"), interval("0/m"), interval("-1")), (None, None, None));
        assert_eq!(Rate::parse("xx"), Err("ValueError(\"could not convert string to float: 'xx'\")".to_owned()));
        assert!(Rate::parse("1/y").is_err());
    }

    #[test]
    fn jobs_that_must_wait_are_due_one_interval_apart_in_the_order_they_came() {
        let mut bucket = bucket("10/m");
        assert_eq!(bucket.admit(&id(0), START), None);
        let due: Vec<_> = (1..4).map(|n| bucket.admit(&id(n), START)).collect();
        assert_eq!(due, [Some(after(6)), Some(after(12)), Some(after(18))]);
        assert_eq!(bucket.admit(&id(1), after(6)), None);
        assert_eq!(bucket.admit(&id(9), after(12)), Some(after(24)), "who comes later goes behind those in line");
        assert_eq!(bucket.admit(&id(2), after(12)), None);
        assert_eq!(bucket.admit(&id(3), after(17)), Some(after(18)), "a moment early");
        assert_eq!(bucket.admit(&id(3), after(18)), None);
    }

    #[test]
    fn nothing_is_put_off_farther_than_a_minute() {
        let mut bucket = bucket("1/h");
        assert_eq!(bucket.admit(&id(0), START), None);
        for n in 1..100 {
            assert_eq!(bucket.admit(&id(n), START), Some(after(60)));
        }
    }

    #[test]
    fn over_time_the_rate_is_what_was_asked_for() {
        let mut bucket = bucket("1/s");
        let (mut waiting, mut ran): (Vec<(Timestamp, u32)>, u32) = ((0..50).map(|n| (START, n)).collect(), 0);
        for second in 0..40 {
            let now = after(second);
            for (due, n) in std::mem::take(&mut waiting) {
                match if due <= now { bucket.admit(&id(n), now) } else { Some(due) } {
                    None => ran += 1,
                    Some(due) => waiting.push((due, n)),
                }
            }
        }
        assert_eq!(ran, 40);
    }

    /// Those that another worker of the queue took when it was their turn, or that were revoked meanwhile, do not come again.
    #[test]
    fn who_does_not_come_again_stands_in_nobodys_way() {
        let mut bucket = bucket("1/s");
        for n in 0..2 * u32::try_from(KNOWN).unwrap() {
            bucket.admit(&id(n), after(u64::from(n) / 10));
        }
        let noon = 10_000;
        let (mut waiting, mut ran): (Vec<(Timestamp, u32)>, u32) =
            ((0..50).map(|n| (after(noon), 1_000_000 + n)).collect(), 0);
        for second in noon..noon + 60 {
            let now = after(second);
            for (due, n) in std::mem::take(&mut waiting) {
                match if due <= now { bucket.admit(&id(n), now) } else { Some(due) } {
                    None => ran += 1,
                    Some(due) => waiting.push((due, n)),
                }
            }
        }
        assert_eq!(ran, 50);
        assert!(bucket.line.len() <= KNOWN);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nobody() {
        let mut bucket = bucket("1/s");
        let day = 86_400;
        assert_eq!((bucket.admit(&id(0), after(day)), bucket.admit(&id(1), after(day))), (None, Some(after(day + 1))));
        assert_eq!(bucket.admit(&id(2), START), Some(after(60)), "behind whoever may stand in line, by the new time");
        assert_eq!((bucket.admit(&id(1), after(1)), bucket.admit(&id(2), after(60))), (None, None));
    }
}
