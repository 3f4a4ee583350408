//! Takes messages into this worker's hands, and finds those whose lease nobody heard of.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use redis::{Cmd, Value};

use super::errors::meaning;
use super::ledger::Listed;
use super::link::Link;
use super::shared::{DirtyUnlessDone, Lane, Shared};
use super::times::ms;
use super::wait;
use crate::store::{Delivery, LeaseRequest, Order, StoreError};

/// The most that one call leases.
const MAX_BATCH: usize = 1000;

/// See [`crate::store::Consumer::lease`].
pub(super) async fn lease(shared: &Shared, request: &LeaseRequest) -> Result<Vec<Delivery>, StoreError> {
    if shared.closed.load(Ordering::Acquire) {
        return Ok(Vec::new());
    }
    if shared.dirty.load(Ordering::Acquire) {
        reconcile(shared, &shared.store.link).await?;
    }
    let limit = request.limit.get().min(MAX_BATCH);
    let mut guard = Handed { shared, found: shared.take_inbox(limit, request.suspect) };
    if guard.found.len() >= limit || request.queues.is_empty() {
        return Ok(guard.release());
    }
    let suspect = request.suspect && !guard.found.iter().any(|delivery| delivery.suspect);
    let active = plan(shared, request, true);
    // On an error, too, what was in the inbox goes back there: the ledger knows it, so nobody would find it again.
    let (more, renewed) = take(shared, &active, limit - guard.found.len(), suspect).await?;
    guard.found.extend(more);
    let mut found = guard.release();
    // Lists that were never seen used are asked only by a worker that has nothing better to do.
    if found.len() < limit {
        let mut rest = plan(shared, request, false);
        rest.retain(|(lane, _)| renewed || !active.iter().any(|(other, _)| other.index == lane.index));
        let suspect = suspect && !found.iter().any(|delivery| delivery.suspect);
        if !rest.is_empty() {
            let guard = Handed { shared, found };
            let more = take(shared, &rest, limit - guard.found.len(), suspect).await;
            found = guard.release();
            // What was leased already is handed out; the error will come again if it lasts.
            found.extend(more.unwrap_or_default().0);
        }
    }
    Ok(found)
}

/// Deliveries that go back into the inbox when the future that holds them fails or is dropped.
struct Handed<'a> {
    shared: &'a Shared,
    found: Vec<Delivery>,
}

impl Handed<'_> {
    fn release(mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.found)
    }
}

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        self.shared.inbox().extend(self.found.drain(..));
    }
}

/// The lanes to lease from, in order, each with how many to take before any gets more.
fn plan<'a>(shared: &'a Shared, request: &LeaseRequest, only_active: bool) -> Vec<(&'a Lane, usize)> {
    let mut lanes = Vec::new();
    for (place, share) in request.queues.iter().enumerate() {
        let of_queue = shared.lanes.iter().filter(|lane| lane.keys.queue == share.queue);
        for lane in of_queue.filter(|lane| !lane.is_barred() && (!only_active || lane.is_active())) {
            let (rank, quota) = match request.order {
                Order::Strict => ((usize::from(lane.keys.step), place), MAX_BATCH),
                Order::Weighted => ((place, usize::from(lane.keys.step)), share.share),
            };
            lanes.push((rank, lane, quota));
        }
    }
    lanes.sort_by_key(|(rank, ..)| *rank);
    lanes.into_iter().map(|(_, lane, quota)| (lane, quota)).collect()
}

/// One call of the script, and none where there are no lanes. Says also whether a lane had been reclaimed and was renewed.
async fn take(
    shared: &Shared,
    lanes: &[(&Lane, usize)],
    limit: usize,
    suspect: bool,
) -> Result<(Vec<Delivery>, bool), StoreError> {
    if lanes.is_empty() {
        return Ok((Vec::new(), false));
    }
    if shared.until_due().is_some_and(|wait| wait.is_zero()) {
        wait::promote(shared, &shared.store.link).await?;
    }
    let names: Vec<Arc<str>> = lanes.iter().map(|(lane, _)| lane.incarnation()).collect();
    let call = lease_call(shared, lanes, &names, limit, suspect);
    let (guard, unheard) = (DirtyUnlessDone::new(shared), Unheard(lanes));
    let _leasing = shared.order.leasing();
    let (age, reply) = shared.store.link.script_by(&shared.store.scripts.lease, &call).await?;
    guard.done();
    unheard.heard();
    read_reply(shared, lanes, &names, reply, age)
}

/// Lanes that a call may have taken something of: whoever signs off looks at them, unless the answer comes.
struct Unheard<'a, 'b>(&'a [(&'b Lane, usize)]);

impl Unheard<'_, '_> {
    fn heard(mut self) {
        self.0 = &[];
    }
}

impl Drop for Unheard<'_, '_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|(lane, _)| lane.may_be_leased());
    }
}

fn lease_call(shared: &Shared, lanes: &[(&Lane, usize)], names: &[Arc<str>], limit: usize, suspect: bool) -> Cmd {
    let mut held = Vec::with_capacity(lanes.len());
    for ((lane, _), name) in lanes.iter().zip(names) {
        held.push((lane.keys.held(name), lane.keys.suspects_held(name)));
    }
    let mut keys: Vec<&str> = Vec::with_capacity(6 * lanes.len());
    for ((lane, _), (fresh, suspects)) in lanes.iter().zip(&held) {
        let k = &lane.keys;
        keys.extend([&*k.list, fresh, &k.workers, &k.suspects, suspects, &k.deaths]);
    }
    let mut call = shared.store.scripts.lease.call(&keys);
    let options = &shared.store.options;
    call.arg(options.clock.skew_ms()).arg(ms(options.lease)).arg(limit).arg(u8::from(suspect));
    for ((_, quota), name) in lanes.iter().zip(names) {
        call.arg(&**name).arg(*quota);
    }
    call
}

/// Turns the script's reply into deliveries; everything in it is noted before anything can fail.
fn read_reply(
    shared: &Shared,
    lanes: &[(&Lane, usize)],
    names: &[Arc<str>],
    reply: Vec<Vec<Value>>,
    age: u64,
) -> Result<(Vec<Delivery>, bool), StoreError> {
    let (mut found, mut renewed, mut error) = (Vec::new(), false, None);
    for row in reply {
        let mut row = row.into_iter();
        let (Some(kind), Some(Value::Int(index))) = (row.next().and_then(bytes), row.next()) else { continue };
        let Some(at) = usize::try_from(index - 1).ok().filter(|at| *at < lanes.len()) else { continue };
        let (lane, name) = (lanes[at].0, &names[at]);
        // Room for all at once.
        found.reserve(
            row.as_slice().iter().map(|part| if let Value::Array(many) = part { many.len() } else { 0 }).sum(),
        );
        let mut rest = row.flat_map(flat).filter_map(bytes);
        match &kind[..] {
            b"f" => renewed |= shared.renew(lane, name),
            b"s" => {
                lane.active.store(true, Ordering::Relaxed);
                let deaths = rest.next().and_then(|count| std::str::from_utf8(&count).ok()?.parse().ok()).unwrap_or(0);
                found.extend(rest.filter_map(|payload| shared.deliver(lane, name, payload, Some(deaths), None)));
            }
            b"m" => {
                lane.active.store(true, Ordering::Relaxed);
                found.extend(rest.filter_map(|payload| shared.deliver(lane, name, payload, None, Some(age))));
            }
            _ => {
                let mut text =
                    || rest.next().map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
                let (said, key) = (text(), text());
                error = refused(shared, lane, said, &key).or(error);
            }
        }
    }
    match error {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok((found, renewed)),
    }
}

/// What an array holds, or the value itself.
fn flat(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        one => vec![one],
    }
}

/// A reply's text, without copying it.
fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(Bytes::from(bytes)),
        Value::SimpleString(text) => Some(Bytes::from(text)),
        Value::Int(number) => Some(Bytes::from(number.to_string())),
        _ => None,
    }
}

/// Compares what the store lists with what this process knows. What nobody here knows goes into the inbox.
pub(super) async fn reconcile(shared: &Shared, link: &Link) -> Result<(), StoreError> {
    shared.dirty.store(false, Ordering::Release);
    let guard = DirtyUnlessDone::new(shared);
    let mut again = false;
    for lane in shared.lanes.iter().filter(|lane| lane.is_active()) {
        let (name, asked) = (lane.incarnation(), Instant::now());
        let Some(listed) = held(link, lane, &name).await? else {
            shared.renew(lane, &name);
            continue;
        };
        let (adopted, more) = shared.ledger.compare(lane.index, listed, asked, Instant::now());
        again |= more;
        if shared.ledger.has_forgotten((lane.index, false)) {
            shared.order.clear(lane.index);
        }
        for (suspect, adopted) in [false, true].into_iter().zip(adopted) {
            adopt(shared, lane, &name, suspect, adopted);
        }
    }
    guard.done();
    if again {
        shared.dirty.store(true, Ordering::Release);
    }
    Ok(())
}

/// Hands out what nobody here had heard of.
fn adopt(shared: &Shared, lane: &Lane, name: &Arc<str>, suspect: bool, adopted: Vec<Bytes>) {
    if !adopted.is_empty() {
        // It came by a line that did not say so, and which may be dead without knowing.
        shared.store.connector.lines.cast_doubt();
    }
    for payload in adopted {
        // How many workers died of it is not asked: it must reach the inbox without a pause. The next death asks.
        let delivery = shared.delivery(lane, name, payload, suspect.then_some(0));
        // Where it lies, and whether there is another like it, was not looked at.
        shared.note_order(lane, &delivery.tag, None, true);
        shared.inbox().push_back(delivery);
    }
}

/// What this worker holds of a lane; `None` where a tombstone stands.
async fn held(link: &Link, lane: &Lane, name: &str) -> Result<Option<Listed>, StoreError> {
    let Some(fresh) = listed(link, &lane.keys.held(name)).await? else { return Ok(None) };
    Ok(listed(link, &lane.keys.suspects_held(name)).await?.map(|suspects| [fresh, suspects]))
}

/// What the list at `key` holds, oldest first; `None` where a tombstone stands.
async fn listed(link: &Link, key: &str) -> Result<Option<Vec<Bytes>>, StoreError> {
    let mut look = redis::cmd("LRANGE");
    look.arg(key).arg(0).arg(-1);
    match link.query::<Vec<Vec<u8>>>(&look).await {
        Ok(listed) => Ok(Some(listed.into_iter().rev().map(Bytes::from).collect())),
        Err(StoreError::Foreign { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why a list gave nothing; `None` where it is not the store that is unwell: a key is somebody else's.
fn refused(shared: &Shared, lane: &Lane, said: String, key: &str) -> Option<StoreError> {
    let url = shared.store.connector.url.clone();
    match said.split(' ').next() {
        Some("WRONGTYPE") => {
            lane.bar(key);
            None
        }
        code => Some(match code.and_then(meaning) {
            Some(meaning) => meaning(url, said.into()),
            None => StoreError::Refused { url, source: said.into() },
        }),
    }
}
