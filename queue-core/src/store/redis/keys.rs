//! Every Redis key, spelled here and nowhere else. `docs/redis-layout.md` tells the same for people.
//!
//! A queue is one list per priority step, named as kombu names them, and everything of ours about such a list
//! carries its name as the hash tag, so that it lives in the list's own cluster slot.

use std::sync::Arc;

use crate::names::{Priority, QueueName};

/// kombu's separator between a queue's name and its step.
const SEP: &str = "\u{6}\u{16}";

/// How long a tombstone fences a reclaimed incarnation, in seconds: a week, longer than any process sleeps.
pub(super) const TOMBSTONE_TTL_S: u64 = 604_800;

/// The set of queues that were ever used (set of names).
pub(super) const QUEUES: &str = "queue:queues";
/// Revoked task ids (zset, scored by when the revocation ends, Unix ms).
pub(super) const REVOKED: &str = "queue:revoked";
/// Counts revocations (string integer); also the channel that announces them.
pub(super) const REVOKED_VERSION: &str = "queue:revoked:version";

/// A worker's description (hash; TTL refreshed by its heartbeat).
pub(super) fn worker(incarnation: &str) -> String {
    format!("queue:worker:{incarnation}")
}

/// A task's result (string), as Celery names it; also the channel that announces it.
pub(super) fn result(id: &str) -> String {
    format!("celery-task-meta-{id}")
}

/// The meta of a group (string), as Celery names it; also the channel that announces it, and the name of the chord whose
/// header the group is.
pub(super) fn group(id: &str) -> String {
    format!("celery-taskset-meta-{id}")
}

/// What is counted of a chord, beside its group's meta. As Celery names it; `lua/settle.lua` writes ".d" (a set, who is
/// counted) and ".t" (a number, what was added to the size), too.
#[derive(Debug)]
pub(super) struct ChordKeys {
    /// The group's meta (string).
    pub(super) meta: String,
    /// The members that came in (zset, scored by index).
    pub(super) parts: String,
    /// How many are expected (string).
    pub(super) size: String,
    /// Who sends the body (string: a token, and "done" afterwards).
    pub(super) claim: String,
}

impl ChordKeys {
    /// The keys of the chord of this group.
    pub(super) fn new(group: &str) -> Self {
        let meta = self::group(group);
        Self { parts: format!("{meta}.j"), size: format!("{meta}.s"), claim: format!("{meta}.c"), meta }
    }
}

/// kombu's routing table of an exchange (set of `routing key SEP pattern SEP queue`).
pub(super) fn binding(exchange: &str) -> String {
    format!("_kombu.binding.{exchange}")
}

/// When kombu may drop routing tables (zset: exchange, scored by Unix ms).
pub(super) const BINDING_DEADLINES: &str = "_kombu.binding_deadlines";

/// The queue of a reply box (list: newest left), as kombu's mailbox names it.
pub(super) fn reply_queue(exchange: &str, routing_key: &str) -> String {
    format!("{routing_key}.{exchange}")
}

/// A reply box in kombu's routing table.
pub(super) fn reply_binding(exchange: &str, routing_key: &str) -> String {
    format!("{routing_key}{SEP}{SEP}{}", reply_queue(exchange, routing_key))
}

/// Of a member of a routing table: the routing key and the queue.
pub(super) fn parse_binding(member: &str) -> Option<(&str, &str)> {
    let mut fields = member.splitn(3, SEP);
    let routing_key = fields.next()?;
    Some((routing_key, fields.nth(1)?))
}

/// Channel: requests to all workers, as kombu's mailbox names it.
pub(super) fn control(db: i64) -> String {
    format!("/{db}.celery.pidbox")
}

/// Channel: events of a routing key. As a pattern it may end in `*`.
pub(super) fn events(db: i64, routing_key: &str) -> String {
    format!("/{db}.celeryev/{routing_key}")
}

/// The list of `queue` at `step`: the bare name for step 0.
pub(super) fn list(queue: &QueueName, step: u8) -> String {
    at_step(queue.as_str(), step)
}

/// The list of a queue that may be none of ours.
pub(super) fn at_step(queue: &str, step: u8) -> String {
    if step == 0 { queue.to_owned() } else { format!("{queue}{SEP}{step}") }
}

/// One list of ready messages and all keys about it.
#[derive(Debug, Clone)]
pub(super) struct ListKeys {
    /// The queue.
    pub(super) queue: QueueName,
    /// The priority step.
    pub(super) step: u8,
    /// The list itself: newest left, oldest right (kombu: LPUSH, BRPOP).
    pub(super) list: Arc<str>,
    /// Messages whose worker died (list, next on the right).
    pub(super) suspects: String,
    /// Workers that may hold messages of this list (zset: incarnation, scored by when its lease ends, Unix ms).
    pub(super) workers: String,
    /// Workers under suspicion (hash: incarnation → since when, Unix ms; field "" → the last sweep).
    pub(super) silent: String,
    /// Messages that wait for their time (zset: message, scored by due time, Unix ms); also the prefix of `due`.
    pub(super) scheduled: String,
    /// Channel: a due time that is earlier than all others was scheduled.
    pub(super) due: String,
    /// How many workers died of a message (hash: SHA-1 of the message → count; TTL).
    pub(super) deaths: String,
    /// Dead letters (zset: entry, scored by when, Unix ms).
    pub(super) dead: String,
    /// Why (hash: entry → JSON).
    pub(super) dead_why: String,
    /// Their bytes (hash: entry → message).
    pub(super) dead_message: String,
}

impl ListKeys {
    /// The keys of the list for `queue` at `step`.
    pub(super) fn new(queue: &QueueName, step: u8) -> Self {
        let list = list(queue, step);
        Self {
            queue: queue.clone(),
            step,
            suspects: suspects(&list),
            workers: format!("{{{list}}}:workers"),
            silent: format!("{{{list}}}:silent"),
            scheduled: scheduled(&list),
            due: format!("{{{list}}}:due"),
            deaths: deaths(&list),
            dead: dead(&list),
            dead_why: dead_why(&list),
            dead_message: dead_message(&list),
            list: Arc::from(list),
        }
    }

    /// All four lists of a queue, most urgent first.
    pub(super) fn all(queue: &QueueName) -> Vec<Self> {
        Priority::STEPS.iter().map(|step| Self::new(queue, *step)).collect()
    }

    /// What `incarnation` holds of this list (list, oldest right; a string is the tombstone of a reclaimed one).
    pub(super) fn held(&self, incarnation: &str) -> String {
        held(&self.list, incarnation)
    }

    /// The suspect that `incarnation` runs (list of at most one; or tombstone).
    pub(super) fn suspects_held(&self, incarnation: &str) -> String {
        suspects_held(&self.list, incarnation)
    }
}

/// See [`ListKeys::held`].
pub(super) fn held(list: &str, incarnation: &str) -> String {
    format!("{{{list}}}:held:{incarnation}")
}

/// See [`ListKeys::suspects_held`].
pub(super) fn suspects_held(list: &str, incarnation: &str) -> String {
    format!("{{{list}}}:suspects:held:{incarnation}")
}

/// See [`ListKeys::suspects`].
pub(super) fn suspects(list: &str) -> String {
    format!("{{{list}}}:suspects")
}

/// See [`ListKeys::scheduled`].
pub(super) fn scheduled(list: &str) -> String {
    format!("{{{list}}}:scheduled")
}

/// See [`ListKeys::dead`].
pub(super) fn dead(list: &str) -> String {
    format!("{{{list}}}:dead")
}

/// See [`ListKeys::dead_why`].
pub(super) fn dead_why(list: &str) -> String {
    format!("{{{list}}}:dead:why")
}

/// See [`ListKeys::dead_message`].
pub(super) fn dead_message(list: &str) -> String {
    format!("{{{list}}}:dead:message")
}

/// See [`ListKeys::deaths`].
pub(super) fn deaths(list: &str) -> String {
    format!("{{{list}}}:deaths")
}
