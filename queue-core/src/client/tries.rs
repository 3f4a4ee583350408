//! How often a send is tried: again after an error that may pass, while there is time, and only where a second try cannot
//! enqueue twice.

use std::time::{Duration, Instant};

use super::Client;
use crate::store::StoreError;

/// The first pause between two tries; each is twice the last, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The time that one call of a client has for its tries, over all its steps; of many batches each has it anew.
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn unreachable(unknown: bool) -> StoreError {
        StoreError::Unreachable { url: "test:".to_owned(), unknown, source: "cut".into() }
    }

    /// Runs tries that end so, one after the other; the outcome, and how many tries were made.
    async fn run(
        again: Again,
        patience: Duration,
        ends: Vec<Result<(), StoreError>>,
    ) -> (Result<(), StoreError>, usize) {
        let (all, ends) = (ends.len(), RefCell::new(ends.into_iter()));
        let tries = Tries { until: Instant::now().checked_add(patience) };
        let outcome = tries.run(again, || async { ends.borrow_mut().next().expect("no more tries are due") }).await;
        (outcome, all - ends.into_inner().count())
    }

    #[tokio::test]
    async fn what_was_unknown_once_stays_unknown() {
        let url = || "test:".to_owned();
        for last in [
            unreachable(false),
            StoreError::Unauthorized { url: url(), source: "no".into() },
            StoreError::Refused { url: url(), source: "no".into() },
            StoreError::Foreign { url: url(), why: "no".to_owned() },
        ] {
            let transient = last.is_transient();
            let mut ends = vec![Err(unreachable(true)), Err(last)];
            ends.extend(transient.then(|| Err(StoreError::Foreign { url: url(), why: "no".to_owned() })));
            let expected = ends.len();
            let (outcome, made) = run(Again::Harmless, Duration::from_secs(60), ends).await;
            assert!(outcome.unwrap_err().outcome_unknown());
            assert_eq!(made, expected);
        }
    }

    #[tokio::test]
    async fn what_may_happen_twice_is_tried_again_only_while_it_has_not_happened() {
        let hour = Duration::from_secs(3600);
        let (outcome, made) = run(Again::Twice, hour, vec![Err(unreachable(false)), Err(unreachable(true))]).await;
        assert!(outcome.unwrap_err().outcome_unknown());
        assert_eq!(made, 2);
        let (outcome, made) = run(Again::Twice, hour, vec![Err(unreachable(false)), Ok(())]).await;
        assert!(outcome.is_ok() && made == 2);
        let (outcome, made) = run(Again::Harmless, hour, vec![Err(unreachable(true)), Ok(())]).await;
        assert!(outcome.is_ok() && made == 2);
    }

    #[tokio::test]
    async fn what_will_not_pass_or_comes_too_late_is_not_tried_again() {
        let refused = StoreError::Refused { url: "test:".to_owned(), source: "no".into() };
        let (outcome, made) = run(Again::Harmless, Duration::from_secs(60), vec![Err(refused)]).await;
        assert!(!outcome.unwrap_err().outcome_unknown());
        assert_eq!(made, 1);
        let (outcome, made) = run(Again::Harmless, Duration::ZERO, vec![Err(unreachable(false))]).await;
        assert!(!outcome.unwrap_err().outcome_unknown());
        assert_eq!(made, 1);
    }
}
