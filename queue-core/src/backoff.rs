//! How long to wait before a failed task runs again.
//!
//! Pure but for the jitter's randomness: no clock, no I/O. The worker asks for a delay and gives it to the store as a due time.

use std::time::Duration;

/// Exponential waiting times: the first wait is `factor`, none is longer than `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub factor: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Spread each wait evenly over zero to its full length (Celery's full jitter), so that jobs that failed together
    /// do not come back together.
    pub jitter: bool,
}

impl Default for Backoff {
    /// 1 s, doubling up to 10 minutes, with jitter.
    fn default() -> Self {
        Self { factor: Duration::from_secs(1), max: Duration::from_secs(600), jitter: true }
    }
}

impl Backoff {
    /// The wait after `retries` earlier retries, before jitter: `factor * 2^retries`, at most `max`. Never overflows.
    ///
    /// Source: Celery, `get_exponential_backoff_interval`.
    ///
    /// ```
    /// # use {queue_core::Backoff, std::time::Duration};
    /// let backoff = Backoff { factor: Duration::from_secs(1), max: Duration::from_secs(600), jitter: false };
    /// assert_eq!(backoff.delay(3), Duration::from_secs(8));
    /// assert_eq!(backoff.delay(90), Duration::from_secs(600));
    /// ```
    pub fn delay(self, retries: u32) -> Duration {
        let doublings = 2_u32.saturating_pow(retries);
        self.factor.saturating_mul(doublings).min(self.max)
    }

    /// The wait to use: [`Backoff::delay`], spread where `jitter` is set.
    pub fn wait(self, retries: u32) -> Duration {
        let full = self.delay(retries);
        if self.jitter { full.mul_f64(fastrand::f64()) } else { full }
    }
}
