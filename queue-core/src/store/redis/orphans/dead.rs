//! Whether dead letters are whole: each is an entry of three keys, written and deleted in one step.

use super::super::inner::Inner;
use super::super::look;
use super::{NAMED, or_nothing, some_of};
use crate::store::{Orphan, OrphanKind, StoreError};

/// One of the three keys, and the commands for it.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    key: &'a str,
    size: &'static str,
    scan: &'static str,
    has: &'static str,
}

impl<'a> Side<'a> {
    pub(super) fn letters(key: &'a str) -> Self {
        Self { key, size: "ZCARD", scan: "ZSCAN", has: "ZSCORE" }
    }

    pub(super) fn hash(key: &'a str) -> Self {
        Self { key, size: "HLEN", scan: "HSCAN", has: "HEXISTS" }
    }
}

/// Entries of one key that the other one does not have. They are looked for only where it has more.
pub(super) async fn torn(
    store: &Inner,
    one: Side<'_>,
    other: Side<'_>,
    what: &str,
) -> Result<Option<Orphan>, StoreError> {
    let (mine, theirs) = sizes(store, one, other).await?;
    if mine <= theirs {
        return Ok(None);
    }
    let (mut alone, mut from) = (Vec::new(), 0);
    loop {
        let (next, entries) = or_nothing(look::scan::<(Vec<u8>, Vec<u8>)>(store, one.scan, one.key, from).await)?;
        let entries: Vec<Vec<u8>> = entries.into_iter().map(|(entry, _)| entry).collect();
        alone.extend(lacking(store, one, other, &entries).await?);
        if next == 0 || alone.len() > NAMED {
            break;
        }
        from = next;
    }
    let why = || format!("{what}: {}", some_of(alone.iter().map(String::as_str)));
    Ok((!alone.is_empty()).then(|| orphan(one.key, why())))
}

/// How many entries both have; none where a key is of another type.
async fn sizes(store: &Inner, one: Side<'_>, other: Side<'_>) -> Result<(u64, u64), StoreError> {
    let mut pipe = redis::pipe();
    pipe.ignore_errors().cmd(one.size).arg(one.key).cmd(other.size).arg(other.key);
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
