//! How often a send is tried: again after an error that may pass, while there is time, and only where a second try cannot
//! enqueue twice.

use std::time::{Duration, Instant};

use super::Client;
use crate::store::StoreError;

/// The first pause between two tries; each is twice the last, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The time that one call of a client has for its tries, over all its steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tries {
    /// Beyond this no other try begins.
    until: Option<Instant>,
}

/// Whether a try whose outcome is unknown may be followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It changes nothing, or nothing a second time.
    Harmless,
    /// It may do it twice.
    Twice,
}

impl Tries {
    pub(super) fn of(client: &Client) -> Self {
        Self { until: Instant::now().checked_add(client.options().retry_for) }
    }

    /// Tries `step` until it is done, refused for good, or time is up. The error says that the outcome is unknown when that
    /// of any try is.
    pub(super) async fn run<T, F>(self, again: Again, step: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let (mut pause, mut unknown) = (FIRST_PAUSE, false);
        loop {
            let error = match step().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            unknown |= error.outcome_unknown();
            let wait = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            let in_time = self.until.is_none_or(|until| Instant::now() + wait < until);
            if !in_time || !error.is_transient() || (unknown && again == Again::Twice) {
                return Err(if unknown { error.of_unknown_outcome() } else { error });
            }
            tracing::debug!(%error, "a send is tried again");
            tokio::time::sleep(wait).await;
            pause = LONGEST_PAUSE.min(2 * pause);
        }
    }
}
