//! What becomes of a job whose body ended.
//!
//! Pure: no clock, no store. [`verdict`] decides, `ending.rs` turns the decision into a settlement.

use std::time::Duration;

use queue_core::Backoff;
use queue_core::canvas::Signature;
use queue_core::message::{Json, Message};
use queue_core::store::DeadReason;
use queue_core::task::{Again, ErrorKind, Exception, Overrides, TaskError, TaskOptions};

/// How many retries a task gets that asks for one and has no `max_retries`; Celery's default.
pub(crate) const DEFAULT_MAX_RETRIES: u32 = 3;

/// What a finished run asks of the store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// Store the value.
    Succeed(Json),
    /// Send this in its place.
    Replace(Box<Signature>),
    /// Run it again after this long, one attempt spent.
    Retry {
        /// How long to wait.
        wait: Duration,
        /// Why.
        why: Exception,
        /// What changes.
        again: Again,
    },
    /// Run it again after this long, no attempt spent.
    Snooze {
        /// How long to wait.
        wait: Duration,
    },
    /// Store the failure and keep the message aside.
    DeadLetter {
        /// Which kind.
        reason: DeadReason,
        /// What went wrong.
        why: Exception,
    },
    /// Give it back: the worker cut it short, so the attempt does not count.
    GiveBack,
}

/// What is known of the attempt besides its outcome.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    /// How many retries came before.
    pub(crate) retries: u32,
    /// The task's own limit, if it has one.
    pub(crate) max_retries: Option<u32>,
    /// How long to wait before each retry.
    pub(crate) backoff: Backoff,
    /// Whether the worker is stopping and has asked the body to end.
    pub(crate) interrupted: bool,
}

impl Attempt {
    /// An attempt of `message`, whose own options come before those of its task.
    pub(crate) fn new(options: &TaskOptions, message: &Message, interrupted: bool) -> Self {
        let call = Overrides::of(message);
        Self {
            retries: message.retries,
            max_retries: call.max_retries.or(options.max_retries),
            backoff: call.backoff.unwrap_or(options.backoff),
            interrupted,
        }
    }

    /// The retry that `limit` still allows, `None` when it is used up.
    fn retry(self, limit: u32, wait: Option<Duration>) -> Option<Duration> {
        (self.retries < limit).then(|| wait.unwrap_or_else(|| self.backoff.wait(self.retries)))
    }
}

/// Decides what becomes of a job by how its body ended.
pub(crate) fn verdict(outcome: Result<Json, TaskError>, attempt: Attempt) -> Verdict {
    let error = match outcome {
        Ok(value) => return Verdict::Succeed(value),
        Err(error) => error,
    };
    let reason = error.dead_reason();
    if let Some(sig) = error.replacement {
        return Verdict::Replace(sig);
    }
    let again = error.again.map(|again| *again).unwrap_or_default();
    let limit = again.max_retries.or(attempt.max_retries);
    let retry = match error.kind {
        // What the worker itself cut short has not failed by its own fault.
        ErrorKind::Failed | ErrorKind::Retry(_) | ErrorKind::Panicked if attempt.interrupted => {
            return Verdict::GiveBack;
        }
        ErrorKind::Snooze(wait) => return Verdict::Snooze { wait },
        ErrorKind::Failed | ErrorKind::Panicked => limit.and_then(|max| attempt.retry(max, None)),
        ErrorKind::Retry(wait) => attempt.retry(limit.unwrap_or(DEFAULT_MAX_RETRIES), wait),
        // As in Celery, a run that was ended by force is not tried again by itself.
        ErrorKind::Fatal | ErrorKind::Reject | ErrorKind::BadArguments | ErrorKind::TimeLimit | ErrorKind::Replaced => {
            None
        }
        // The enum may grow in a newer `queue-core`: a kind this worker does not know is a failure.
        _ => None,
    };
    match retry {
        Some(wait) => Verdict::Retry { wait, why: *error.exception, again },
        None => Verdict::DeadLetter { reason, why: used_up(error.kind, *error.exception, attempt) },
    }
}

/// A task that asked for one retry too many and did not say why fails with what Celery says then.
fn used_up(kind: ErrorKind, why: Exception, attempt: Attempt) -> Exception {
    if !matches!(kind, ErrorKind::Retry(_)) || why.exc_type != "Retry" {
        return why;
    }
    let message = format!("no retry is left after {}", attempt.retries);
    Exception { exc_type: "MaxRetriesExceededError".to_owned(), message, ..why }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
