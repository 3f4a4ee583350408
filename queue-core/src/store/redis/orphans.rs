//! Looks for keys that are left over: goes through all keys a few hundred at a time, as `SCAN` gives them, and asks of each
//! of ours for its type, its owner and its end. Dead letters are gone through one by one, in steps of their own.
//!
//! What is of another type than ours is said to be so, and asked no more; beside a key of ours it counts as nothing.

mod dead;
mod seen;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::seen::Seen;
use super::inner::Inner;
use super::keys::{Part, Spelled};
use super::link::Link;
use crate::store::{Cursor, Orphan, OrphanPage, StoreError};

/// Keys of one step.
const KEYS: usize = 250;
/// How many of what one key has that is left over are named.
const NAMED: usize = 3;

/// Dead queues that are still to be gone through, the last one first, and where the search goes on behind them. A cursor, after
/// the letter `d`.
#[derive(Serialize, Deserialize)]
struct Letters {
    keys: Vec<String>,
    from: u64,
    after: Option<String>,
}

/// See [`crate::store::Inspect::orphans`].
pub(super) async fn step(store: &Inner, cursor: Option<&Cursor>) -> Result<OrphanPage, StoreError> {
    let Some(cursor) = cursor else { return keys(store, false, 0).await };
    let bad = || StoreError::BadCursor(cursor.0.clone());
    match cursor.0.strip_prefix('d') {
        Some(place) => letters(store, serde_json::from_str(place).map_err(|_| bad())?).await,
        None => {
            let (elsewhere, from) = read(cursor).ok_or_else(bad)?;
            keys(store, elsewhere, from).await
        }
    }
}

fn read(Cursor(text): &Cursor) -> Option<(bool, u64)> {
    let from = text.strip_prefix(['m', 'r'])?.parse().ok()?;
    Some((text.starts_with('r'), from))
}

/// A step through the keys of the messages' server, or of the results'.
async fn keys(store: &Inner, elsewhere: bool, from: u64) -> Result<OrphanPage, StoreError> {
    let link = if elsewhere { store.results_link() } else { &store.link };
    let mut scan = redis::cmd("SCAN");
    let (next, keys): (u64, Vec<Vec<u8>>) = link.query(scan.arg(from).arg("COUNT").arg(KEYS)).await?;
    let ours: Vec<String> = keys.iter().filter_map(|key| String::from_utf8(key.clone()).ok()).collect();
    let judged = judge(store, link, elsewhere, &ours).await?;
    let next = match (next, elsewhere, store.elsewhere.is_some()) {
        (0, false, true) => Some((true, 0)),
        (0, ..) => None,
        (next, ..) => Some((elsewhere, next)),
    };
    let after = next.map(|(elsewhere, from)| format!("{}{from}", if elsewhere { 'r' } else { 'm' }));
    let next = Letters { keys: judged.letters, from: 0, after }.cursor();
    Ok(OrphanPage { orphans: judged.orphans, looked_at: keys.len() as u64, next })
}

/// A step through the first of some dead queues.
async fn letters(store: &Inner, mut place: Letters) -> Result<OrphanPage, StoreError> {
    let mut orphans = Vec::new();
    if let Some(key) = place.keys.pop() {
        let (next, torn) = dead::look(store, &key, place.from).await?;
        place.from = next;
        place.keys.extend((next != 0).then_some(key));
        orphans.extend(torn);
    }
    // The keys themselves were counted before.
    Ok(OrphanPage { orphans, looked_at: 0, next: place.cursor() })
}

impl Letters {
    fn cursor(self) -> Option<Cursor> {
        match &self.keys[..] {
            [] => self.after.map(Cursor),
            _ => serde_json::to_string(&self).ok().map(|place| Cursor(format!("d{place}"))),
        }
    }
}

/// See [`crate::store::Inspect::orphans_again`].
pub(super) async fn again(store: &Inner, found: &[Orphan]) -> Result<Vec<Orphan>, StoreError> {
    let mut left = Vec::new();
    // A long dead queue may have been found torn by several steps.
    let keys: Vec<String> =
        found.iter().map(|orphan| orphan.key.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    for some in keys.chunks(KEYS) {
        let judged = judge(store, &store.link, false, some).await?;
        left.extend(judged.orphans);
        for key in &judged.letters {
            left.extend(dead::look_through(store, key).await?);
        }
        if store.elsewhere.is_some() {
            left.extend(judge(store, store.results_link(), true, some).await?.orphans);
        }
    }
    Ok(left)
}

/// What became of some keys.
#[derive(Default)]
struct Judged {
    orphans: Vec<Orphan>,
    /// Dead queues: whether their letters are whole has to be looked at.
    letters: Vec<String>,
}

/// Which of `keys` are left over. With two places, each has its own keys.
async fn judge(store: &Inner, link: &Link, elsewhere: bool, keys: &[String]) -> Result<Judged, StoreError> {
    let apart = store.elsewhere.is_some();
    let ours = keys.iter().filter_map(|key| Some((key, store.keys.spelled(key)?)));
    let asked: Vec<_> = ours.filter(|(_, what)| !apart || what.is_at(elsewhere)).collect();
    let mut judged = Judged::default();
    if asked.is_empty() {
        return Ok(judged);
    }
    let mut pipe = redis::pipe();
    for (key, _) in &asked {
        pipe.cmd("TYPE").arg(key).cmd("PTTL").arg(key);
    }
    let states: Vec<(String, i64)> = link.pipe(&pipe).await?;
    for ((key, what), (kind, ttl)) in asked.into_iter().zip(states) {
        // It is gone by now, or was not there when its type was asked.
        if ttl < -1 || kind == "none" {
            continue;
        }
        let orphan = Seen { key, kind: &kind, endless: ttl == -1 }.judge(store, what).await?;
        if orphan.is_none() && kind == "zset" && matches!(what, Spelled::Of { part: Part::Dead, .. }) {
            judged.letters.push(key.clone());
        }
        judged.orphans.extend(orphan);
    }
    Ok(judged)
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
