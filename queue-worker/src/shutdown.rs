//! How a worker ends: lease no more, let bodies finish within the grace period, ask the rest to end, give back what
//! has not, sign off.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use queue_core::store::{DeadReason, DeliveryTag};

use crate::ending::{Subject, exception};
use crate::engine::Engine;
use crate::health::tally::Outcome;
use crate::heartbeat::Heartbeat;
use crate::intake::take_dispatches;
use crate::jobs::Held;
use crate::logging::causes;
use crate::settle::Item;

/// How long bodies have to end after their tokens were cancelled: this much of the grace period's end, at most a fifth.
const NOTICE: Duration = Duration::from_secs(2);
/// How long the store has to take the last results, and then the sign-off.
const LAST_CALL: Duration = Duration::from_secs(5);

/// Ends the worker; how many messages it gave back.
pub(crate) async fn shut_down(engine: &Arc<Engine>, heartbeat: Heartbeat) -> usize {
    let running = engine.jobs.len();
    tracing::info!(running, grace = ?engine.config.grace, "stopping: no more messages are taken");
    finish(engine).await;
    let unfinished = cut_off(engine);
    // Ends that were being written when the rest was cut off.
    let _ = tokio::time::timeout(LAST_CALL, write_ends(engine)).await;
    let unsettled = engine.settler.waiting();
    if unsettled > 0 {
        tracing::warn!(unsettled, "the store did not take these results in time: their tasks run again elsewhere");
    }
    heartbeat.stop().await;
    let given_back = give_back(engine, unfinished).await;
    sign_off(engine).await;
    given_back
}

/// Waits until all ends are written, and what comes of them: the last part of a chord brings its dispatch.
async fn write_ends(engine: &Arc<Engine>) {
    loop {
        engine.jobs.drained().await;
        engine.settler.drained().await;
        if engine.phase.abort.is_cancelled() || take_dispatches(engine) == 0 {
            return;
        }
    }
}

/// Lets bodies finish; near the end of the grace period they are asked to.
async fn finish(engine: &Engine) {
    let grace = engine.config.grace;
    let notice = NOTICE.min(grace / 5);
    if drained_within(engine, grace - notice).await {
        return;
    }
    engine.phase.interrupted.store(true, Ordering::Release);
    engine.jobs.cancel_all();
    drained_within(engine, notice).await;
}

/// Waits until no body runs; false after `time`, or at once when the worker is told to hurry.
async fn drained_within(engine: &Engine, time: Duration) -> bool {
    tokio::select! {
        () = engine.jobs.drained() => true,
        () = engine.phase.abort.cancelled() => false,
        () = tokio::time::sleep(time) => false,
    }
}

/// Ends what still runs, as far as it can be ended; what is to be given back.
fn cut_off(engine: &Engine) -> Vec<DeliveryTag> {
    let rest = engine.jobs.claim_all();
    // All of them first: where one ends, another would begin.
    rest.iter().for_each(|held| held.course.cut_off());
    for held in &rest {
        let (task, id) = (held.message.display_name(), &held.message.id);
        tracing::warn!(task, %id, queue = %held.queue, "not finished in time: given back");
        held.cancel.cancel();
        if let Some(abort) = held.abort.get() {
            abort.abort();
        }
    }
    rest.iter().filter(|held| held.tag().is_none()).for_each(|held| lose(engine, held));
    let returned = std::mem::take(&mut *engine.returned.lock().unwrap_or_else(PoisonError::into_inner));
    rest.iter().filter_map(|held| held.tag()).chain(returned).collect()
}

/// Notes that a job that ended unfinished is to be given back.
pub(crate) fn put_back(engine: &Engine, held: &Arc<Held>) {
    match held.tag() {
        Some(tag) => engine.returned.lock().unwrap_or_else(PoisonError::into_inner).push(tag),
        None => lose(engine, held),
    }
}

/// A task that was acknowledged early has nothing to be given back: it is kept aside, so that somebody sees it.
fn lose(engine: &Engine, held: &Arc<Held>) {
    let why = "the worker stopped while running this task, which was acknowledged before its run";
    let why = exception("billiard.exceptions", "Terminated", why);
    let settlement = Subject::new(engine, held).dead(DeadReason::Failed, &why);
    let counted = Some((engine.tasks.tally(&held.message.task), Outcome::Dead(DeadReason::Failed)));
    let telling = engine.emitter.about("task-failed", &held.message).why(&why);
    engine.settler.settle(Item { telling, counted, ..Item::of(held, settlement) });
}

async fn give_back(engine: &Engine, tags: Vec<DeliveryTag>) -> usize {
    if tags.is_empty() {
        return 0;
    }
    match tokio::time::timeout(LAST_CALL, engine.consumer.give_back(&tags)).await {
        Ok(Ok(count)) => {
            tracing::info!(messages = count, "gave back what was not finished");
            count
        }
        Ok(Err(error)) => {
            tracing::warn!(error = %causes(&error), "could not give back: the messages come back when the lease ends");
            0
        }
        Err(_) => {
            tracing::warn!("the store did not answer: the messages come back when the lease ends");
            0
        }
    }
}

async fn sign_off(engine: &Engine) {
    match tokio::time::timeout(LAST_CALL, engine.consumer.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = %causes(&error), "could not sign off"),
        Err(_) => tracing::warn!("could not sign off: the store did not answer"),
    }
}
