//! Times as scripts take and give them.

use std::time::{Duration, Instant};

use crate::clock::Timestamp;

/// No waiting message is known.
pub(super) const NEVER: i64 = i64::MAX;

/// Milliseconds of a duration, for a script's argument.
pub(super) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The store's time of a reply.
pub(super) fn timestamp(ms: i64) -> Option<Timestamp> {
    (ms >= 0 && ms != NEVER).then(|| Timestamp::from_millis(ms))
}

/// When a wait that began now and lasts `at_most` ends; far away where it would overflow.
pub(super) fn deadline(at_most: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(at_most).unwrap_or_else(|| now + Duration::from_secs(86_400))
}
