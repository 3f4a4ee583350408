//! Looks for keys that are left over: goes through all keys a few hundred at a time, as `SCAN` gives them, and asks of each
//! of ours for its owner and its end.

use super::inner::Inner;
use super::keys::{self, Part, Spelled};
use super::link::Link;
use super::look::{self, STEP, at};
use crate::store::{Cursor, Orphan, OrphanKind, OrphanPage, StoreError};

/// Keys of one step.
const KEYS: usize = 250;
/// Entries of one dead queue that are named.
const NAMED: usize = 3;
/// A worker whose lease is over for so long was taken back by nobody.
const LOST_AFTER_MS: i64 = 3_600_000;

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
    for some in found.chunks(KEYS) {
        let keys = |of_results: bool| {
            let apart = store.elsewhere.is_some();
            let some = some.iter().filter(move |orphan| (apart && orphan.kind.is_about_results()) == of_results);
            some.map(|orphan| orphan.key.clone()).collect::<Vec<_>>()
        };
        left.extend(judge(store, &store.link, false, &keys(false)).await?);
        left.extend(judge(store, store.results_link(), true, &keys(true)).await?);
    }
    Ok(left)
}

/// Those of `keys` that are left over. With two places, each has its own keys.
async fn judge(store: &Inner, link: &Link, elsewhere: bool, keys: &[String]) -> Result<Vec<Orphan>, StoreError> {
    let apart = store.elsewhere.is_some();
    let ours = keys.iter().filter_map(|key| Some((key, store.keys.spelled(key)?)));
    let of_results = |what: &Spelled<'_>| matches!(what, Spelled::Result | Spelled::Chord);
    let asked: Vec<_> = ours.filter(|(_, what)| (apart && of_results(what)) == elsewhere).collect();
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
        // Below -1 it is gone by now.
        if ttl >= -1 {
            let seen = Seen { key, is_list: kind == "list", endless: ttl == -1 };
            orphans.extend(seen.judge(store, what).await?);
        }
    }
    Ok(orphans)
}

/// A key as it was found.
struct Seen<'a> {
    key: &'a str,
    is_list: bool,
    endless: bool,
}

impl Seen<'_> {
    fn orphan(&self, kind: OrphanKind, why: impl Into<String>) -> Option<Orphan> {
        Some(Orphan { key: self.key.to_owned(), kind, why: why.into() })
    }

    /// An orphan if it has no end.
    fn should_end(&self, kind: OrphanKind, why: &str) -> Option<Orphan> {
        if self.endless { self.orphan(kind, why) } else { None }
    }

    async fn judge(&self, store: &Inner, what: Spelled<'_>) -> Result<Option<Orphan>, StoreError> {
        Ok(match what {
            Spelled::Worker(_) => self.should_end(OrphanKind::NoEnd, "the description of a worker"),
            Spelled::Once => self.should_end(OrphanKind::NoEnd, "that something was done once"),
            Spelled::Result => self.should_end(OrphanKind::EndlessResult, "the result does not expire"),
            Spelled::Chord => self.should_end(OrphanKind::EndlessChord, "what is counted of a chord does not expire"),
            Spelled::Replies { .. } if !self.endless => None,
            Spelled::Replies { routing_key, exchange } => self.replies(store, routing_key, exchange).await?,
            Spelled::Of { list, part: Part::Held(worker), .. } => self.held(store, list, worker).await?,
            Spelled::Of { list, queue, part } => match self.unlisted(store, queue).await? {
                Some(orphan) => Some(orphan),
                None => self.about_list(store, list, part).await?,
            },
        })
    }

    /// Replies that nobody reads and that do not expire.
    async fn replies(&self, store: &Inner, routing_key: &str, exchange: &str) -> Result<Option<Orphan>, StoreError> {
        let mut bound = redis::cmd("SISMEMBER");
        bound.arg(store.keys.binding(exchange)).arg(store.keys.reply_binding(exchange, routing_key));
        let bound: bool = store.link.query(&bound).await?;
        Ok(if bound { None } else { self.orphan(OrphanKind::NoEnd, "replies to a box that is not open") })
    }

    /// What a worker holds, or its tombstone.
    async fn held(&self, store: &Inner, list: &str, worker: &str) -> Result<Option<Orphan>, StoreError> {
        if !self.is_list {
            return Ok(self.should_end(OrphanKind::NoEnd, "the tombstone of a worker"));
        }
        let mut known = redis::cmd("ZSCORE");
        let known: Option<f64> = store.link.query(known.arg(keys::workers(list)).arg(worker)).await?;
        Ok(match known {
            Some(_) => None,
            None => self.orphan(OrphanKind::HeldByNobody, format!("`{worker}` is not among the workers of its list")),
        })
    }

    async fn unlisted(&self, store: &Inner, queue: &str) -> Result<Option<Orphan>, StoreError> {
        let listed: bool = store.link.query(redis::cmd("SISMEMBER").arg(&store.keys.queues).arg(queue)).await?;
        Ok(if listed { None } else { self.orphan(OrphanKind::UnlistedQueue, format!("queue `{queue}` is not listed")) })
    }

    async fn about_list(&self, store: &Inner, list: &str, part: Part<'_>) -> Result<Option<Orphan>, StoreError> {
        Ok(match part {
            Part::Held(_) | Part::Messages => None,
            Part::Passing => self.should_end(OrphanKind::NoEnd, "what is known of silent workers, or of deaths"),
            Part::Workers => self.workers(store).await?,
            Part::Dead => {
                self.torn(store, "ZSCAN", &keys::dead_message(list), "dead letters without their message").await?
            }
            Part::DeadWhy => {
                self.torn(store, "HSCAN", &keys::dead(list), "reasons of dead letters that are none").await?
            }
            Part::DeadMessage => {
                self.torn(store, "HSCAN", &keys::dead(list), "messages of dead letters that are none").await?
            }
        })
    }

    /// Workers that nobody can describe, or that were gone for an hour. One whose lease still runs says at its next heartbeat who
    /// it is.
    async fn workers(&self, store: &Inner) -> Result<Option<Orphan>, StoreError> {
        let mut all = redis::cmd("ZRANGE");
        let all: Vec<(String, f64)> = store.link.query(all.arg(self.key).arg(0).arg(-1).arg("WITHSCORES")).await?;
        let now = store.now_ms(&store.link).await?;
        let mut lost = Vec::new();
        for some in all.chunks(STEP) {
            let mut pipe = redis::pipe();
            for (worker, _) in some {
                // A list that went on under another name: `<incarnation>~<generation>`.
                let worker = worker.split('~').next().unwrap_or(worker);
                pipe.cmd("EXISTS").arg(store.keys.worker(worker));
            }
            let described: Vec<bool> = store.link.pipe(&pipe).await?;
            let is_lost = |ends: f64, described: bool| {
                let over = now - at(ends).as_millis();
                over > LOST_AFTER_MS || (!described && over > 0)
            };
            lost.extend(some.iter().zip(described).filter(|((_, ends), is)| is_lost(*ends, *is)).map(|((w, _), _)| w));
        }
        if lost.is_empty() {
            return Ok(None);
        }
        let why = format!("without a description or a lease, or gone for more than an hour: {}", some_of(&lost));
        Ok(self.orphan(OrphanKind::LostWorker, why))
    }

    /// Entries of this key that the other one does not have. They are looked for only where this key has more.
    async fn torn(&self, store: &Inner, scan: &str, other: &str, what: &str) -> Result<Option<Orphan>, StoreError> {
        let (size, others, has) = match scan {
            "ZSCAN" => ("ZCARD", "HLEN", "HEXISTS"),
            _ => ("HLEN", "ZCARD", "ZSCORE"),
        };
        let mut pipe = redis::pipe();
        let (mine, theirs): (u64, u64) = store.link.pipe(pipe.cmd(size).arg(self.key).cmd(others).arg(other)).await?;
        if mine <= theirs {
            return Ok(None);
        }
        let (mut alone, mut cursor) = (Vec::new(), 0);
        loop {
            let (next, entries) = look::scan::<(String, Vec<u8>)>(store, scan, self.key, cursor).await?;
            let mut pipe = redis::pipe();
            for (entry, _) in &entries {
                pipe.cmd(has).arg(other).arg(entry);
            }
            let found: Vec<redis::Value> = if entries.is_empty() { Vec::new() } else { store.link.pipe(&pipe).await? };
            let missing = |value: &redis::Value| matches!(value, redis::Value::Nil | redis::Value::Int(0));
            alone.extend(
                entries.into_iter().zip(&found).filter(|(_, value)| missing(value)).map(|((entry, _), _)| entry),
            );
            if next == 0 || alone.len() > NAMED {
                break;
            }
            cursor = next;
        }
        if alone.is_empty() {
            return Ok(None);
        }
        let alone: Vec<&String> = alone.iter().collect();
        Ok(self.orphan(OrphanKind::Torn, format!("{what}: {}", some_of(&alone))))
    }
}

/// A few names, and that there are more.
fn some_of(names: &[&String]) -> String {
    let few: Vec<&str> = names.iter().take(NAMED).map(|name| name.as_str()).collect();
    let more = if names.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", few.join(", "))
}
