//! The second phase of a chord: a worker that was lent its dispatch reads the parts, builds the body and sends it.

use std::sync::Arc;

use queue_core::canvas::{Broken, CanvasError, Dispatch, Setting};
use queue_core::message::Message;
use queue_core::store::{ChordEnd, ChordParts, ChordStep, DeadReason, INTERNAL, Settled, Settlement, StoreError};
use queue_core::{TaskId, canvas, failpoint};
use tokio::sync::oneshot;

use crate::canvas::send;
use crate::ending::{Subject, exception};
use crate::engine::Engine;
use crate::gates::MAX_DEATHS;
use crate::health::tally::Outcome;
use crate::jobs::Held;
use crate::reconnect::Caller;
use crate::settle::Item;
use crate::slots::SuspectGuard;

/// Whether a delivery is the dispatch of a chord, which only a settle of our own makes.
pub(crate) fn is_dispatch(payload: &[u8], message: &Message) -> bool {
    message.task == canvas::DISPATCH && payload.starts_with(INTERNAL)
}

/// Does what a dispatch says, beside the slots: it waits for the store only.
pub(crate) fn start(engine: &Arc<Engine>, held: Arc<Held>, suspect: Option<SuspectGuard>) {
    engine.jobs.add(&held);
    let (engine, dispatched) = (Arc::clone(engine), Arc::clone(&held));
    let running = tokio::spawn(async move { run(&engine, &dispatched, suspect).await });
    // Set once, here.
    let _ = held.abort.set(running.abort_handle());
}

async fn run(engine: &Engine, held: &Arc<Held>, suspect: Option<SuspectGuard>) {
    failpoint::hit("chord.leased");
    let dispatch = match Dispatch::of(&held.message) {
        Ok(dispatch) => dispatch,
        Err(error) => return set_aside(engine, held, suspect, &error),
    };
    // Those that bring more than a worker has room for would kill this one as well.
    let parts = match held.deaths {
        MAX_DEATHS.. => None,
        _ => Some(read_parts(engine, &dispatch.group).await),
    };
    failpoint::hit("chord.parts-read");
    let Some(claim) = engine.jobs.claim(held) else { return };
    let (settlement, broken) = end(engine, held, &dispatch, parts);
    failpoint::hit("chord.built");
    let answer = hand_in(engine, held, settlement, suspect);
    drop(claim);
    // Somebody else may have sent it: a dispatch that comes again finds nothing.
    if let Some(broken) = broken
        && answer.await == Ok(Settled::Done)
    {
        say_failed(&dispatch, &broken);
    }
}

fn set_aside(engine: &Engine, held: &Arc<Held>, suspect: Option<SuspectGuard>, error: &CanvasError) {
    let Some(_claim) = engine.jobs.claim(held) else { return };
    tracing::error!(%error, "the dispatch of a chord cannot be read, set aside");
    let why = exception("queue", "CanvasError", &error.to_string());
    let settlement = Subject::new(engine, held).dead(DeadReason::Undecodable, &why);
    let counted = Some((engine.tasks.tally(""), Outcome::Dead(DeadReason::Undecodable)));
    engine.settler.settle(Item { suspect, counted, ..Item::of(held, settlement) });
}

/// Asks until the store answers; an error that will not go away is a chord without parts, which fails.
async fn read_parts(engine: &Engine, group: &str) -> Result<ChordParts, StoreError> {
    engine.outage.insist(Caller::Settle, || engine.client.store().chord_parts(group)).await
}

/// Without `parts` it is poison.
fn end(
    engine: &Engine,
    held: &Held,
    dispatch: &Dispatch,
    parts: Option<Result<ChordParts, StoreError>>,
) -> (Settlement, Option<Broken>) {
    let subject = Subject::new(engine, held);
    let mut setting = setting(&subject, dispatch);
    let sent = match parts {
        None => Err(Broken::callback("the workers that were to send it died")),
        Some(Ok(parts)) => dispatch.send_body(&parts, &mut setting),
        Some(Err(error)) => Err(Broken::join(error)),
    };
    match sent {
        Ok(plan) => {
            tracing::debug!(group = dispatch.group, "all parts of a chord are in: its body is sent");
            let mut end = subject.done();
            send(&mut end, plan);
            end.chord_end = Some(chord_end(&subject, dispatch, false));
            (end, None)
        }
        Err(broken) => (fail(&subject, dispatch, &broken, setting), Some(broken)),
    }
}

/// The end of a dispatch whose own end, which sends the body, the store refused: the body fails. `None` for what is no dispatch.
pub(crate) fn refused(engine: &Engine, held: &Held, why: &str) -> Option<Settlement> {
    let dispatch = Dispatch::of(&held.message).ok().filter(|_| is_dispatch(&held.payload, &held.message))?;
    let subject = Subject::new(engine, held);
    let setting = setting(&subject, &dispatch);
    let broken = Broken::callback(format!("the store refused it: {why}"));
    say_failed(&dispatch, &broken);
    Some(fail(&subject, &dispatch, &broken, setting))
}

fn say_failed(dispatch: &Dispatch, broken: &Broken) {
    tracing::error!(group = dispatch.group, error = %broken.why.message, "the body of a chord is not sent");
}

/// The body is not sent, and all that waits for it is told.
fn fail(subject: &Subject<'_>, dispatch: &Dispatch, broken: &Broken, mut setting: Setting) -> Settlement {
    let mut end = subject.done();
    let failure = dispatch.failure(broken);
    let (follow, wrong) = dispatch.fail(&failure, &mut setting);
    wrong.iter().for_each(|error| tracing::error!(%error, "what should follow a failed chord cannot be sent"));
    send(&mut end, follow.plan);
    end.results.extend(follow.ended.into_iter().map(|id: TaskId| subject.failed_as(id, &failure)));
    end.chords.extend(follow.parts.into_iter().map(|part| ChordStep::Part(subject.part(part))));
    end.chord_end = Some(chord_end(subject, dispatch, true));
    end
}

fn setting(subject: &Subject<'_>, dispatch: &Dispatch) -> Setting {
    dispatch.setting(subject.default_queue, subject.now(), subject.ttl).beside_celery(subject.celery)
}

fn chord_end(subject: &Subject<'_>, dispatch: &Dispatch, failed: bool) -> Box<ChordEnd> {
    let (group, token) = (dispatch.group.clone(), dispatch.token.clone());
    Box::new(ChordEnd { group, token, failed, ttl: subject.ttl })
}

/// What comes is what the store answered.
fn hand_in(
    engine: &Engine,
    held: &Arc<Held>,
    settlement: Settlement,
    suspect: Option<SuspectGuard>,
) -> oneshot::Receiver<Settled> {
    let (tell, told) = oneshot::channel();
    settlement.follow.iter().filter_map(|message| message.due).for_each(|due| engine.wakeups.due(due));
    engine.settler.settle(Item { suspect, answer: Some(tell), ..Item::of(held, settlement) });
    told
}
