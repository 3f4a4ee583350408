//! Which jobs are meant: by task, error text and age. Applied here while paging; the store knows nothing of it.

use std::time::Duration;

use clap::Args;
use queue_core::Timestamp;
use queue_core::remote::glob;

use crate::render::time;
use crate::seen::Seen;

/// What a job must be like. Nothing given: every job is meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filter {
    /// Only tasks of this name; `*` and `?` stand for any text and any character
    #[arg(long, value_name = "GLOB")]
    pub(crate) task: Option<String>,
    /// Only where the error contains this text (upper or lower case)
    #[arg(long, value_name = "TEXT")]
    pub(crate) error: Option<String>,
    /// Only older than this: dead letters since they died, others since they were sent
    #[arg(long, value_name = "5m", value_parser = time::parse)]
    pub(crate) older_than: Option<Duration>,
    /// Only younger than this
    #[arg(long, value_name = "5m", value_parser = time::parse)]
    pub(crate) newer_than: Option<Duration>,
}

impl Filter {
    /// Whether it leaves out anything at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.task.is_none() && self.error.is_none() && self.older_than.is_none() && self.newer_than.is_none()
    }

    /// Whether `seen` is meant. A job whose age nobody knows is neither older nor newer than anything.
    pub(crate) fn accepts(&self, seen: &Seen, now: Timestamp) -> bool {
        self.accepts_task(seen.task()) && self.accepts_error(seen) && self.accepts_age(seen.since(), now)
    }

    fn accepts_task(&self, task: Option<&str>) -> bool {
        match (&self.task, task) {
            (None, _) => true,
            (Some(pattern), Some(task)) => glob(pattern, task),
            (Some(_), None) => false,
        }
    }

    fn accepts_error(&self, seen: &Seen) -> bool {
        let Some(text) = &self.error else { return true };
        seen.error().is_some_and(|error| error.to_lowercase().contains(&text.to_lowercase()))
    }

    fn accepts_age(&self, since: Option<Timestamp>, now: Timestamp) -> bool {
        let age = since.map(|at| at.until(now));
        self.older_than.is_none_or(|least| age.is_some_and(|age| age >= least))
            && self.newer_than.is_none_or(|most| age.is_some_and(|age| age < most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(count: u64) -> Option<Duration> {
        Some(Duration::from_secs(60 * count))
    }

    #[test]
    fn age_is_at_least_older_than_and_less_than_newer_than() {
        let now = Timestamp::from_millis(1_000_000_000);
        let ago = |minutes: i64| Some(Timestamp::from_millis(1_000_000_000 - 60_000 * minutes));
        let between = Filter { older_than: minutes(5), newer_than: minutes(10), ..Filter::default() };
        for (since, fits) in [(ago(4), false), (ago(5), true), (ago(9), true), (ago(10), false), (None, false)] {
            assert_eq!(between.accepts_age(since, now), fits, "{since:?}");
        }
        assert!(Filter::default().accepts_age(None, now));
    }

    #[test]
    fn unknown_task_fits_only_where_none_is_asked_for() {
        let any = Filter { task: Some("*".to_owned()), ..Filter::default() };
        assert!(any.accepts_task(Some("mail.send")));
        assert!(!any.accepts_task(None));
        assert!(Filter::default().accepts_task(None));
    }
}
