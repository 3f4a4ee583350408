//! Bodies that are plain functions: on a thread, which nobody can end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use queue_core::task::{Context, ErrorKind, TaskError};
use tokio::sync::oneshot;

use super::Outcome;
use crate::ending::exception;
use crate::engine::Engine;
use crate::jobs::Held;
use crate::panics::catch;
use crate::slots::Slot;

/// A body on a thread of its own.
pub(super) struct Thread {
    /// With the slot, which is free once the end is settled.
    pub(super) outcome: oneshot::Receiver<(Outcome, Option<Slot>)>,
    /// Set by whoever comes first: the body that returned, or the worker that gave it up.
    pub(super) late: Arc<Mutex<bool>>,
}

impl Thread {
    /// Starts it; it holds `slot` until it returns.
    pub(super) fn start(
        engine: &Arc<Engine>,
        held: &Arc<Held>,
        slot: Option<Slot>,
        body: fn(Context) -> Outcome,
        context: Context,
    ) -> std::io::Result<Self> {
        let (tell, outcome) = oneshot::channel();
        let late = Arc::new(Mutex::new(false));
        let (given_up, engine, held) = (Arc::clone(&late), Arc::clone(engine), Arc::clone(held));
        let (runtime, span) = (tokio::runtime::Handle::current(), tracing::Span::current());
        let started = Instant::now();
        let pool = engine.blocking.clone();
        pool.run(move || {
            let _runtime = runtime.enter();
            let _span = span.enter();
            let inner = context.clone();
            let result = catch(|| context.enter_blocking(|| body(inner))).flatten();
            let mut late = given_up.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut *late, true) {
                drop(slot);
                engine.slots.unstuck();
                let (task, id) = (held.message.display_name(), &held.message.id);
                tracing::warn!(task, %id, ran = ?started.elapsed(), "a stuck task returned, its slot is free again");
                return;
            }
            drop(late);
            // Nobody listens when it is given up at this very moment: then the slot is free here.
            let _ = tell.send((result, slot));
        })?;
        Ok(Self { outcome, late })
    }
}

/// A thread cannot be ended: its slot is stuck until the body returns.
pub(super) fn leave_stuck(engine: &Engine, held: &Held, limit: Option<Duration>, late: &Mutex<bool>) {
    let mut late = late.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::replace(&mut *late, true) {
        return;
    }
    let stuck = engine.slots.stuck();
    tracing::error!(
        task = held.message.display_name(), id = %held.message.id, ?limit, stuck, slots = engine.slots.concurrency(),
        "a blocking task ran past its time limit, or does not heed its termination, and cannot be ended: its slot is \
         stuck until it returns"
    );
}

/// To be tried again: the system may have threads later.
pub(super) fn no_thread(error: &std::io::Error) -> TaskError {
    tracing::error!(%error, "no thread to run a blocking task on, trying again later");
    let exception = exception("queue", "NoThread", &error.to_string());
    TaskError {
        kind: ErrorKind::Snooze(Duration::from_secs(1)),
        exception: Box::new(exception),
        replacement: None,
        again: None,
    }
}

/// The thread is gone, and what became of its body is not known.
pub(super) fn lost_thread() -> TaskError {
    let exception = exception("queue", "LostThread", "the thread ended without an answer");
    TaskError { kind: ErrorKind::Failed, exception: Box::new(exception), replacement: None, again: None }
}
