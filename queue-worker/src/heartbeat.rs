//! Keeps the worker's leases, from a thread outside the runtime.
//!
//! A runtime that is blocked for a while by some body must not lose the leases of all the others at once. One that is
//! blocked for good must lose them: the heart beats only while the runtime has shown life within `Patience::runtime`. One
//! that was asked to stop has its grace period only.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use queue_core::failpoint;
use queue_core::store::Beat;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, count};
use crate::health::polls;
use crate::health::pulse::show_life;
use crate::health::watchdog::Watchdog;
use crate::logging::causes;
use crate::reconnect::Caller;

/// How often it beats.
const EVERY: Duration = Duration::from_secs(2);

/// Past the grace period, a runtime that has shown no life for so long will not end the worker.
const NO_END: Duration = Duration::from_secs(3);

/// A running heart.
pub(crate) struct Heartbeat {
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Heartbeat {
    /// Starts the thread, and the runtime's pulse.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    pub(crate) fn start(engine: &Arc<Engine>) -> io::Result<Self> {
        let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(show_life(Arc::clone(engine), stop.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ending, ended, engine) = (stop.clone(), stopped.clone().drop_guard(), Arc::clone(engine));
        std::thread::Builder::new().name("queue-heartbeat".into()).spawn(move || {
            let _ended = ended;
            runtime.block_on(async {
                tokio::select! {
                    () = ending.cancelled() => {}
                    // A runtime may end without a word to its worker: nobody runs what is held then.
                    () = engine.phase.ended.cancelled() => {}
                    () = beat_for_ever(&engine) => {}
                    () = polls::watch(&engine) => {}
                    never = end_in_time(&engine) => match never {},
                }
            });
        })?;
        Ok(Self { stop, stopped })
    }

    /// Waits until its thread has ended.
    pub(crate) async fn ended(&self) {
        self.stopped.cancelled().await;
    }

    /// Stops it and waits until it has stopped.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.ended().await;
    }
}

async fn beat_for_ever(engine: &Engine) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watchdog = Watchdog::new(engine.health.patience.stalled);
    let mut silent = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // Whoever looks now sees how many there are now.
            () = engine.slots.resized() => {}
        }
        let was_silent = silent;
        silent = is_blocked(engine, was_silent);
        if silent {
            give_up_in_time(engine);
            continue;
        }
        if was_silent {
            tracing::warn!("the runtime turns again: what this worker held may be somebody else's by now");
        }
        beat(engine, &mut watchdog).await;
    }
}

/// Whether the runtime has been silent for too long; says so where this begins.
fn is_blocked(engine: &Engine, was: bool) -> bool {
    let silence = engine.health.pulse.silence();
    let blocked = silence > engine.health.patience.runtime;
    if blocked && !was {
        tracing::error!(?silence, tasks = culprits(engine), "the runtime is blocked: this worker's leases are let go");
    }
    blocked
}

/// The tasks that block the runtime. Named or not yet: what is inside a poll now is what blocks it.
fn culprits(engine: &Engine) -> String {
    if engine.health.blocking().is_empty() {
        engine.health.set_blocking(polls::inside(engine));
    }
    let tasks: Vec<String> = engine.health.blocking().iter().map(|one| format!("{}[{}]", one.task, one.id)).collect();
    tasks.join(", ")
}

/// What stops a worker runs on its runtime. One that was asked to stop and whose runtime is blocked is given up when its
/// grace period is over.
async fn end_in_time(engine: &Engine) -> Infallible {
    engine.phase.stop.cancelled().await;
    // Over, or asked again.
    let _ = tokio::time::timeout(engine.config.grace, engine.phase.abort.cancelled()).await;
    // Twice in a row: a host that slept is silent when it wakes up, and turns at once.
    let mut looks = 0;
    while looks < 2 {
        tokio::time::sleep(NO_END / 6).await;
        looks = if engine.health.pulse.silence() > NO_END { looks + 1 } else { 0 };
    }
    tracing::error!(tasks = culprits(engine), "asked to stop, but the runtime is blocked: nothing can be given back");
    engine.phase.frozen.cancel();
    std::future::pending().await
}

/// What does not come back in twice the time will not: nobody on the runtime could end the worker any more.
fn give_up_in_time(engine: &Engine) {
    if engine.health.pulse.silence() > 2 * engine.health.patience.runtime {
        engine.phase.frozen.cancel();
    }
}

async fn beat(engine: &Engine, watchdog: &mut Watchdog) {
    failpoint::hit("beat.before");
    engine.consumer.resize(engine.slots.concurrency());
    let began = Instant::now();
    match engine.consumer.beat().await {
        Ok(beat) => {
            failpoint::hit("beat.answered");
            failpoint::hit_when("beat.reclaimed", || beat.reclaimed > 0);
            engine.outage.answered(Caller::Beat);
            count(&engine.health.beats);
            report(engine, &beat);
            watchdog.look(engine, &beat);
        }
        Err(error) => {
            tracing::debug!(error = %causes(&error), "no heartbeat");
            engine.outage.failed(Caller::Beat, began, &error);
        }
    }
}

fn report(engine: &Engine, beat: &Beat) {
    engine.health.reclaimed.fetch_add(beat.reclaimed as u64, Ordering::Relaxed);
    if beat.reclaimed > 0 || !beat.dead_workers.is_empty() {
        tracing::warn!(messages = beat.reclaimed, workers = ?beat.dead_workers, "took back what dead workers held");
    }
    if beat.fenced {
        tracing::warn!(
            held = engine.jobs.len(),
            "this worker was silent for so long that the others took its messages back: what it runs now runs again \
             elsewhere, and its results are refused"
        );
    }
    if beat.promoted > 0 || beat.reclaimed > 0 || beat.fenced {
        engine.wakeups.nudge();
    }
    if let Some(due) = beat.next_due {
        engine.wakeups.due(due);
    }
}
