//! Looks for keys that are left over: goes through all keys a few hundred at a time, as `SCAN` gives them, and asks of each
//! of ours for its type, its owner and its end.
//!
//! What is of another type than ours is said to be so, and asked no more; beside a key of ours it counts as nothing.

mod dead;
mod seen;

use self::seen::Seen;
use super::inner::Inner;
use super::link::Link;
use crate::store::{Cursor, Orphan, OrphanPage, StoreError};

/// Keys of one step.
const KEYS: usize = 250;
/// How many of what one key has that is left over are named.
const NAMED: usize = 3;

/// See [`crate::store::Inspect::orphans`].
pub(super) async fn step(store: &Inner, cursor: Option<&Cursor>) -> Result<OrphanPage, StoreError> {
    let (elsewhere, from) = match cursor {
        None => (false, 0),
        Some(cursor) => read(cursor).ok_or_else(|| StoreError::BadCursor(cursor.0.clone()))?,
    };
    let link = if elsewhere { store.results_link() } else { &store.link };
    let mut scan = redis::cmd("SCAN");
    let (next, keys): (u64, Vec<Vec<u8>>) = link.query(scan.arg(from).arg("COUNT").arg(KEYS)).await?;
    let ours: Vec<String> = keys.iter().filter_map(|key| String::from_utf8(key.clone()).ok()).collect();
    let orphans = judge(store, link, elsewhere, &ours).await?;
    let next = match (next, elsewhere, store.elsewhere.is_some()) {
        (0, false, true) => Some((true, 0)),
        (0, ..) => None,
        (next, ..) => Some((elsewhere, next)),
    };
    let next = next.map(|(elsewhere, from)| Cursor(format!("{}{from}", if elsewhere { 'r' } else { 'm' })));
    Ok(OrphanPage { orphans, looked_at: keys.len() as u64, next })
}

fn read(Cursor(text): &Cursor) -> Option<(bool, u64)> {
    let from = text.strip_prefix(['m', 'r'])?.parse().ok()?;
    Some((text.starts_with('r'), from))
}

/// See [`crate::store::Inspect::orphans_again`].
pub(super) async fn again(store: &Inner, found: &[Orphan]) -> Result<Vec<Orphan>, StoreError> {
    let mut left = Vec::new();
    let mut keys: Vec<String> = found.iter().map(|orphan| orphan.key.clone()).collect();
    // With two places a key may have been found in both.
    keys.sort_unstable();
    keys.dedup();
    for some in keys.chunks(KEYS) {
        left.extend(judge(store, &store.link, false, some).await?);
        if store.elsewhere.is_some() {
            left.extend(judge(store, store.results_link(), true, some).await?);
        }
    }
    Ok(left)
}

/// Those of `keys` that are left over. With two places, each has its own keys.
async fn judge(store: &Inner, link: &Link, elsewhere: bool, keys: &[String]) -> Result<Vec<Orphan>, StoreError> {
    let apart = store.elsewhere.is_some();
    let ours = keys.iter().filter_map(|key| Some((key, store.keys.spelled(key)?)));
    let asked: Vec<_> = ours.filter(|(_, what)| !apart || what.is_at(elsewhere)).collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for (key, _) in &asked {
        pipe.cmd("TYPE").arg(key).cmd("PTTL").arg(key);
    }
    let states: Vec<(String, i64)> = link.pipe(&pipe).await?;
    let mut orphans = Vec::new();
    for ((key, what), (kind, ttl)) in asked.into_iter().zip(states) {
        // Else it is gone by now, or was not there when its type was asked.
        if ttl >= -1 && kind != "none" {
            let seen = Seen { key, kind: &kind, endless: ttl == -1 };
            orphans.extend(seen.judge(store, what).await?);
        }
    }
    Ok(orphans)
}

/// What a key says; nothing where it is of another type.
fn or_nothing<T: Default>(answer: Result<T, StoreError>) -> Result<T, StoreError> {
    match answer {
        Err(StoreError::Foreign { .. }) => Ok(T::default()),
        answer => answer,
    }
}

/// A few names, and that there are more.
fn some_of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    let few: Vec<&str> = names.take(NAMED).collect();
    format!("{}{more}", few.join(", "))
}
