//! Instants, and the only place that reads the time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

/// An instant in whole milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This much later; saturates.
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long until `later`; zero when it has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// The nearest instant that Python's calendar has in every time zone: its years are 1 to 9999, and a message with a date that
    /// it cannot read is dropped.
    pub(crate) fn in_pythons_calendar(self) -> Self {
        const FIRST_DAYS: i64 = -62_135_510_400_000;
        const LAST_DAYS: i64 = 253_402_128_000_000;
        Self(self.0.clamp(FIRST_DAYS, LAST_DAYS))
    }

    /// `YYYY-MM-DDTHH:MM:SS.ffffff+00:00`, the form every Celery reader takes; what is outside Python's calendar is at its edge.
    pub fn to_celery(self) -> String {
        match DateTime::<Utc>::from_timestamp_millis(self.in_pythons_calendar().0) {
            Some(at) => at.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string(),
            None => "9999-12-31T23:59:59.999999+00:00".to_owned(),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// So many seconds, or the longest time there is where they are more; `None` for what is no length of time.
pub(crate) fn seconds(number: f64) -> Option<Duration> {
    if number >= Duration::MAX.as_secs_f64() { Some(Duration::MAX) } else { Duration::try_from_secs_f64(number).ok() }
}

/// Reads the time. Clones share one skew, so a test moves a store and all its users at once.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    skew_ms: Arc<AtomicI64>,
    /// How wrong this host's clock is; the store's own is right.
    wrong_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The host's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// The clock of a host that is wrong by so many milliseconds, ahead or behind, beside a store with a clock of its own. For
    /// tests: a store in a file has its host's clock.
    pub fn wrong_by(&self, ms: i64) -> Self {
        Self { skew_ms: self.skew_ms.clone(), wrong_ms: Arc::new(AtomicI64::new(ms)) }
    }

    /// Sets the clock of such a host. For tests.
    pub fn set_wrong_by(&self, ms: i64) {
        self.wrong_ms.store(ms, Ordering::Relaxed);
    }

    /// Now, as this host sees it, plus the skew.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads it")]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Timestamp(ms.saturating_add(self.skew_ms()).saturating_add(self.wrong_ms.load(Ordering::Relaxed)))
    }

    /// What is added to the true time, in milliseconds: 0 outside tests. A driver whose server has
    /// a clock of its own adds this to that.
    pub fn skew_ms(&self) -> i64 {
        self.skew_ms.load(Ordering::Relaxed)
    }

    /// Moves every clone of this clock forward. For tests.
    pub fn advance(&self, by: Duration) {
        self.skew_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Moves every clone of this clock back. For tests.
    pub fn set_back(&self, by: Duration) {
        self.skew_ms.fetch_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}
