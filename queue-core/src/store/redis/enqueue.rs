//! Takes messages in: plain `LPUSH` for those that are ready, one script per list for those that are due later.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::Cmd;

use super::keys::ListKeys;
use super::{Inner, StoreError};
use crate::names::QueueName;
use crate::store::Outgoing;

/// How long we believe that a queue's name is still in the set of queues: a server restarted empty forgets it.
const BELIEVE: Duration = Duration::from_secs(30);
/// Bytes of one command at most, roughly.
const CHUNK_BYTES: usize = 1 << 20;
/// Messages of one command at most.
const CHUNK: usize = 1000;

/// When each queue's name was last written to the set of queues.
#[derive(Debug, Default)]
pub(super) struct KnownQueues(Mutex<HashMap<QueueName, Instant>>);

impl KnownQueues {
    /// Whether the name should be written again; then it counts as written.
    pub(super) fn is_news(&self, queue: &QueueName) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(queue).is_some_and(|at| at.elapsed() < BELIEVE) {
            return false;
        }
        if known.len() > 10_000 {
            known.clear();
        }
        known.insert(queue.clone(), Instant::now());
        true
    }

    /// Forgets what was written: the write failed.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

pub(super) async fn enqueue(store: &Inner, messages: &[Outgoing]) -> Result<(), StoreError> {
    let limit = store.options.max_payload;
    if let Some(large) = messages.iter().find(|message| message.payload.len() > limit) {
        return Err(StoreError::TooLarge { id: large.id.to_string(), size: large.payload.len(), limit });
    }
    let done = match messages {
        [] => return Ok(()),
        [one] if one.due.is_none() => enqueue_one(store, one).await,
        many => enqueue_many(store, many).await,
    };
    if done.is_err() {
        store.known_queues.clear();
    }
    done
}

async fn enqueue_one(store: &Inner, message: &Outgoing) -> Result<(), StoreError> {
    let mut push = redis::cmd("LPUSH");
    push.arg(store.keys.list_for(message)).arg(&message.payload[..]);
    if store.known_queues.is_news(&message.queue) {
        let mut pipe = redis::pipe();
        pipe.cmd("SADD").arg(&store.keys.queues).arg(message.queue.as_str()).ignore();
        pipe.add_command(push).ignore();
        return store.link.pipe(&pipe).await;
    }
    store.link.query(&push).await
}

/// Groups by list, keeping the order within each.
async fn enqueue_many(store: &Inner, messages: &[Outgoing]) -> Result<(), StoreError> {
    let mut ready: Vec<(ListKeys, Vec<&Outgoing>)> = Vec::new();
    let mut later: Vec<(ListKeys, Vec<&Outgoing>)> = Vec::new();
    for message in messages {
        let groups = if message.due.is_none() { &mut ready } else { &mut later };
        let step = store.keys.step(message.priority);
        match groups.iter_mut().find(|(keys, _)| keys.step == step && keys.queue == message.queue) {
            Some((_, group)) => group.push(message),
            None => groups.push((store.keys.lane(&message.queue, step), vec![message])),
        }
    }
    let mut pipe = redis::pipe();
    // All or nothing: a server that runs full between two chunks refuses the whole batch.
    pipe.atomic();
    for (keys, _) in ready.iter().chain(&later) {
        if store.known_queues.is_news(&keys.queue) {
            pipe.cmd("SADD").arg(&store.keys.queues).arg(keys.queue.as_str()).ignore();
        }
    }
    for (keys, group) in &ready {
        for chunk in chunks(group) {
            let cmd = pipe.cmd("LPUSH").arg(&*keys.list);
            for message in chunk {
                cmd.arg(&message.payload[..]);
            }
            pipe.ignore();
        }
    }
    if pipe.cmd_iter().next().is_some() {
        store.link.pipe::<()>(&pipe).await?;
    }
    for (keys, group) in &later {
        for chunk in chunks(group) {
            let script = &store.scripts.schedule;
            store.link.script::<i64>(script, &schedule_call(store, keys, chunk)).await?;
        }
    }
    Ok(())
}

fn schedule_call(store: &Inner, keys: &ListKeys, messages: &[&Outgoing]) -> Cmd {
    let mut call = store.scripts.schedule.call(&[&keys.scheduled, &keys.list, &keys.due]);
    call.arg(store.options.clock.skew_ms());
    for message in messages {
        call.arg(message.due.map_or(0, |due| due.as_millis())).arg(&message.payload[..]);
    }
    call
}

/// Slices of bounded count and size.
fn chunks<'a, 'b>(messages: &'b [&'a Outgoing]) -> impl Iterator<Item = &'b [&'a Outgoing]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = rest
            .iter()
            .take(CHUNK)
            .take_while(|message| {
                bytes += message.payload.len();
                bytes <= CHUNK_BYTES
            })
            .count()
            .max(1);
        let (chunk, others) = rest.split_at(fits);
        rest = others;
        Some(chunk)
    })
}
