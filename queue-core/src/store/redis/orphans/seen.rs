//! What is said of one key: whether it is ours, and whether it has an owner and an end.

use super::super::inner::Inner;
use super::super::keys::{self, Part, Spelled};
use super::super::look::{STEP, at};
use super::{dead, or_nothing, some_of};
use crate::store::{Orphan, OrphanKind, StoreError};

/// A worker whose lease is over for so long was taken back by nobody.
const LOST_AFTER_MS: i64 = 3_600_000;

/// A key as it was found.
pub(super) struct Seen<'a> {
    pub(super) key: &'a str,
    /// Its type.
    pub(super) kind: &'a str,
    pub(super) endless: bool,
}

impl Seen<'_> {
    fn orphan(&self, kind: OrphanKind, why: impl Into<String>) -> Option<Orphan> {
        Some(Orphan { key: self.key.to_owned(), kind, why: why.into() })
    }

    /// An orphan if it has no end.
    fn should_end(&self, kind: OrphanKind, why: &str) -> Option<Orphan> {
        if self.endless { self.orphan(kind, why) } else { None }
    }

    /// Whether it is left over. Of dead letters only what the key itself tells.
    pub(super) async fn judge(&self, store: &Inner, what: Spelled<'_>) -> Result<Option<Orphan>, StoreError> {
        if !what.types().contains(&self.kind) {
            return self.foreign(store, what).await;
        }
        Ok(match what {
            Spelled::Queues | Spelled::RevokedVersion => None,
            Spelled::Worker(_) => self.should_end(OrphanKind::NoEnd, "the description of a worker"),
            Spelled::Once => self.should_end(OrphanKind::NoEnd, "that something was done once"),
            Spelled::Producer => self.should_end(OrphanKind::NoEnd, "the numbers of a producer"),
            Spelled::Revoked => self.should_end(OrphanKind::NoEnd, "which tasks are revoked"),
            Spelled::Result => self.should_end(OrphanKind::EndlessResult, "the result does not expire"),
            Spelled::Chord(_) => {
                self.should_end(OrphanKind::EndlessChord, "what is counted of a chord does not expire")
            }
            Spelled::Boxes { exchange } => self.boxes(store, exchange).await?,
            Spelled::Replies { .. } if !self.endless => None,
            Spelled::Replies { routing_key, exchange } => self.replies(store, routing_key, exchange).await?,
            Spelled::Of { list, part: Part::Held(worker), .. } => self.held(store, list, worker).await?,
            Spelled::Of { list, queue, part } => match self.unlisted(store, queue).await? {
                Some(orphan) => Some(orphan),
                None => self.about_list(store, list, part).await?,
            },
        })
    }

    /// Something else at a key that ours would use. Beside a list of a queue that is not listed it is somebody else's own.
    async fn foreign(&self, store: &Inner, what: Spelled<'_>) -> Result<Option<Orphan>, StoreError> {
        if let Spelled::Of { queue, .. } = what
            && self.unlisted(store, queue).await?.is_some()
        {
            return Ok(None);
        }
        let why = format!("it holds a {}, where ours keeps a {}", self.kind, what.types().join(" or a "));
        Ok(self.orphan(OrphanKind::Foreign, why))
    }

    /// Open boxes of ours that nobody closed. Each box that one of ours opens moves the table's deadline an hour on, so that behind
    /// it whoever opened one is gone. Boxes of kombu's clients, whose ids are of another version, are their business.
    async fn boxes(&self, store: &Inner, exchange: &str) -> Result<Option<Orphan>, StoreError> {
        let ask = redis::cmd("ZSCORE").arg(store.keys.binding_deadlines()).arg(exchange).clone();
        let deadline: Option<f64> = or_nothing(store.link.query(&ask).await)?;
        let now = store.now_ms(&store.link).await?;
        if deadline.is_none_or(|deadline| at(deadline).as_millis() > now) {
            return Ok(None);
        }
        let members: Vec<String> = or_nothing(store.link.query(redis::cmd("SMEMBERS").arg(self.key)).await)?;
        let open = members.iter().filter_map(|member| Some(store.keys.parse_binding(member)?.0));
        let lost: Vec<&str> = open.filter(|id| uuid::Uuid::parse_str(id).is_ok_and(is_ours)).collect();
        if lost.is_empty() {
            return Ok(None);
        }
        let why = format!("boxes for replies that nobody closed for an hour: {}", some_of(lost.into_iter()));
        Ok(self.orphan(OrphanKind::NoEnd, why))
    }

    /// Replies that nobody reads and that do not expire.
    async fn replies(&self, store: &Inner, routing_key: &str, exchange: &str) -> Result<Option<Orphan>, StoreError> {
        let mut bound = redis::cmd("SISMEMBER");
        bound.arg(store.keys.binding(exchange)).arg(store.keys.reply_binding(exchange, routing_key));
        let bound: bool = or_nothing(store.link.query(&bound).await)?;
        Ok(if bound { None } else { self.orphan(OrphanKind::NoEnd, "replies to a box that is not open") })
    }

    /// What a worker holds, or its tombstone.
    async fn held(&self, store: &Inner, list: &str, worker: &str) -> Result<Option<Orphan>, StoreError> {
        if self.kind != "list" {
            return Ok(self.should_end(OrphanKind::NoEnd, "the tombstone of a worker"));
        }
        let ask = redis::cmd("ZSCORE").arg(keys::workers(list)).arg(worker).clone();
        let known: Option<f64> = or_nothing(store.link.query(&ask).await)?;
        Ok(match known {
            Some(_) => None,
            None => self.orphan(OrphanKind::HeldByNobody, format!("`{worker}` is not among the workers of its list")),
        })
    }

    async fn unlisted(&self, store: &Inner, queue: &str) -> Result<Option<Orphan>, StoreError> {
        let ask = redis::cmd("SISMEMBER").arg(&store.keys.queues).arg(queue).clone();
        let listed: bool = or_nothing(store.link.query(&ask).await)?;
        Ok(if listed { None } else { self.orphan(OrphanKind::UnlistedQueue, format!("queue `{queue}` is not listed")) })
    }

    async fn about_list(&self, store: &Inner, list: &str, part: Part<'_>) -> Result<Option<Orphan>, StoreError> {
        Ok(match part {
            Part::Held(_) | Part::Suspects | Part::Scheduled | Part::Dead => None,
            Part::Passing => self.should_end(OrphanKind::NoEnd, "what is known of silent workers, or of deaths"),
            Part::Workers => self.workers(store).await?,
            Part::DeadWhy => dead::strays(store, self.key, list, "reasons of dead letters that are none").await?,
            Part::DeadMessage => dead::strays(store, self.key, list, "messages of dead letters that are none").await?,
        })
    }

    /// Workers that nobody can describe, or that were gone for an hour. One whose lease still runs says at its next heartbeat who
    /// it is.
    async fn workers(&self, store: &Inner) -> Result<Option<Orphan>, StoreError> {
        let ask = redis::cmd("ZRANGE").arg(self.key).arg(0).arg(-1).arg("WITHSCORES").clone();
        let all: Vec<(String, f64)> = or_nothing(store.link.query(&ask).await)?;
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
            let looked_at = some.iter().zip(described);
            lost.extend(
                looked_at.filter(|((_, ends), is)| is_lost(*ends, *is)).map(|((worker, _), _)| worker.as_str()),
            );
        }
        if lost.is_empty() {
            return Ok(None);
        }
        let why =
            format!("without a description or a lease, or gone for more than an hour: {}", some_of(lost.into_iter()));
        Ok(self.orphan(OrphanKind::LostWorker, why))
    }
}

/// Ours are random; kombu's are made of a name.
fn is_ours(id: uuid::Uuid) -> bool {
    id.get_version_num() == 4
}
