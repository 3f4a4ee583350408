//! A histogram of atomics: two additions per value, and no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of times, in microseconds: 1 ms to an hour.
pub(crate) const TIMES: &[u64] = &[
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
];

/// Counts values by size.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// The upper end of each bucket, included; beyond the last there is one more.
    ends: &'static [u64],
    /// So many of what is counted are one of what is shown.
    unit: f64,
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram has counted.
#[derive(Debug, PartialEq)]
pub(crate) struct Counted {
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// The upper end of each bucket and how many values are in it, not counting those below; the last has no end.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    pub(crate) fn new(ends: &'static [u64], unit: f64) -> Self {
        let buckets = (0..=ends.len()).map(|_| AtomicU64::new(0)).collect();
        Self { ends, unit, buckets, sum: AtomicU64::new(0) }
    }

    /// One of times, shown in seconds.
    pub(crate) fn of_times() -> Self {
        Self::new(TIMES, 1e6)
    }

    /// Counts one value.
    pub(crate) fn record(&self, value: u64) {
        let bucket = self.ends.partition_point(|end| *end < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts one time.
    pub(crate) fn record_time(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted so far. What comes meanwhile may be in or not, but the count always fits the buckets.
    #[expect(clippy::cast_precision_loss, reason = "for people and their graphs")]
    pub(crate) fn counted(&self) -> Counted {
        let ends = self.ends.iter().map(|end| *end as f64 / self.unit).chain([f64::INFINITY]);
        let buckets: Vec<_> = ends.zip(self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, n)| n).sum();
        Counted { sum: self.sum.load(Ordering::Relaxed) as f64 / self.unit, count, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_reaches_it() {
        let histogram = Histogram::new(&[1, 10, 100], 1.0);
        for value in [0, 1, 2, 10, 11, 100, 101, 5_000] {
            histogram.record(value);
        }
        let counted = histogram.counted();
        assert_eq!(counted.buckets, [(1.0, 2), (10.0, 2), (100.0, 2), (f64::INFINITY, 2)]);
        assert_eq!((counted.count, counted.sum), (8, 5_225.0));
    }

    #[test]
    fn times_are_shown_in_seconds() {
        let histogram = Histogram::of_times();
        histogram.record_time(Duration::from_millis(250));
        histogram.record_time(Duration::MAX);
        let counted = histogram.counted();
        let filled: Vec<_> = counted.buckets.iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(filled, [&(0.25, 1), &(f64::INFINITY, 1)]);
    }
}
