//! What a call says of its own retries and acknowledgement, in headers that Celery does not have.

use crate::backoff::Backoff;
use crate::clock::seconds;
use crate::message::{Json, Message, ValueError};

/// The header with a call's own limit of retries.
pub const MAX_RETRIES: &str = "max_retries";
/// The header that counts how often a message was given back because a worker did not know its task.
pub const UNKNOWN_HERE: &str = "unknown_here";
pub(crate) const BACKOFF: &str = "backoff";
pub(crate) const ACKS_LATE: &str = "acks_late";

/// A call's own options that Celery's protocol has no place for; they come before its task's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overrides {
    /// Header `max_retries`: a number.
    pub max_retries: Option<u32>,
    /// Header `backoff`: `[first wait, longest wait, jitter]`, in seconds.
    pub backoff: Option<Backoff>,
    /// Header `acks_late`: false for early.
    pub acks_early: Option<bool>,
}

impl Overrides {
    /// Reads them from a message. Costs nothing where it has none; what does not fit is left out, since somebody else's
    /// header of the same name is no error.
    pub fn of(message: &Message) -> Self {
        let mut found = Self::default();
        let text = message.headers.as_str();
        if !message.other_headers || ![MAX_RETRIES, BACKOFF, ACKS_LATE].iter().any(|name| text.contains(name)) {
            return found;
        }
        for (name, value) in message.headers.entries().into_iter().flatten() {
            match &*name {
                MAX_RETRIES => found.max_retries = value.parse().ok(),
                BACKOFF => found.backoff = value.parse().ok().and_then(read_backoff),
                ACKS_LATE => found.acks_early = value.parse().ok().map(|late: bool| !late),
                _ => {}
            }
        }
        found
    }
}

fn read_backoff((factor, max, jitter): (f64, f64, bool)) -> Option<Backoff> {
    Some(Backoff { factor: seconds(factor)?, max: seconds(max)?, jitter })
}

pub(crate) fn write_backoff(backoff: Backoff) -> Result<Json, ValueError> {
    Json::from_value(&(backoff.factor.as_secs_f64(), backoff.max.as_secs_f64(), backoff.jitter))
}
