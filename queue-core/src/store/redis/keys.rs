//! Every Redis key, spelled here and nowhere else. `docs/redis-layout.md` tells the same for people.
//!
//! A queue is one list per priority step, named as kombu names them, and everything of ours about such a list
//! carries its name as the hash tag, so that it lives in the list's own cluster slot.

mod spelled;

use std::sync::Arc;

use super::options::RedisOptions;
use crate::names::{Priority, QueueName};
use crate::store::Outgoing;

pub(super) use self::spelled::{Part, Spelled};

/// How long a tombstone fences a reclaimed incarnation, in seconds: a week, longer than any process sleeps.
pub(super) const TOMBSTONE_TTL_S: u64 = 604_800;

/// Spells the keys of one store: knows their prefixes, and which lists a queue has.
#[derive(Debug)]
pub(super) struct Keys {
    /// Before every key and channel but those of results.
    prefix: String,
    /// Before those.
    result_prefix: String,
    /// Between a queue's name and its step.
    sep: String,
    steps: Vec<u8>,
    /// Before the name of a channel to many.
    fanout: String,
    /// The set of queues that were ever used (set of names).
    pub(super) queues: String,
    /// Revoked task ids (zset, scored by when the revocation ends, Unix ms).
    pub(super) revoked: String,
    /// Counts revocations (string integer); also the channel that announces them.
    pub(super) revoked_version: String,
}

impl Keys {
    pub(super) fn new(options: &RedisOptions) -> Self {
        let prefix = options.prefix.clone();
        Self {
            queues: format!("{prefix}queue:queues"),
            revoked: format!("{prefix}queue:revoked"),
            revoked_version: format!("{prefix}queue:revoked:version"),
            result_prefix: result_prefix(&options.result_prefix),
            sep: options.sep.clone(),
            steps: options.steps.clone(),
            fanout: options.fanout_prefix.clone(),
            prefix,
        }
    }

    /// A worker's description (hash; TTL refreshed by its heartbeat).
    pub(super) fn worker(&self, incarnation: &str) -> String {
        format!("{}queue:worker:{incarnation}", self.prefix)
    }

    /// That the end of an early acknowledged task was written (string).
    pub(super) fn once(&self, token: &str) -> String {
        format!("{}queue:once:{token}", self.prefix)
    }

    /// The last number of each lane of a producer (hash: lane → number, `<lane>:<n>` → number; TTL an hour). Where chords are, too, for those.
    pub(super) fn producer(&self, producer: &str) -> String {
        format!("{}queue:producer:{producer}", self.prefix)
    }

    /// What was sent with an idempotency key (string, with the key's own TTL).
    pub(super) fn sent(&self, key: &str) -> String {
        format!("{}queue:sent:{key}", self.prefix)
    }

    /// A task's result (string), as Celery names it; also the channel that announces it.
    pub(super) fn result(&self, id: &str) -> String {
        // Once for each job: put together by hand, which is cheaper than `format!`.
        let mut key = String::with_capacity(self.result_prefix.len() + "celery-task-meta-".len() + id.len());
        key.push_str(&self.result_prefix);
        key.push_str("celery-task-meta-");
        key.push_str(id);
        key
    }

    /// The meta of a group (string), as Celery names it; also the channel that announces it, and the name of the chord whose
    /// header the group is.
    pub(super) fn group(&self, id: &str) -> String {
        format!("{}celery-taskset-meta-{id}", self.result_prefix)
    }

    /// The keys of the chord of this group.
    pub(super) fn chord(&self, group: &str) -> ChordKeys {
        let meta = self.group(group);
        ChordKeys { parts: format!("{meta}.j"), size: format!("{meta}.s"), meta }
    }

    /// What is wrong with a queue's name here, if anything: one that has the separator in it may be another queue's list.
    pub(super) fn fault(&self, queue: &QueueName) -> Option<String> {
        let Self { sep, .. } = self;
        queue
            .as_str()
            .contains(&**sep)
            .then(|| format!("queue `{queue}` has the separator of priorities, `{sep}`, in its name"))
    }

    /// The step of a priority: the greatest that is not above it.
    pub(super) fn step(&self, priority: Priority) -> u8 {
        self.steps.iter().copied().filter(|step| *step <= priority.get()).max().unwrap_or(0)
    }

    /// The list of `queue` at `step`: the bare name for step 0.
    pub(super) fn list(&self, queue: &QueueName, step: u8) -> String {
        // Once for each message that is sent: put together by hand, too.
        let mut list = String::with_capacity(self.prefix.len() + queue.as_str().len() + self.sep.len() + 3);
        list.push_str(&self.prefix);
        list.push_str(queue.as_str());
        if step > 0 {
            list.push_str(&self.sep);
            list.push_str(&step.to_string());
        }
        list
    }

    /// The list that a message goes into.
    pub(super) fn list_for(&self, message: &Outgoing) -> String {
        self.list(&message.queue, self.step(message.priority))
    }

    /// All keys about the list that a message goes into.
    pub(super) fn lane_for(&self, message: &Outgoing) -> ListKeys {
        self.lane(&message.queue, self.step(message.priority))
    }

    /// All keys about the list of `queue` at `step`.
    pub(super) fn lane(&self, queue: &QueueName, step: u8) -> ListKeys {
        ListKeys::new(queue, step, self.list(queue, step))
    }

    /// All lists of a queue, most urgent first.
    pub(super) fn lanes(&self, queue: &QueueName) -> Vec<ListKeys> {
        self.steps.iter().map(|step| self.lane(queue, *step)).collect()
    }
}

/// Channels, and the queues of replies, as kombu names them.
impl Keys {
    /// kombu's routing table of an exchange (set of `routing key SEP pattern SEP queue`).
    pub(super) fn binding(&self, exchange: &str) -> String {
        format!("{}_kombu.binding.{exchange}", self.prefix)
    }

    /// When kombu may drop routing tables (zset: exchange, scored by Unix ms).
    pub(super) fn binding_deadlines(&self) -> String {
        format!("{}_kombu.binding_deadlines", self.prefix)
    }

    /// The lists of a queue that may be none of ours, most urgent first.
    pub(super) fn lists(&self, queue: &str) -> Vec<String> {
        let Self { prefix, sep, steps, .. } = self;
        let list =
            |step: &u8| if *step == 0 { format!("{prefix}{queue}") } else { format!("{prefix}{queue}{sep}{step}") };
        steps.iter().map(list).collect()
    }

    /// A reply box in kombu's routing table.
    pub(super) fn reply_binding(&self, exchange: &str, routing_key: &str) -> String {
        let sep = &self.sep;
        format!("{routing_key}{sep}{sep}{}", reply_queue(exchange, routing_key))
    }

    /// Of a member of a routing table: the routing key and the queue.
    pub(super) fn parse_binding<'a>(&self, member: &'a str) -> Option<(&'a str, &'a str)> {
        let mut fields = member.splitn(3, &*self.sep);
        let routing_key = fields.next()?;
        Some((routing_key, fields.nth(1)?))
    }

    /// Channel: requests to all workers, as kombu's mailbox names it.
    pub(super) fn control(&self, db: i64) -> String {
        format!("{}celery.pidbox", self.fanout(db))
    }

    /// Channel: events of a routing key. As a pattern it may end in `*`.
    pub(super) fn events(&self, db: i64, routing_key: &str) -> String {
        format!("{}celeryev/{routing_key}", self.fanout(db))
    }

    fn fanout(&self, db: i64) -> String {
        format!("{}{}", self.prefix, self.fanout.replace("{db}", &db.to_string()))
    }
}

/// The queue of a reply box (list: newest left), as kombu's mailbox names it.
pub(super) fn reply_queue(exchange: &str, routing_key: &str) -> String {
    format!("{routing_key}.{exchange}")
}

/// As Celery's result backend spells its `global_keyprefix`.
fn result_prefix(prefix: &str) -> String {
    match prefix.chars().last() {
        None | Some(':' | '_' | '-' | '.') => prefix.to_owned(),
        Some(_) => format!("{prefix}_"),
    }
}

/// What is counted of a chord, beside its group's meta. As Celery names it; `lua/settle/` and `lua/begin.lua` write ".s" (a
/// number, how many members are expected), ".c" (who sends the body: a token, and "done" afterwards), ".d" (a set, who is
/// counted) and ".t" (a number, what was added to the size), too.
#[derive(Debug)]
pub(super) struct ChordKeys {
    /// The group's meta (string).
    pub(super) meta: String,
    /// The members that came in (zset, scored by index).
    pub(super) parts: String,
    /// How many its header had (string).
    pub(super) size: String,
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
    fn new(queue: &QueueName, step: u8, list: String) -> Self {
        Self {
            queue: queue.clone(),
            step,
            suspects: suspects(&list),
            workers: workers(&list),
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

/// See [`ListKeys::workers`].
pub(super) fn workers(list: &str) -> String {
    format!("{{{list}}}:workers")
}
