//! What happens to a message between its lease and its slot: it is read, passes the gates or ends there, and starts.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use queue_core::message::{DecodeError, Message};
use queue_core::store::{DeadLetter, DeadReason, Delivery, DeliveryTag, Ending, INTERNAL, Settlement};
use queue_core::task::{Cancel, Exception, UNKNOWN_HERE};
use queue_core::{TaskId, failpoint};

use crate::chord;
use crate::emitter::Telling;
use crate::ending::{Subject, exception};
use crate::engine::Engine;
use crate::execute::{Run, runners};
use crate::gates::{Facts, Gate, gate};
use crate::health::polls::Polls;
use crate::health::tally::Outcome;
use crate::jobs::{Course, Held};
use crate::reconnect::{Caller, Tries};
use crate::settle::Item;
use crate::slots::{Room, SuspectGuard};

/// A task that nobody here knows is given back so often, since a worker in another language may share the queue, and the
/// first time for so long; each time for twice as long.
const UNKNOWN_TRIES: u32 = 3;
const UNKNOWN_WAIT: Duration = Duration::from_secs(1);

/// A delivery that could be read.
struct Arrival {
    held: Arc<Held>,
    suspect: Option<SuspectGuard>,
    revoked: bool,
}

/// Starts what `deliveries` brought, each in a slot of `room`, or ends it at its gate.
pub(crate) async fn take_in(engine: &Arc<Engine>, deliveries: Vec<Delivery>, room: &mut Room) {
    failpoint::hit_when("lease.answered", || !deliveries.is_empty());
    // They are this worker's from here on, however long the store takes to say what was revoked.
    let mut arriving = engine.jobs.arriving(deliveries.len());
    let deliveries = wanted(engine, deliveries).await;
    // Room for all at once: nearly all can be read, and growing would move them some times.
    let mut arrivals: Vec<Arrival> = Vec::with_capacity(deliveries.len());
    arrivals.extend(deliveries.into_iter().filter_map(|one| read(engine, one)));
    arriving.left(arrivals.len());
    mark_revoked(engine, &mut arrivals).await;
    let mut brief = Vec::with_capacity(arrivals.len());
    // One look at the clock for all of them: what is due within their reading may as well wait for the store to say so.
    let now = engine.time.now();
    let count = arrivals.len();
    for (taken, arrival) in arrivals.into_iter().enumerate() {
        arriving.left(count - taken);
        failpoint::hit("message.decoded");
        if chord::is_dispatch(&arrival.held.payload, &arrival.held.message) {
            chord::start(engine, arrival.held, arrival.suspect);
            continue;
        }
        let facts = Facts {
            deaths: arrival.held.deaths,
            revoked: arrival.revoked || engine.control.stamps.cover(&arrival.held.message),
            known: engine.tasks.get(&arrival.held.message.task).is_some(),
            now,
        };
        match gate(&arrival.held.message, facts) {
            Gate::Open => match engine.control.rates.admit(&arrival.held.message, facts.now) {
                None => start(engine, arrival, room, &mut brief).await,
                Some(due) => end(engine, arrival, Gate::NotYet(due)),
            },
            closed => end(engine, arrival, closed),
        }
    }
    runners::line_up(engine, brief);
}

/// Starts the dispatches that settles brought after the last lease; says how many.
pub(crate) fn take_dispatches(engine: &Arc<Engine>) -> usize {
    let arrivals: Vec<Arrival> = engine.consumer.dispatches().into_iter().filter_map(|one| read(engine, one)).collect();
    let count = arrivals.len();
    arrivals.into_iter().for_each(|arrival| chord::start(engine, arrival.held, arrival.suspect));
    count
}

/// Gives back what comes from a queue that is not consumed any more: a wait that began before brought it.
async fn wanted(engine: &Engine, deliveries: Vec<Delivery>) -> Vec<Delivery> {
    if !engine.queues.have_changed() {
        return deliveries;
    }
    let queues = engine.queues.now();
    let (wanted, others): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(|one| {
        // What this worker's own settle leased to it is its own to do.
        one.payload().starts_with(INTERNAL) || queues.iter().any(|(queue, _)| *queue == one.queue)
    });
    if !others.is_empty() {
        let tags: Vec<_> = others.into_iter().map(|one| one.tag).collect();
        give_back(engine, &tags, "messages of a queue that is not consumed any more could not be given back").await;
    }
    wanted
}

/// Gives back until the store answers: what stays in this worker's hands is kept alive there, and nobody runs it.
async fn give_back(engine: &Engine, tags: &[DeliveryTag], otherwise: &'static str) {
    if let Err(error) = engine.outage.insist(Caller::Fetch, || engine.consumer.give_back(tags)).await {
        tracing::warn!(%error, "{otherwise}");
    }
}

/// Decodes one delivery; what is no message goes to the dead letters.
fn read(engine: &Arc<Engine>, delivery: Delivery) -> Option<Arrival> {
    let suspect = delivery.suspect.then(|| engine.slots.take_suspect());
    match Message::decode(delivery.payload(), &engine.config.limits) {
        Ok(message) => Some(Arrival { held: held(engine, delivery, message), suspect, revoked: false }),
        Err(error) => {
            undecodable(engine, delivery, suspect, &error);
            None
        }
    }
}

fn held(engine: &Engine, delivery: Delivery, message: Message) -> Arc<Held> {
    Arc::new(Held {
        key: engine.jobs.key(),
        message: Arc::new(message),
        payload: delivery.payload().clone(),
        queue: delivery.queue,
        step: delivery.step,
        redelivered: delivery.redelivered,
        deaths: delivery.deaths,
        cancel: Cancel::new(),
        tag: Mutex::new(Some(delivery.tag)),
        abort: OnceLock::new(),
        course: Course::default(),
        polls: Polls::default(),
    })
}

fn undecodable(engine: &Engine, delivery: Delivery, suspect: Option<SuspectGuard>, error: &DecodeError) {
    tracing::error!(queue = %delivery.queue, bytes = delivery.payload().len(), %error, "not a message: set aside");
    let letter = DeadLetter {
        id: None,
        task: None,
        reason: DeadReason::Undecodable,
        error: error.to_string(),
        retries: 0,
        worker: engine.config.hostname.to_string(),
    };
    let (queue, payload) = (delivery.queue.clone(), delivery.payload().len());
    let settlement = Settlement { ending: Ending::Dead(Box::new(letter)), ..Settlement::done(delivery.tag) };
    let telling = Telling::default();
    engine.settler.settle(Item {
        settlement,
        queue,
        held: None,
        payload,
        suspect,
        slot: None,
        answer: None,
        counted: Some((engine.tasks.tally(""), Outcome::Dead(DeadReason::Undecodable))),
        telling,
    });
}

/// Asks the store which of them were revoked.
async fn mark_revoked(engine: &Engine, arrivals: &mut [Arrival]) {
    let messages: Vec<Arc<Message>> = arrivals.iter().map(|arrival| Arc::clone(&arrival.held.message)).collect();
    let ids: Vec<&TaskId> = messages.iter().map(|message| &message.id).collect();
    if ids.is_empty() {
        return;
    }
    let revoked = ask_revoked(engine, &ids).await;
    for (arrival, revoked) in arrivals.iter_mut().zip(revoked) {
        arrival.revoked = revoked;
    }
}

/// Asks until the store answers.
async fn ask_revoked(engine: &Engine, ids: &[&TaskId]) -> Vec<bool> {
    let mut tries = Tries::default();
    loop {
        let began = Instant::now();
        match engine.consumer.revoked(ids).await {
            Ok(revoked) => {
                engine.outage.answered(Caller::Fetch);
                return revoked;
            }
            Err(error) => engine.outage.failed(Caller::Fetch, began, &error),
        }
        engine.outage.rest(&mut tries).await;
    }
}

async fn start(engine: &Arc<Engine>, arrival: Arrival, room: &mut Room, brief: &mut Vec<Run>) {
    let Some(task) = engine.tasks.get(&arrival.held.message.task) else { return };
    match room.slot() {
        Some(slot) => {
            let held = arrival.held;
            engine.jobs.add(&held);
            engine.emitter.received(&held.message);
            let (engine, suspect) = (Arc::clone(engine), arrival.suspect);
            runners::start(Run { engine, held, task, slot: Some(slot), suspect }, brief);
        }
        None => {
            // More than was asked for: no driver should do that.
            let tags: Vec<_> = arrival.held.tag().into_iter().collect();
            give_back(engine, &tags, "a message beyond the free slots could not be given back").await;
        }
    }
}

/// How often a message has been given back because a worker did not know its task.
fn unknown_tries(message: &Message) -> u32 {
    if !message.other_headers || !message.headers.as_str().contains(UNKNOWN_HERE) {
        return 0;
    }
    let found = message.headers.entries().into_iter().flatten().find(|(key, _)| key == UNKNOWN_HERE);
    found.and_then(|(_, tries)| tries.parse().ok()).unwrap_or(0)
}

/// Ends what did not pass.
fn end(engine: &Engine, arrival: Arrival, closed: Gate) {
    let Arrival { held, suspect, .. } = arrival;
    let subject = Subject::new(engine, &held);
    let message = &held.message;
    let (task, id, queue) = (message.task.as_str(), message.id.as_str(), &held.queue);
    // Celery's monitors learn a task's name only from this.
    let failed = |why: &Exception| {
        engine.emitter.received(message);
        engine.emitter.about("task-failed", message).why(why)
    };
    let of_task = |outcome| Some((engine.tasks.tally(task), outcome));
    let revoked = |expired| engine.emitter.about("task-revoked", message).revoked(None, expired);
    let (settlement, telling, counted) = match closed {
        Gate::Open => return,
        Gate::Poison => {
            let why = format!("the worker running this task died {} times", held.deaths);
            tracing::error!(task, id, %queue, deaths = held.deaths, "poison: its workers died, set aside");
            let why = exception("billiard.exceptions", "WorkerLostError", &why);
            (subject.dead(DeadReason::Poison, &why), failed(&why), of_task(Outcome::Dead(DeadReason::Poison)))
        }
        Gate::Revoked => {
            tracing::info!(task, id, %queue, "revoked before it started");
            (subject.revoked("revoked"), revoked(false), of_task(Outcome::Revoked))
        }
        Gate::Expired => {
            tracing::warn!(task, id, %queue, "expired before it started, set aside");
            (subject.expired(), revoked(true), of_task(Outcome::Dead(DeadReason::Expired)))
        }
        Gate::NotYet(eta) => {
            tracing::debug!(task, id, %queue, %eta, "not due yet");
            engine.wakeups.due(eta);
            (subject.not_yet(eta), Telling::default(), None)
        }
        Gate::UnknownTask if unknown_tries(message) < UNKNOWN_TRIES => {
            let tries = unknown_tries(message);
            let wait = UNKNOWN_WAIT * 2_u32.pow(tries);
            tracing::warn!(task, id, %queue, ?wait, "unknown task: given back, another worker on this queue may know it");
            engine.wakeups.due(engine.time.now().after(wait));
            (subject.unknown_here(wait, tries + 1), Telling::default(), None)
        }
        Gate::UnknownTask => {
            let why = engine.tasks.unknown(task);
            tracing::error!(task, id, %queue, error = why, "unknown task, set aside");
            let why = exception("celery.exceptions", "NotRegistered", &why);
            let outcome = Outcome::Dead(DeadReason::UnknownTask);
            (subject.dead(DeadReason::UnknownTask, &why), failed(&why), of_task(outcome))
        }
    };
    engine.settler.settle(Item { suspect, telling, counted, ..Item::of(&held, settlement) });
}
