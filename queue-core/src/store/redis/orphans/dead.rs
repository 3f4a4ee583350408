//! Whether dead letters are whole: each is an entry of three keys, written and deleted in one step.

use super::super::inner::Inner;
use super::super::keys::{self, Part, Spelled};
use super::super::look;
use super::{NAMED, or_nothing, some_of};
use crate::store::{Orphan, OrphanKind, StoreError};

/// One of the three keys, and the command that says whether it has an entry.
#[derive(Clone, Copy)]
struct Side<'a> {
    key: &'a str,
    has: &'static str,
}

impl<'a> Side<'a> {
    fn letters(key: &'a str) -> Self {
        Self { key, has: "ZSCORE" }
    }

    fn hash(key: &'a str) -> Self {
        Self { key, has: "HEXISTS" }
    }
}

/// One step through a dead queue: where the next one begins, 0 at the end, and what its letters are without.
pub(super) async fn look(store: &Inner, key: &str, from: u64) -> Result<(u64, Option<Orphan>), StoreError> {
    let Some(Spelled::Of { list, part: Part::Dead, .. }) = store.keys.spelled(key) else { return Ok((0, None)) };
    let (next, letters) = or_nothing(look::scan::<(Vec<u8>, f64)>(store, "ZSCAN", key, from).await)?;
    let letters: Vec<Vec<u8>> = letters.into_iter().map(|(letter, _)| letter).collect();
    let (message, why) = (keys::dead_message(list), keys::dead_why(list));
    let mut torn = Vec::new();
    for (other, what) in [(&message, "message"), (&why, "reason")] {
        let alone = lacking(store, Side::letters(key), Side::hash(other), &letters).await?;
        if !alone.is_empty() {
            torn.push(format!("dead letters without their {what}: {}", some_of(alone.iter().map(String::as_str))));
        }
    }
    Ok((next, (!torn.is_empty()).then(|| orphan(key, torn.join("; ")))))
}

/// The same of all letters; ends with the first step that finds something.
pub(super) async fn look_through(store: &Inner, key: &str) -> Result<Option<Orphan>, StoreError> {
    let mut from = 0;
    loop {
        let (next, orphan) = look(store, key, from).await?;
        if orphan.is_some() || next == 0 {
            return Ok(orphan);
        }
        from = next;
    }
}

/// Entries of a hash about dead letters that are none. It is read only where it has more of them than there are letters: its values
/// may be large, and where as many letters are without an entry, those are found.
pub(super) async fn strays(store: &Inner, key: &str, list: &str, what: &str) -> Result<Option<Orphan>, StoreError> {
    let dead = keys::dead(list);
    let (mine, theirs) = sizes(store, key, &dead).await?;
    if mine <= theirs {
        return Ok(None);
    }
    let (mut alone, mut from) = (Vec::new(), 0);
    loop {
        let (next, entries) = or_nothing(look::scan::<(Vec<u8>, Vec<u8>)>(store, "HSCAN", key, from).await)?;
        let entries: Vec<Vec<u8>> = entries.into_iter().map(|(entry, _)| entry).collect();
        alone.extend(lacking(store, Side::hash(key), Side::letters(&dead), &entries).await?);
        if next == 0 || alone.len() > NAMED {
            break;
        }
        from = next;
    }
    let why = || format!("{what}: {}", some_of(alone.iter().map(String::as_str)));
    Ok((!alone.is_empty()).then(|| orphan(key, why())))
}

/// How many entries a hash has, and how many letters there are; none where a key is of another type.
async fn sizes(store: &Inner, hash: &str, dead: &str) -> Result<(u64, u64), StoreError> {
    let mut pipe = redis::pipe();
    pipe.ignore_errors().cmd("HLEN").arg(hash).cmd("ZCARD").arg(dead);
    let sizes: Vec<redis::RedisResult<u64>> = store.link.pipe(&pipe).await?;
    let mut sizes = sizes.into_iter().map(Result::unwrap_or_default);
    Ok((sizes.next().unwrap_or_default(), sizes.next().unwrap_or_default()))
}

/// Which of these entries of `one` the `other` is without.
async fn lacking(
    store: &Inner,
    one: Side<'_>,
    other: Side<'_>,
    entries: &[Vec<u8>],
) -> Result<Vec<String>, StoreError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    pipe.ignore_errors();
    for entry in entries {
        // In this order: what goes meanwhile goes from both at once, so that what `one` still has afterwards was torn before.
        pipe.cmd(other.has).arg(other.key).arg(entry).cmd(one.has).arg(one.key).arg(entry);
    }
    let found: Vec<redis::RedisResult<redis::Value>> = store.link.pipe(&pipe).await?;
    let has = |answer: &redis::RedisResult<redis::Value>| {
        !matches!(answer, Err(_) | Ok(redis::Value::Nil | redis::Value::Int(0)))
    };
    let alone = entries
        .iter()
        .zip(found.chunks(2))
        .filter(|(_, found)| matches!(found, [other, one] if !has(other) && has(one)));
    Ok(alone.map(|(entry, _)| String::from_utf8_lossy(entry).into_owned()).collect())
}

fn orphan(key: &str, why: String) -> Orphan {
    Orphan { key: key.to_owned(), kind: OrphanKind::Torn, why }
}
