//! What a key is, by its name: the reverse of what [`Keys`] spells. What a name does not tell (whose it is) the caller looks up.

use super::Keys;

/// A key of ours, or one of Celery's that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::redis) enum Spelled<'a> {
    /// A worker's description, of this incarnation.
    Worker(&'a str),
    /// That the end of an early acknowledged task was written, or that something was sent.
    Once,
    /// The numbers of a producer.
    Producer,
    /// The queues that were ever used.
    Queues,
    /// Revoked task ids.
    Revoked,
    /// The count of revocations.
    RevokedVersion,
    /// A task's result, or a group's meta.
    Result,
    /// One of a chord's keys, by its ending.
    Chord(&'static str),
    /// The routing table of the reply boxes that are open.
    Boxes {
        /// The exchange.
        exchange: &'a str,
    },
    /// The replies to the box of this name, which the routing table of the exchange lists.
    Replies {
        /// The box, as the routing table names it.
        routing_key: &'a str,
        /// The exchange.
        exchange: &'a str,
    },
    /// About one list of ready messages.
    Of {
        /// The list.
        list: &'a str,
        /// The queue whose list it is.
        queue: &'a str,
        /// What about it.
        part: Part<'a>,
    },
}

/// What a key says about a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::redis) enum Part<'a> {
    /// What this incarnation holds of it, a suspect or not.
    Held(&'a str),
    /// Its workers.
    Workers,
    /// Dead letters.
    Dead,
    /// Why they are dead.
    DeadWhy,
    /// Their bytes.
    DeadMessage,
    /// A key that always has an end of its own.
    Passing,
    /// Messages whose worker died.
    Suspects,
    /// Messages that wait for their time.
    Scheduled,
}

/// The exchange of replies to remote control.
const REPLIES: &str = "reply.celery.pidbox";
/// What is counted of a chord.
const COUNTED: [&str; 5] = [".j", ".t", ".s", ".d", ".c"];

impl Spelled<'_> {
    /// The types that such a key may have.
    pub(in crate::store::redis) fn types(&self) -> &'static [&'static str] {
        match self {
            Self::Worker(_) | Self::Producer => &["hash"],
            Self::Once | Self::Result | Self::RevokedVersion => &["string"],
            Self::Queues | Self::Boxes { .. } => &["set"],
            Self::Revoked => &["zset"],
            Self::Replies { .. } => &["list"],
            // A group whose own name ends so has its meta there; with `result_chord_ordered=False` Celery has a list.
            Self::Chord(".j") => &["zset", "list", "string"],
            Self::Chord(".d") => &["set", "string"],
            Self::Chord(_) => &["string"],
            Self::Of { part, .. } => part.types(),
        }
    }

    /// Whether it may be where the results are, or where the messages are, when these are two places.
    pub(in crate::store::redis) fn is_at(&self, results: bool) -> bool {
        match self {
            // Chords begin once, too.
            Self::Producer => true,
            Self::Result | Self::Chord(_) => results,
            _ => !results,
        }
    }
}

impl Part<'_> {
    fn types(self) -> &'static [&'static str] {
        match self {
            // A string is the tombstone.
            Self::Held(_) => &["list", "string"],
            Self::Workers | Self::Dead | Self::Scheduled => &["zset"],
            Self::DeadWhy | Self::DeadMessage | Self::Passing => &["hash"],
            Self::Suspects => &["list"],
        }
    }
}

impl Keys {
    /// What `key` is; `None` for what we neither write nor need.
    pub(in crate::store::redis) fn spelled<'a>(&self, key: &'a str) -> Option<Spelled<'a>> {
        if let Some(of_task) = key.strip_prefix(&*self.result_prefix) {
            if of_task.starts_with("celery-task-meta-") {
                return Some(Spelled::Result);
            }
            if of_task.starts_with("celery-taskset-meta-") {
                let counted = COUNTED.into_iter().find(|end| of_task.ends_with(end));
                return Some(counted.map_or(Spelled::Result, Spelled::Chord));
            }
        }
        if key.starts_with('{') {
            return self.about_list(key);
        }
        let name = key.strip_prefix(&*self.prefix)?;
        if let Some(worker) = name.strip_prefix("queue:worker:") {
            return Some(Spelled::Worker(worker));
        }
        if ["queue:once:", "queue:sent:"].iter().any(|start| name.starts_with(start)) {
            return Some(Spelled::Once);
        }
        if name.starts_with("queue:producer:") {
            return Some(Spelled::Producer);
        }
        // Ends as the boxes that it lists do.
        if name.strip_prefix("_kombu.binding.") == Some(REPLIES) {
            return Some(Spelled::Boxes { exchange: REPLIES });
        }
        if let Some(routing_key) = name.strip_suffix(REPLIES).and_then(|name| name.strip_suffix('.')) {
            return Some(Spelled::Replies { routing_key, exchange: REPLIES });
        }
        self.of_all(key)
    }

    /// What there is one of in a store.
    fn of_all(&self, key: &str) -> Option<Spelled<'static>> {
        match key {
            _ if key == self.queues => Some(Spelled::Queues),
            _ if key == self.revoked => Some(Spelled::Revoked),
            _ if key == self.revoked_version => Some(Spelled::RevokedVersion),
            _ => None,
        }
    }

    fn about_list<'a>(&self, key: &'a str) -> Option<Spelled<'a>> {
        let (list, about) = key.strip_prefix('{')?.rsplit_once("}:")?;
        let queue = self.queue_of(list.strip_prefix(&*self.prefix)?);
        let part = match about {
            "workers" => Part::Workers,
            "suspects" => Part::Suspects,
            "scheduled" => Part::Scheduled,
            "silent" | "deaths" => Part::Passing,
            "dead" => Part::Dead,
            "dead:why" => Part::DeadWhy,
            "dead:message" => Part::DeadMessage,
            held => Part::Held(held.strip_prefix("suspects:").unwrap_or(held).strip_prefix("held:")?),
        };
        Some(Spelled::Of { list, queue, part })
    }

    /// The queue of a list, which is named without the prefix.
    fn queue_of<'a>(&self, list: &'a str) -> &'a str {
        let split = list.rsplit_once(&*self.sep);
        let step = |text: &str| text.parse::<u8>().is_ok_and(|step| step != 0 && self.steps.contains(&step));
        split.filter(|(_, text)| step(text)).map_or(list, |(queue, _)| queue)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::options::RedisOptions;
    use super::super::reply_queue;
    use super::*;
    use crate::names::QueueName;

    #[test]
    fn what_is_spelled_can_be_read() {
        let options = RedisOptions { prefix: "shop:".into(), result_prefix: "r".into(), ..RedisOptions::default() };
        let keys = Keys::new(&options);
        for step in [0, 3] {
            let lane = keys.lane(&QueueName::new("a}:b").unwrap(), step);
            let of = |part| Some(Spelled::Of { list: &lane.list, queue: "a}:b", part });
            assert_eq!(keys.spelled(&lane.held("w~1")), of(Part::Held("w~1")));
            assert_eq!(keys.spelled(&lane.suspects_held("w")), of(Part::Held("w")));
            assert_eq!(keys.spelled(&lane.workers), of(Part::Workers));
            assert_eq!(keys.spelled(&lane.suspects), of(Part::Suspects));
            assert_eq!(keys.spelled(&lane.scheduled), of(Part::Scheduled));
            assert_eq!(keys.spelled(&lane.silent), of(Part::Passing));
            assert_eq!(keys.spelled(&lane.deaths), of(Part::Passing));
            assert_eq!(keys.spelled(&lane.dead), of(Part::Dead));
            assert_eq!(keys.spelled(&lane.dead_why), of(Part::DeadWhy));
            assert_eq!(keys.spelled(&lane.dead_message), of(Part::DeadMessage));
            assert_eq!(keys.spelled(&lane.list), None);
        }
        assert_eq!(keys.spelled(&keys.worker("w")), Some(Spelled::Worker("w")));
        for key in [keys.once("t"), keys.sent("k")] {
            assert_eq!(keys.spelled(&key), Some(Spelled::Once));
        }
        assert_eq!(keys.spelled(&keys.producer("p")), Some(Spelled::Producer));
        assert_eq!(keys.spelled(&keys.queues), Some(Spelled::Queues));
        assert_eq!(keys.spelled(&keys.revoked), Some(Spelled::Revoked));
        assert_eq!(keys.spelled(&keys.revoked_version), Some(Spelled::RevokedVersion));
        let exchange = "reply.celery.pidbox";
        assert_eq!(keys.spelled(&keys.binding(exchange)), Some(Spelled::Boxes { exchange }));
        let replies = Spelled::Replies { routing_key: "b", exchange };
        assert_eq!(keys.spelled(&format!("shop:{}", reply_queue(exchange, "b"))), Some(replies));
        assert_eq!(keys.spelled(&keys.result("id")), Some(Spelled::Result));
        let chord = keys.chord("g");
        assert_eq!(keys.spelled(&chord.meta), Some(Spelled::Result));
        assert_eq!(keys.spelled(&chord.parts), Some(Spelled::Chord(".j")));
        assert_eq!(keys.spelled("queue:worker:w"), None, "of somebody else: without the prefix");
    }
}
