//! How long a body may run, and how long it is under suspicion.

use std::future::Future;
use std::time::Duration;

use queue_core::task::Cancel;

use crate::engine::Engine;
use crate::jobs::Held;
use crate::reconnect::Caller;
use crate::slots::SuspectGuard;

/// Runs `body`: its token is cancelled after `soft`; `None` when it was not done after `hard`.
pub(super) async fn within<F: Future>(
    body: F,
    soft: Option<Duration>,
    hard: Option<Duration>,
    cancel: &Cancel,
) -> Option<F::Output> {
    // Nearly all tasks, and no timer for them.
    if soft.is_none() && hard.is_none() {
        return Some(body.await);
    }
    let mut body = std::pin::pin!(body);
    let started = tokio::time::Instant::now();
    if let Some(soft) = soft
        && hard.is_none_or(|hard| soft < hard)
    {
        if let Ok(output) = tokio::time::timeout(soft, &mut body).await {
            return Some(output);
        }
        tracing::warn!(limit = ?soft, "task ran past its soft time limit, asking it to end");
        cancel.cancel();
    }
    match hard {
        Some(hard) => tokio::time::timeout(hard.saturating_sub(started.elapsed()), body).await.ok(),
        None => Some(body.await),
    }
}

/// Awaits `body` until the job is terminated: its context is told, and it has `obedience` to end by itself. `None` when
/// it did not.
pub(super) async fn unless_terminated<F: Future>(body: F, held: &Held, obedience: Duration) -> Option<F::Output> {
    let mut body = std::pin::pin!(body);
    tokio::select! {
        biased;
        output = &mut body => return Some(output),
        () = held.course.termination() => held.cancel.cancel(),
    }
    if obedience.is_zero() {
        return None;
    }
    Box::pin(tokio::time::timeout(obedience, body)).await.ok()
}

/// Awaits `body`; a suspect that has run for `after` without taking the worker along is taken off suspicion.
pub(super) async fn absolving<F: Future>(
    body: F,
    after: Option<Duration>,
    engine: &Engine,
    held: &Held,
    suspect: &mut Option<SuspectGuard>,
) -> F::Output {
    let Some(after) = after else { return body.await };
    let mut body = std::pin::pin!(body);
    tokio::select! {
        output = &mut body => return output,
        () = tokio::time::sleep(after) => {}
    }
    // To its end, even if the body ends first: half absolved, the tag would name a place where the message is no more.
    let (output, ()) = tokio::join!(body, absolve(engine, held, suspect));
    output
}

async fn absolve(engine: &Engine, held: &Held, suspect: &mut Option<SuspectGuard>) {
    let Some(tag) = held.tag() else { return };
    // It may have happened: until that is known nobody knows where the message is, so it cannot be settled.
    match engine.outage.insist(Caller::Settle, || engine.consumer.absolve(&tag)).await {
        Ok(Some(tag)) => {
            held.set_tag(Some(tag));
            suspect.take();
            tracing::info!("a task whose worker had died before runs well: no longer a suspect");
        }
        Ok(None) => tracing::warn!("the lease of this task was lost while it runs"),
        Err(error) => tracing::warn!(%error, "a suspect could not be absolved"),
    }
}
