//! The heartbeat: extends leases, finds dead workers, promotes what is due, and notices what got lost.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, Value};

use super::consumer::RedisConsumer;
use super::keys::TOMBSTONE_TTL_S;
use super::link::Link;
use super::shared::{Lane, Shared};
use super::times::{NEVER, ms, timestamp};
use super::{lease, settle, wait};
use crate::store::{Beat, StoreError, longest_lease};

/// How long a worker's description outlives its last heartbeat, in seconds.
const WORKER_TTL_S: u64 = 3600;

/// What one beat remembers for the next.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// The store listed more, or less, than we know of.
    surplus: bool,
    /// Deliveries lay in the inbox and nobody came for them.
    unclaimed: bool,
}

/// Writes down who this worker is, and registers it on its lists.
pub(super) async fn sign_on(shared: &Shared, link: &Link) -> Result<(), StoreError> {
    let spec = &shared.spec;
    let key = shared.store.keys.worker(&spec.incarnation);
    let queues = shared.queues().clone();
    let queues: Vec<&str> = queues.iter().map(|queue| queue.as_str()).collect();
    let now = shared.store.now_ms(link).await?;
    let (started, concurrency) = (*shared.started.get_or_init(|| now), shared.concurrency.load(Ordering::Relaxed));
    let mut pipe = redis::pipe();
    // All or nothing: a description without its end would stay for ever.
    pipe.atomic();
    let fields = pipe.cmd("HSET").arg(&key);
    fields.arg("hostname").arg(&spec.hostname).arg("pid").arg(spec.pid).arg("concurrency").arg(concurrency);
    fields.arg("queues").arg(serde_json::to_string(&queues).unwrap_or_default());
    // Signing on again, with other queues or on a server that forgot, is no start.
    fields.arg("started").arg(started).ignore();
    pipe.cmd("EXPIRE").arg(&key).arg(WORKER_TTL_S).ignore();
    if !queues.is_empty() {
        pipe.cmd("SADD").arg(&shared.store.keys.queues).arg(&queues).ignore();
    }
    link.pipe::<()>(&pipe).await?;
    shared.described.store(concurrency, Ordering::Relaxed);
    register(shared, link, now.saturating_add(ms(shared.store.options.lease))).await
}

/// Registers it on its lists.
async fn register(shared: &Shared, link: &Link, ends: i64) -> Result<(), StoreError> {
    let lanes: Vec<&Lane> = shared.lanes.iter().filter(|lane| lane.is_active()).collect();
    // By its present name: nobody extends the lease of an earlier one, which would be taken for a dead worker.
    let add = |lane: &Lane| redis::cmd("ZADD").arg(&lane.keys.workers).arg(ends).arg(&*lane.incarnation()).clone();
    if lanes.is_empty() {
        return Ok(());
    }
    let mut pipe = redis::pipe();
    for lane in &lanes {
        pipe.add_command(add(lane)).ignore();
    }
    match link.pipe::<()>(&pipe).await {
        // Something else is at one of these keys: which one?
        Err(StoreError::Foreign { .. }) => {}
        answer => return answer,
    }
    for lane in lanes {
        match link.query::<()>(&add(lane)).await {
            Err(StoreError::Foreign { .. }) => lane.bar(&lane.keys.workers),
            answer => answer?,
        }
    }
    Ok(())
}

/// See [`crate::store::Consumer::beat`].
pub(super) async fn beat(consumer: &RedisConsumer) -> Result<Beat, StoreError> {
    let shared = &*consumer.shared;
    if shared.closed.load(Ordering::Acquire) {
        return Ok(Beat::default());
    }
    let lanes: Vec<&Lane> = shared.lanes.iter().filter(|lane| lane.is_active()).collect();
    let names: Vec<Arc<str>> = lanes.iter().map(|lane| lane.incarnation()).collect();
    // Before it is asked: what is found to be somebody else's meanwhile is not what this answer is about.
    let barred: Vec<&Lane> = lanes.iter().copied().filter(|lane| lane.is_barred()).collect();
    let call = beat_call(shared, &lanes, &names);
    let script = &shared.store.scripts.beat;
    let asked = shared.due_news.load(Ordering::Acquire);
    let reply: Vec<Value> = match consumer.pulse.script(script, &call).await {
        // The line broke since the last beat. A beat may happen twice, so it is tried again at once.
        Err(StoreError::Unreachable { .. }) => consumer.pulse.script(script, &call).await?,
        answer => answer?,
    };
    let report = read_reply(shared, &lanes, &names, reply, asked);
    for lane in barred.into_iter().filter(|lane| report.free.contains(&lane.index)) {
        lane.unbar();
        shared.news.notify_one();
    }
    let mut beat = report.beat;
    // A lease or a wait may have met the tombstone first.
    beat.fenced = shared.fenced.swap(false, Ordering::AcqRel);
    if beat.next_due.is_some_and(|due| due.as_millis() <= report.now) {
        beat.promoted = wait::promote(shared, &consumer.pulse).await?;
        beat.next_due = timestamp(shared.next_due.load(Ordering::Relaxed));
    }
    if report.unused {
        find_used(consumer).await?;
    }
    check_surplus(consumer, report.held).await?;
    if !report.described || shared.was_resized() {
        describe_again(consumer).await;
    }
    if beat.promoted > 0 || report.suspects > 0 || beat.fenced {
        shared.news.notify_one();
    }
    Ok(beat)
}

/// A server that came back empty has forgotten who this is, or this is not what it was told. One that has no room for it is asked again at the next beat:
/// the leases stand, so it is no heartbeat that failed.
async fn describe_again(consumer: &RedisConsumer) {
    // Who signs off takes the description away.
    if consumer.shared.closed.load(Ordering::Acquire) {
        return;
    }
    if let Err(error) = sign_on(&consumer.shared, &consumer.pulse).await {
        tracing::debug!(%error, "the store does not know who this worker is now, and was not told");
    }
}

/// Lists that were never seen used are now: says which by asking for each.
async fn find_used(consumer: &RedisConsumer) -> Result<(), StoreError> {
    let shared = &*consumer.shared;
    for lane in shared.lanes.iter().filter(|lane| !lane.is_active()) {
        let k = &lane.keys;
        let mut exists = redis::cmd("EXISTS");
        exists.arg(&*k.list).arg(&k.suspects).arg(&k.scheduled).arg(&k.workers);
        if consumer.pulse.query::<u64>(&exists).await? > 0 {
            lane.active.store(true, Ordering::Relaxed);
            shared.announce_due(0);
            shared.news.notify_one();
        }
    }
    Ok(())
}

fn beat_call(shared: &Shared, lanes: &[&Lane], names: &[Arc<str>]) -> Cmd {
    let held: Vec<_> = lanes.iter().zip(names).map(|(lane, name)| lane.keys.held(name)).collect();
    let description = shared.store.keys.worker(&shared.spec.incarnation);
    let mut keys: Vec<&str> = Vec::with_capacity(6 * shared.lanes.len() + 1);
    keys.push(&description);
    for (lane, held) in lanes.iter().zip(&held) {
        let k = &lane.keys;
        keys.extend([&*k.list, held, &k.workers, &k.silent, &k.suspects, &k.scheduled]);
    }
    for lane in shared.lanes.iter().filter(|lane| !lanes.iter().any(|active| active.index == lane.index)) {
        let k = &lane.keys;
        keys.extend([&*k.list, &k.suspects, &k.scheduled, &k.workers]);
    }
    let options = &shared.store.options;
    let mut call = shared.store.scripts.beat.call(&keys);
    call.arg(options.clock.skew_ms()).arg(ms(options.lease)).arg(ms(options.grace)).arg(ms(options.sweep_gap));
    call.arg(TOMBSTONE_TTL_S).arg(WORKER_TTL_S);
    call.arg(ms(longest_lease(options.lease))).arg(lanes.len());
    for name in names {
        call.arg(&**name);
    }
    call
}

#[derive(Default)]
struct Report {
    beat: Beat,
    now: i64,
    held: usize,
    suspects: i64,
    unused: bool,
    described: bool,
    /// Of which lanes nobody else has a key.
    free: Vec<usize>,
}

fn read_reply(shared: &Shared, lanes: &[&Lane], names: &[Arc<str>], reply: Vec<Value>, asked: usize) -> Report {
    let mut report = Report::default();
    let mut due = NEVER;
    let queues = shared.queues().clone();
    let mut rows = reply.into_iter();
    if let Some(Value::Int(now)) = rows.next() {
        report.now = now;
    }
    report.unused = matches!(rows.next(), Some(Value::Int(1)));
    report.described = matches!(rows.next(), Some(Value::Int(1)));
    for ((lane, name), row) in lanes.iter().zip(names).zip(rows) {
        let Value::Array(row) = row else { continue };
        let mut numbers = [0, 0, 0, -1, 0, 0, 0];
        for (slot, value) in numbers.iter_mut().zip(&row) {
            if let Value::Int(number) = value {
                *slot = *number;
            }
        }
        let [fenced, held, suspects, next_due, reclaimed, ready, barred] = numbers;
        if fenced == 1 {
            shared.renew(lane, name);
        } else if barred == 0 {
            report.free.push(lane.index);
        } else if let Some(key) = beside(lane, barred) {
            lane.bar(key);
        }
        report.held += usize::try_from(held).unwrap_or(0);
        report.suspects += suspects;
        report.beat.reclaimed += usize::try_from(reclaimed).unwrap_or(0);
        // A lane of a queue that is not consumed any more stays, for what is held of it.
        report.beat.ready |= ready == 1 && queues.contains(&lane.keys.queue);
        due = if next_due < 0 { due } else { due.min(next_due) };
        let dead = row.into_iter().skip(7).filter_map(|name| redis::from_redis_value::<String>(name).ok());
        report.beat.dead_workers.extend(dead);
    }
    // A worker is told by each list that it held messages of.
    report.beat.dead_workers.sort_unstable();
    report.beat.dead_workers.dedup();
    shared.note_due(report.now, due, asked);
    report.beat.next_due = timestamp(due);
    report
}

/// The key beside a list that the script says holds something else. What is at the list itself is told by who takes from it.
fn beside(lane: &Lane, number: i64) -> Option<&str> {
    let k = &lane.keys;
    let key = match number {
        3 => &k.workers,
        4 => &k.silent,
        5 => &k.scheduled,
        6 => &k.deaths,
        _ => return None,
    };
    Some(key)
}

/// What the store lists and nobody here knows for two beats (or the other way round), and what nobody fetched from the inbox for two beats.
async fn check_surplus(consumer: &RedisConsumer, held: usize) -> Result<(), StoreError> {
    let shared = &*consumer.shared;
    let (leftover, lasting) = {
        let mut seen = consumer.beats.0.lock().unwrap_or_else(PoisonError::into_inner);
        let surplus = held != shared.ledger.len();
        let lasting = surplus && seen.surplus;
        seen.surplus = surplus;
        let mut inbox = shared.inbox();
        let unclaimed = !inbox.is_empty() && shared.room.load(Ordering::Acquire) == 0;
        let leftover: Vec<_> = if unclaimed && seen.unclaimed { inbox.drain(..).collect() } else { Vec::new() };
        seen.unclaimed = unclaimed;
        (leftover, lasting)
    };
    if lasting {
        // Here, not at the next lease: a worker without a free slot would keep what it does not know of. What is found goes
        // into the inbox, and from there, if nobody comes for it, back.
        lease::reconcile(shared, &consumer.pulse).await?;
        shared.news.notify_one();
    }
    if !leftover.is_empty() {
        let tags: Vec<_> = leftover.into_iter().map(|delivery| delivery.tag).collect();
        match settle::return_unwanted(shared, &consumer.pulse, &tags).await {
            // No place to go back to: it is found again, and the store is well.
            Err(error @ StoreError::Foreign { .. }) => tracing::debug!(%error, "cannot be given back yet"),
            returned => returned?,
        }
    }
    Ok(())
}

/// See [`crate::store::Consumer::held`].
pub(super) async fn held(shared: &Shared) -> Result<usize, StoreError> {
    let mut total = 0;
    for lane in shared.lanes.iter() {
        let name = lane.incarnation();
        for key in [lane.keys.held(&name), lane.keys.suspects_held(&name)] {
            let mut count = redis::cmd("LLEN");
            count.arg(key);
            total += match shared.store.link.query::<usize>(&count).await {
                // A tombstone: nothing is held any more.
                Err(StoreError::Foreign { .. }) => 0,
                answer => answer?,
            };
        }
    }
    Ok(total)
}
