//! Looks for rows that are left over: each table is gone through by its key, a slice at a time.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::fault::{Fault, Outcome};
use super::sql;
use crate::clock::Timestamp;
use crate::store::{Cursor, Orphan, OrphanKind, OrphanPage};

/// Rows of one step.
const SLICE: i64 = 1000;
/// A worker that is gone for so long was taken back by nobody. What expired so long ago was deleted by nobody, although a worker
/// that has lived for as long does that with each heartbeat.
const LONG_MS: i64 = 3_600_000;

/// A table, or what is counted in it, and the statement that judges its rows from a key on.
struct Part {
    name: &'static str,
    statement: &'static str,
    /// Whether rows are named by text, not by a number.
    by_text: bool,
}

const fn part(name: &'static str, statement: &'static str, by_text: bool) -> Part {
    Part { name, statement, by_text }
}

const PARTS: [Part; 13] = [
    part("job", sql::ORPHANS_JOB, false),
    part("body", sql::ORPHANS_BODY, false),
    part("dead", sql::ORPHANS_DEAD, false),
    part("tally", sql::ORPHANS_TALLY, false),
    part("worker", sql::ORPHANS_WORKER, false),
    part("result", sql::ORPHANS_RESULT, false),
    part("group_meta", sql::ORPHANS_GROUP, true),
    part("chord", sql::ORPHANS_CHORD, true),
    part("chord_part", sql::ORPHANS_CHORD_PART, true),
    part("post", sql::ORPHANS_POST, false),
    part("producer", sql::ORPHANS_PRODUCER, true),
    part("revoked", sql::ORPHANS_REVOKED, true),
    part("sent", sql::ORPHANS_SENT, true),
];

/// A row as it was judged.
struct Row {
    key: Value,
    orphan: Option<(OrphanKind, String)>,
}

/// See [`crate::store::Inspect::orphans`].
pub(super) fn step(connection: &Connection, cursor: Option<&Cursor>, now: Timestamp) -> Outcome<OrphanPage> {
    let (place, from) = match cursor {
        None => (0, start(&PARTS[0])),
        Some(cursor) => read(cursor).ok_or_else(|| Fault::BadCursor(cursor.0.clone()))?,
    };
    let part = &PARTS[place];
    let rows = judge(connection, part, from, SLICE, now)?;
    let full = i64::try_from(rows.len()) == Ok(SLICE);
    let next = match rows.last() {
        Some(last) if full => Some(write(place, &after(&last.key))),
        _ => PARTS.get(place + 1).map(|next| write(place + 1, &start(next))),
    };
    let looked_at = rows.len() as u64;
    let orphans = rows.into_iter().filter_map(|row| tell(part, &row.key, row.orphan?)).collect();
    Ok(OrphanPage { orphans, looked_at, next })
}

/// See [`crate::store::Inspect::orphans_again`].
pub(super) fn again(connection: &Connection, found: &[Orphan], now: Timestamp) -> Outcome<Vec<Orphan>> {
    let mut left = Vec::new();
    for orphan in found {
        let Some((name, key)) = orphan.key.split_once(' ') else { continue };
        let Some(part) = PARTS.iter().find(|part| part.name == name) else { continue };
        let Some(key) = parse(part, key) else { continue };
        let row = judge(connection, part, key.clone(), 1, now)?.pop().filter(|row| row.key == key);
        left.extend(row.and_then(|row| tell(part, &row.key, row.orphan?)));
    }
    Ok(left)
}

fn judge(connection: &Connection, part: &Part, from: Value, limit: i64, now: Timestamp) -> Outcome<Vec<Row>> {
    let mut statement = connection.prepare_cached(part.statement)?;
    let ago = now.as_millis().saturating_sub(LONG_MS);
    let asked = [from, Value::Integer(limit), Value::Integer(ago), Value::Integer(now.as_millis())];
    let asked = params_from_iter(asked.into_iter().take(statement.parameter_count()));
    let rows = statement.query_map(asked, |row| {
        let kind = row.get::<_, Option<String>>(1)?;
        Ok(Row { key: row.get(0)?, orphan: kind.and_then(|kind| kind_of(&kind)).zip(row.get(2)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The kinds that the statements name.
fn kind_of(name: &str) -> Option<OrphanKind> {
    Some(match name {
        "held-by-nobody" => OrphanKind::HeldByNobody,
        "lost-worker" => OrphanKind::LostWorker,
        "torn" => OrphanKind::Torn,
        "unlisted-queue" => OrphanKind::UnlistedQueue,
        "miscounted" => OrphanKind::Miscounted,
        "endless-result" => OrphanKind::EndlessResult,
        "endless-chord" => OrphanKind::EndlessChord,
        "expired" => OrphanKind::Expired,
        _ => return None,
    })
}

fn tell(part: &Part, key: &Value, (kind, why): (OrphanKind, String)) -> Option<Orphan> {
    Some(Orphan { key: format!("{} {}", part.name, text(key)?), kind, why })
}

fn start(part: &Part) -> Value {
    if part.by_text { Value::Text(String::new()) } else { Value::Integer(0) }
}

/// The least key behind this one.
fn after(key: &Value) -> Value {
    match key {
        Value::Integer(number) => Value::Integer(number.saturating_add(1)),
        Value::Text(text) => Value::Text(format!("{text}\0")),
        other => other.clone(),
    }
}

fn text(key: &Value) -> Option<String> {
    match key {
        Value::Integer(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn parse(part: &Part, key: &str) -> Option<Value> {
    if part.by_text { Some(Value::Text(key.to_owned())) } else { key.parse().ok().map(Value::Integer) }
}

fn write(place: usize, key: &Value) -> Cursor {
    Cursor(format!("o{place}.{}", text(key).unwrap_or_default()))
}

fn read(Cursor(cursor): &Cursor) -> Option<(usize, Value)> {
    let (place, key) = cursor.strip_prefix('o')?.split_once('.')?;
    let place = place.parse().ok()?;
    Some((place, parse(PARTS.get(place)?, key)?))
}
