//! Chords and saved groups, kept as Celery keeps them. What a settlement does to a chord is in `lua/settle/`; here is how
//! it is told, and what is done without a settlement.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Pipeline};

use super::enqueue::add_number;
use super::inner::Inner;
use super::keys::Keys;
use super::results::ttl_s;
use super::shared::{Lane, Shared};
use crate::names::TaskId;
use crate::store::{ChordEnd, ChordPart, ChordParts, ChordStart, ChordStep, SendNumber, StoreError, StoredResult};

/// Members of one read at most.
const STEP: isize = 500;

/// See [`crate::store::Chords::begin_chords`]; with a `number` that was seen, nothing changes.
pub(super) async fn begin(store: &Inner, chords: &[ChordStart], number: Option<&SendNumber>) -> Result<(), StoreError> {
    if chords.is_empty() {
        return Ok(());
    }
    let script = &store.scripts.begin;
    let key = number.map_or_else(|| store.keys.queues.clone(), |number| store.keys.producer(&number.producer));
    let mut call = script.call(&[&key]);
    add_number(&mut call, number);
    add_starts(&mut call, store, chords);
    store.results_link().script::<redis::Value>(script, &call).await.map(drop)
}

/// Adds chords that begin.
pub(super) fn add_starts(call: &mut Cmd, store: &Inner, chords: &[ChordStart]) {
    for chord in chords {
        let meta = chord.meta.as_deref().unwrap_or_default();
        call.arg(store.keys.group(&chord.group)).arg(chord.size).arg(meta).arg(ttl_s(chord.ttl));
    }
}

fn set(pipe: &mut Pipeline, key: &str, value: &[u8], ttl: Option<Duration>) {
    let cmd = pipe.cmd("SET").arg(key).arg(value);
    if ttl.is_some() {
        cmd.arg("EX").arg(ttl_s(ttl));
    }
    cmd.ignore();
}

/// See [`crate::store::Chords::chord_parts`]. Whoever asks holds the claim, so that nothing comes in between two reads.
pub(super) async fn parts(store: &Inner, group: &str) -> Result<ChordParts, StoreError> {
    let keys = store.keys.chord(group);
    let mut members: Vec<Bytes> = Vec::new();
    let mut first = 0;
    loop {
        let mut look = redis::cmd("ZRANGE");
        let found: Vec<Vec<u8>> =
            store.results_link().query(look.arg(&keys.parts).arg(first).arg(first + STEP - 1)).await?;
        let more = found.len() == STEP.unsigned_abs();
        members.extend(found.into_iter().map(Bytes::from));
        first += STEP;
        if !more {
            let size = read(store, &keys.size).await?.and_then(|size| std::str::from_utf8(&size).ok()?.parse().ok());
            return Ok(ChordParts { meta: read(store, &keys.meta).await?, size, members });
        }
    }
}

async fn read(store: &Inner, key: &str) -> Result<Option<Bytes>, StoreError> {
    let found: Option<Vec<u8>> = store.results_link().query(redis::cmd("GET").arg(key)).await?;
    Ok(found.map(Bytes::from))
}

/// See [`crate::store::Chords::put_group`].
pub(super) async fn put_group(store: &Inner, group: &StoredResult) -> Result<(), StoreError> {
    let key = store.keys.group(group.id.as_str());
    let mut pipe = redis::pipe();
    pipe.atomic();
    set(&mut pipe, &key, &group.meta, group.ttl);
    pipe.cmd("PUBLISH").arg(&key).arg(&group.meta[..]).ignore();
    store.results_link().pipe(&pipe).await
}

/// See [`crate::store::Chords::get_group`].
pub(super) async fn get_group(store: &Inner, group: &TaskId) -> Result<Option<Bytes>, StoreError> {
    read(store, &store.keys.group(group.as_str())).await
}

/// See [`crate::store::Chords::forget_group`].
pub(super) async fn forget_group(store: &Inner, group: &TaskId) -> Result<bool, StoreError> {
    store.results_link().query(redis::cmd("DEL").arg(store.keys.group(group.as_str()))).await
}

/// A dispatch that is leased to this worker should its part be the last.
pub(super) struct Claimable<'a> {
    lane: &'a Lane,
    incarnation: Arc<str>,
    payload: Bytes,
}

impl<'a> Claimable<'a> {
    /// `None` where this worker has no hands for its list: then it would go among the suspects.
    fn new(shared: &'a Shared, part: &ChordPart) -> Option<Self> {
        let (queue, step) = (&part.dispatch.queue, shared.store.keys.step(part.dispatch.priority));
        let lane = shared.lanes.iter().find(|lane| lane.keys.queue == *queue && lane.keys.step == step)?;
        // Until a heartbeat has seen that its list is used.
        lane.may_be_leased();
        Some(Self { lane, incarnation: lane.incarnation(), payload: part.dispatch.payload.clone() })
    }

    /// It is leased: handed out by the next lease or wait.
    pub(super) fn arrived(self, shared: &Shared) {
        // A lane that went on under a fresh name has lost what it held under the old one.
        if self.lane.incarnation() == self.incarnation
            && let Some(delivery) = shared.deliver(self.lane, &self.incarnation, self.payload, None, None)
        {
            shared.inbox().push_back(delivery);
            shared.news.notify_one();
        }
    }
}

/// How a chord is ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// At once.
    Whole,
    /// Only claimed: the messages are on another server.
    Claim,
}

/// Adds the guard of a settlement that ends a chord.
pub(super) fn add_end(call: &mut Cmd, shared: &Shared, end: Option<&ChordEnd>, how: End) {
    let Some(end) = end else {
        call.arg("");
        return;
    };
    let how = match how {
        End::Whole => u8::from(end.failed),
        End::Claim => 2,
    };
    call.arg(shared.store.keys.group(&end.group)).arg(&end.token).arg(how).arg(ttl_s(end.ttl));
}

/// Adds what a settlement does to chords; notes in `claimable` one entry per part.
pub(super) fn add_steps<'a>(
    call: &mut Cmd,
    shared: &'a Shared,
    steps: &[ChordStep],
    claimable: &mut Vec<Option<Claimable<'a>>>,
) {
    let keys = &shared.store.keys;
    call.arg(steps.len());
    for step in steps {
        match step {
            ChordStep::Begin(start) => {
                let meta = start.meta.as_deref().unwrap_or_default();
                call.arg("b").arg(keys.group(&start.group)).arg(start.size).arg(meta).arg(ttl_s(start.ttl));
            }
            ChordStep::Grow { group, by, ttl } => {
                call.arg("g").arg(keys.group(group)).arg(*by).arg(ttl_s(*ttl));
            }
            ChordStep::Part(part) => {
                let hands = Claimable::new(shared, part);
                // On another server than the messages', a part is only counted; its dispatch is leased afterwards.
                let apart = shared.store.has_two_servers();
                call.arg(if apart { "c" } else { "p" });
                add_count(call, keys, part);
                if !apart {
                    add_dispatch(call, keys, part, hands.as_ref());
                }
                claimable.push(hands);
            }
        }
    }
}

/// Adds the leases of dispatches: the second half of the parts with these numbers.
pub(super) fn add_dispatches<'a>(
    call: &mut Cmd,
    shared: &'a Shared,
    parts: &[&ChordPart],
    claimable: &mut Vec<Option<Claimable<'a>>>,
) {
    call.arg(parts.len());
    for part in parts {
        let hands = Claimable::new(shared, part);
        call.arg("d");
        add_dispatch(call, &shared.store.keys, part, hands.as_ref());
        claimable.push(hands);
    }
}

fn add_count(call: &mut Cmd, keys: &Keys, part: &ChordPart) {
    // As Python writes it, also in the set of those that are counted.
    let index = part.index.map_or_else(|| "+inf".to_owned(), |index| index.to_string());
    call.arg(keys.group(&part.group)).arg(part.id.as_str()).arg(index).arg(&part.member[..]).arg(ttl_s(part.ttl));
    call.arg(&part.token);
}

/// Adds that these parts' dispatches are leased.
pub(super) fn add_kept(call: &mut Cmd, keys: &Keys, parts: &[&ChordPart]) {
    call.arg(parts.len());
    for part in parts {
        call.arg("k").arg(keys.group(&part.group)).arg(&part.token);
    }
}

fn add_dispatch(call: &mut Cmd, keys: &Keys, part: &ChordPart, hands: Option<&Claimable<'_>>) {
    call.arg(&part.dispatch.payload[..]);
    match hands {
        Some(Claimable { lane, incarnation, .. }) => {
            call.arg(lane.keys.held(incarnation)).arg(&lane.keys.suspects).arg(&lane.keys.workers).arg(&**incarnation);
        }
        None => {
            let keys = keys.lane_for(&part.dispatch);
            call.arg("").arg(keys.suspects).arg(keys.workers).arg("");
        }
    }
}
