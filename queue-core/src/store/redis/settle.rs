//! Ends deliveries: settle, give back, absolve, progress.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use redis::{Cmd, FromRedisValue, ParsingError, Value};

use super::chord::{self, Claimable};
use super::keys;
use super::link::Link;
use super::plain::Plain;
use super::shared::{DirtyUnlessDone, Shared};
use super::times::ms;
use super::{results, two_servers, window};
use crate::names::Priority;
use crate::store::{
    CLAIM, COMPLETE, DONE, DeliveryTag, Ending, INTERNAL, Settled, Settlement, StoreError, StoredResult,
};

/// The length of a result's key, about.
const RESULT_KEY: usize = 64;

/// See [`crate::store::Consumer::settle`].
pub(super) async fn settle(shared: &Shared, settlements: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
    let mut answers = Vec::with_capacity(settlements.len());
    let mut rest = settlements;
    while !rest.is_empty() {
        let (batch, others) = rest.split_at(Settlement::in_one_step(rest));
        match step(shared, batch).await {
            Ok(done) => answers.extend(done),
            // What the steps before this one did has happened.
            Err(error) if answers.iter().any(|answer| *answer != Settled::LeaseLost) => {
                return Err(error.of_unknown_outcome());
            }
            Err(error) => return Err(error),
        }
        rest = others;
    }
    Ok(answers)
}

async fn step(shared: &Shared, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
    announce_queues(shared, batch).await?;
    if shared.store.has_two_servers() {
        two_servers::settle(shared, batch).await
    } else {
        settle_batch(shared, batch).await
    }
}

async fn settle_batch(shared: &Shared, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
    let mut plain = Plain::of(batch);
    // Looking at the connection may cost a system call, for which a few ends are no reason.
    let age = if batch.len() < window::FEW { None } else { shared.store.link.age() };
    let placed = plain.place(shared, batch, age);
    let mut on = age.filter(|_| placed);
    loop {
        let mut claimable = Vec::new();
        let call = settle_call(shared, batch, &plain, &mut claimable);
        match send(shared, batch, &plain, &call, claimable, on).await? {
            Sent::Answered(answers) => return Ok(answers),
            Sent::Elsewhere(groups) => on = on.filter(|_| plain.displace(shared, &groups)),
        }
    }
}

/// What became of a call.
pub(super) enum Sent {
    Answered(Vec<Settled>),
    /// Nothing happened: these groups, counted from 1, stand elsewhere than was told; none of them when the connection is another.
    Elsewhere(Vec<usize>),
}

/// Calls the script that ends the batch's deliveries; with an `age` on that connection only.
pub(super) async fn send(
    shared: &Shared,
    batch: &[Settlement],
    plain: &Plain<'_>,
    call: &Cmd,
    claimable: Vec<Option<Claimable<'_>>>,
    age: Option<u64>,
) -> Result<Sent, StoreError> {
    // A dispatch may have been leased although nobody hears of it.
    let guard = claimable.iter().flatten().next().map(|_| DirtyUnlessDone::new(shared));
    let (link, script) = (&shared.store.link, &shared.store.scripts.settle);
    let reply = match age {
        Some(age) => link.script_on(age, script, call).await?.unwrap_or(Reply::Elsewhere(Vec::new())),
        None => link.script(script, call).await?,
    };
    guard.into_iter().for_each(DirtyUnlessDone::done);
    let (groups, others, leased) = match reply {
        Reply::Done(done) => done,
        Reply::Elsewhere(groups) => return Ok(Sent::Elsewhere(groups)),
    };
    batch.iter().filter_map(|settlement| settlement.tag.as_ref()).for_each(|tag| forget(shared, tag));
    hand_in(shared, claimable, leased);
    Ok(Sent::Answered(plain.answers(&groups, &others)))
}

/// What the script did: per group of plain settlements, per other one, and which parts' dispatches were leased.
pub(super) type Done = (Vec<Value>, Vec<i64>, Vec<usize>);

/// What the script answers.
pub(super) enum Reply {
    Done(Done),
    /// Nothing, since these groups stand elsewhere.
    Elsewhere(Vec<usize>),
}

impl FromRedisValue for Reply {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        match &value {
            Value::Array(parts) if matches!(parts.first(), Some(Value::Int(_))) => {
                Vec::from_redis_value(value).map(Self::Elsewhere)
            }
            _ => Done::from_redis_value(value).map(Self::Done),
        }
    }
}

pub(super) fn settled(answer: i64) -> Settled {
    match answer {
        1 => Settled::Done,
        -1 => Settled::ChordTaken,
        _ => Settled::LeaseLost,
    }
}

/// Takes in the dispatches that were leased; `leased` counts the batch's parts from 1.
fn hand_in(shared: &Shared, claimable: Vec<Option<Claimable<'_>>>, leased: Vec<usize>) {
    for (number, dispatch) in claimable.into_iter().enumerate() {
        if let Some(dispatch) = dispatch.filter(|_| leased.contains(&(number + 1))) {
            dispatch.arrived(shared);
        }
    }
}

/// Room for the arguments of a batch, and for their bytes.
fn room_for(batch: &[Settlement]) -> (usize, usize) {
    let results: usize = batch.iter().map(|settlement| settlement.results.len()).sum();
    let bytes: usize = batch.iter().map(Settlement::bytes).sum();
    (16 + batch.len() + 2 * results, 256 + bytes + RESULT_KEY * results)
}

/// Writes the names of queues that follow-ups go to for the first time; the messages themselves go with the settle.
async fn announce_queues(shared: &Shared, batch: &[Settlement]) -> Result<(), StoreError> {
    for message in batch.iter().flat_map(|settlement| &settlement.follow) {
        let now = Instant::now();
        if shared.store.known_queues.is_news(&message.queue, now) {
            let mut add = redis::cmd("SADD");
            add.arg(&shared.store.keys.queues).arg(message.queue.as_str());
            shared.store.link.query::<()>(&add).await.inspect_err(|_| shared.store.known_queues.clear())?;
            shared.store.known_queues.note([&message.queue], now);
        }
    }
    Ok(())
}

/// Names every key of the batch once.
#[derive(Default)]
pub(super) struct Names<'a> {
    held: HashMap<(&'a str, &'a str, bool), String>,
}

impl<'a> Names<'a> {
    fn held(&mut self, tag: &'a DeliveryTag) -> &str {
        self.held.entry((&tag.list, &tag.incarnation, tag.suspect)).or_insert_with(|| Shared::held_key(tag))
    }
}

fn settle_call<'a>(
    shared: &'a Shared,
    batch: &[Settlement],
    plain: &Plain<'_>,
    claimable: &mut Vec<Option<Claimable<'a>>>,
) -> Cmd {
    let mut names = Names::default();
    let mut call = begin_call(shared, batch, plain);
    for settlement in plain.others().iter().map(|place| &batch[*place]) {
        let once = settlement.once.as_deref().map(|token| shared.store.keys.once(token));
        add_tag(&mut call, &mut names, settlement.tag.as_ref(), once);
        chord::add_end(&mut call, shared, settlement.chord_end.as_deref(), chord::End::Whole);
        add_results(&mut call, shared, &settlement.results);
        chord::add_steps(&mut call, shared, &settlement.chords, claimable);
        add_follow(&mut call, shared, settlement);
        add_dead(&mut call, shared, settlement);
    }
    call
}

/// The call with its plain settlements, up to the first other one.
pub(super) fn begin_call(shared: &Shared, batch: &[Settlement], plain: &Plain<'_>) -> Cmd {
    let route = match batch.iter().find_map(|settlement| settlement.tag.as_ref()) {
        Some(tag) => Shared::held_key(tag),
        None => shared.store.keys.queues.clone(),
    };
    let options = &shared.store.options;
    let (messages, results) = shared.store.databases();
    let (arguments, bytes) = room_for(batch);
    let mut call = shared.store.scripts.settle.call_with(&[&route], arguments, bytes);
    call.arg(options.clock.skew_ms()).arg(ms(options.lease)).arg(CLAIM.as_secs()).arg(DONE.as_secs());
    call.arg(COMPLETE.as_secs()).arg(messages).arg(results);
    plain.add(&mut call, shared);
    call
}

pub(super) fn add_tag<'a>(call: &mut Cmd, names: &mut Names<'a>, tag: Option<&'a DeliveryTag>, once: Option<String>) {
    match tag {
        Some(tag) => {
            call.arg(names.held(tag)).arg(&tag.payload[..]);
            call.arg(if tag.suspect { keys::deaths(&tag.list) } else { String::new() });
        }
        None => {
            call.arg("").arg(once.unwrap_or_default()).arg("");
        }
    }
}

pub(super) fn add_results(call: &mut Cmd, shared: &Shared, results: &[StoredResult]) {
    call.arg(results.len());
    for result in results {
        call.arg(shared.store.keys.result(result.id.as_str())).arg(&result.meta[..]).arg(results::ttl_s(result.ttl));
    }
}

pub(super) fn add_follow(call: &mut Cmd, shared: &Shared, settlement: &Settlement) {
    call.arg(settlement.follow.len());
    for message in &settlement.follow {
        let list = shared.store.keys.list_for(message);
        // Python reads the list, and must never see this.
        let list = if message.payload.starts_with(INTERNAL) { keys::suspects(&list) } else { list };
        call.arg(list).arg(&message.payload[..]);
        match message.due {
            None => {
                call.arg("").arg("").arg("");
            }
            Some(due) => {
                let keys = shared.store.keys.lane_for(message);
                call.arg(due.as_millis()).arg(keys.scheduled).arg(keys.due);
            }
        }
    }
}

pub(super) fn add_dead(call: &mut Cmd, shared: &Shared, settlement: &Settlement) {
    let Ending::Dead(letter) = &settlement.ending else {
        call.arg("0");
        return;
    };
    let (list, message) = match (&settlement.tag, settlement.early.as_deref()) {
        (Some(tag), _) => (tag.list.to_string(), &tag.payload),
        (None, Some((queue, step, payload))) => {
            let keys = &shared.store.keys;
            (keys.list(queue, keys.step(Priority::new(i64::from(*step)))), payload)
        }
        (None, None) => {
            call.arg("0");
            return;
        }
    };
    let entry = format!("{}:{:016x}", letter.id.as_deref().unwrap_or("?"), fastrand::u64(..));
    let why = serde_json::to_vec(letter).unwrap_or_default();
    call.arg("1").arg(keys::dead(&list)).arg(keys::dead_why(&list)).arg(keys::dead_message(&list));
    call.arg(entry).arg(why).arg(&message[..]);
}

fn forget(shared: &Shared, tag: &DeliveryTag) {
    // A lane that goes on under a fresh name has forgotten what it held under the old one.
    if let Some(lane) = shared.lane_of(tag).filter(|lane| lane.incarnation() == tag.incarnation) {
        shared.ledger.remove((lane.index, tag.suspect), &tag.payload);
    }
}

/// See [`crate::store::Consumer::give_back`].
pub(super) async fn give_back(shared: &Shared, link: &Link, tags: &[DeliveryTag]) -> Result<usize, StoreError> {
    let mut groups: HashMap<(&str, &str, bool), Vec<&DeliveryTag>> = HashMap::new();
    for tag in tags {
        groups.entry((&tag.list, &tag.incarnation, tag.suspect)).or_default().push(tag);
    }
    let (mut given, mut first) = (0, Ok(()));
    for group in groups.values() {
        match give_back_group(shared, link, group).await {
            Ok(some) => given += some,
            // Something else is at its queue's key: the others go back all the same.
            Err(error @ StoreError::Foreign { .. }) => first = first.and(Err(error)),
            Err(error) => return Err(error),
        }
    }
    first.map(|()| given)
}

/// Gives back what arrived and nobody here takes. When that fails nobody holds it any more, whatever the store
/// says: forgotten here, so that a comparison with the store finds it if it is still there.
pub(super) async fn return_unwanted(shared: &Shared, link: &Link, tags: &[DeliveryTag]) -> Result<(), StoreError> {
    let returned = give_back(shared, link, tags).await;
    if returned.is_err() {
        tags.iter().for_each(|tag| forget(shared, tag));
        shared.dirty.store(true, Ordering::Release);
        shared.news.notify_one();
    }
    returned.map(|_| ())
}

/// Gives back deliveries that were all held under one key.
async fn give_back_group(shared: &Shared, link: &Link, group: &[&DeliveryTag]) -> Result<usize, StoreError> {
    let Some(first) = group.first() else { return Ok(0) };
    let from = Shared::held_key(first);
    let suspects = keys::suspects(&first.list);
    let to = if first.suspect { &*suspects } else { &*first.list };
    let mut call = shared.store.scripts.give_back.call(&[&from, to, &suspects]);
    call.arg(INTERNAL);
    for tag in group {
        call.arg(&tag.payload[..]);
    }
    if let Some(lane) = shared.lane_of(first) {
        shared.order.forget(lane.index, group);
    }
    let given: usize = link.script(&shared.store.scripts.give_back, &call).await?;
    for tag in group {
        forget(shared, tag);
    }
    Ok(given)
}

/// See [`crate::store::Consumer::absolve`].
pub(super) async fn absolve(shared: &Shared, tag: &DeliveryTag) -> Result<Option<DeliveryTag>, StoreError> {
    let Some(lane) = shared.lane_of(tag) else { return Ok(None) };
    if !tag.suspect {
        return Ok(progress(shared, tag, &[]).await?.then(|| tag.clone()));
    }
    let (suspect, fresh) = (Shared::held_key(tag), lane.keys.held(&tag.incarnation));
    let mut call = shared.store.scripts.absolve.call(&[&suspect, &fresh]);
    call.arg(&tag.payload[..]);
    let stands: bool = shared.store.link.script(&shared.store.scripts.absolve, &call).await?;
    if !stands {
        return Ok(None);
    }
    shared.ledger.remove((lane.index, true), &tag.payload);
    let twin = shared.ledger.add((lane.index, false), &tag.payload);
    let tag = DeliveryTag { suspect: false, ..tag.clone() };
    shared.note_order(lane, &tag, None, twin);
    Ok(Some(tag))
}

/// See [`crate::store::Consumer::progress`].
pub(super) async fn progress(shared: &Shared, tag: &DeliveryTag, results: &[StoredResult]) -> Result<bool, StoreError> {
    if shared.store.has_two_servers() && !results.is_empty() {
        return two_servers::progress(shared, tag, results).await;
    }
    let mut names = vec![Shared::held_key(tag)];
    names.extend(results.iter().map(|result| shared.store.keys.result(result.id.as_str())));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut call = shared.store.scripts.progress.call(&names);
    call.arg(&tag.payload[..]).arg(shared.store.databases().1);
    for result in results {
        call.arg(&result.meta[..]).arg(results::ttl_s(result.ttl));
    }
    shared.store.link.script(&shared.store.scripts.progress, &call).await
}
