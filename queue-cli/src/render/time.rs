//! Ages and waits, as people say them and as the command line takes them.

use std::time::Duration;

use queue_core::Timestamp;

/// The two largest units: `850 ms`, `12s`, `5m 3s`, `2h 10m`, `3d 4h`.
pub(crate) fn short(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let two = |large: u64, a: &str, small: u64, b: &str| match small {
        0 => format!("{large}{a}"),
        _ => format!("{large}{a} {small}{b}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 => format!("{}ms", span.as_millis()),
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => two(minutes, "m", rest, "s"),
        (0, _, _) => two(hours, "h", minutes, "m"),
        _ => two(days, "d", hours, "h"),
    }
}

/// How long ago, or `-`.
pub(crate) fn age(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "-".to_owned(), |at| short(at.until(now)))
}

/// `in 5m`, or `due` when it has passed.
pub(crate) fn wait(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}", short(now.until(at))) } else { "due".to_owned() }
}

/// The instant, and how far it is from now: `2026-11-22T20:53:31.949Z (5m ago)`.
pub(crate) fn instant(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("{at} (in {})", short(now.until(at)))
    } else {
        format!("{at} ({} ago)", short(at.until(now)))
    }
}

/// Reads `30s`, `5m`, `1h 30m`, `2 days`; a bare number is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds)
            .map_err(|_| "a duration is not negative and not endless".to_owned());
    }
    humantime::parse_duration(text).map_err(|_| "write a duration like `30s`, `5m`, `1h 30m` or `2days`".to_owned())
}

/// Reads an instant: `2026-11-22T20:53:31Z`, with or without an offset (then UTC), or just a day.
pub(crate) fn parse_instant(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let zoned = chrono::DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis());
    let naive = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok())
            .or_else(|| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
            .map(|at| at.and_utc().timestamp_millis())
    };
    zoned
        .ok()
        .or_else(naive)
        .map(Timestamp::from_millis)
        .ok_or_else(|| "write an instant like `2026-11-22T20:53:31Z` (without an offset it is UTC)".to_owned())
}
