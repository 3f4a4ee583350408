//! Celery's instants on the wire: ISO 8601 as Python writes and reads it.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::clock::Timestamp;

/// Reads a date as a Celery worker does: with an offset or `Z`, or naive (then UTC); `T` or a space between date and
/// time; seconds and their fraction may be missing, digits beyond milliseconds are cut; a bare date is its midnight.
///
/// ```
/// # use queue_core::message::parse_date;
/// let at = parse_date("2026-11-22T22:37:14.663492123+02:00").map(|at| at.to_string());
/// assert_eq!(at.as_deref(), Some("2026-11-22T20:37:14.663Z"));
/// ```
pub fn parse_date(text: &str) -> Option<Timestamp> {
    let date = parse_day(text.get(..10)?)?;
    let rest = &text[10..];
    if rest.is_empty() {
        return Some(at(date.and_time(NaiveTime::MIN), 0));
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(cut) => (&rest[..cut], parse_offset(&rest[cut..])?),
        None => (rest, 0),
    };
    Some(at(date.and_time(parse_time(time)?), offset))
}

fn at(local: NaiveDateTime, offset_seconds: i64) -> Timestamp {
    Timestamp::from_millis(local.and_utc().timestamp_millis() - offset_seconds * 1000)
}

fn parse_day(text: &str) -> Option<NaiveDate> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    NaiveDate::from_ymd_opt(i32::try_from(digits(year, 4)?).ok()?, digits(month, 2)?, digits(day, 2)?)
}

fn parse_time(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |second| digits(second, 2))?;
    if parts.next().is_some() || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let milli = format!("{fraction:0<3}")[..3].parse().ok()?;
    NaiveTime::from_hms_milli_opt(hour, minute, second, milli)
}

/// `Z`, `+HH:MM`, `+HHMM`, `+HH` or `+HH:MM:SS`, in seconds.
fn parse_offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let parts: Vec<&str> = match text[1..].split(':').collect::<Vec<_>>().as_slice() {
        [short] if short.len() == 4 => vec![short.get(..2)?, short.get(2..)?],
        parts => parts.to_vec(),
    };
    let mut seconds = 0;
    for (part, unit) in parts.iter().zip([3600, 60, 1]) {
        seconds += i64::from(digits(part, 2)?) * unit;
    }
    (parts.len() <= 3 && seconds < 24 * 3600).then_some(sign * seconds)
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Appends `at` as [`Timestamp::to_celery`] writes it, without an allocation: every result carries one.
pub(crate) fn write_date(out: &mut Vec<u8>, at: Timestamp) {
    let at = at.in_pythons_calendar();
    let (days, ms) = (at.as_millis().div_euclid(86_400_000), at.as_millis().rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    if !(0..=9999).contains(&year) {
        return out.extend_from_slice(at.to_celery().as_bytes());
    }
    let mut text = *b"0000-00-00T00:00:00.000000+00:00";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], ms / 3_600_000);
    put(&mut text[14..16], ms / 60_000 % 60);
    put(&mut text[17..19], ms / 1000 % 60);
    put(&mut text[20..23], ms % 1000);
    out.extend_from_slice(&text);
}

fn put(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The date of a day counted from 1970-01-01. Years begin in March here, so that a leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
#[path = "date_tests.rs"]
mod tests;
