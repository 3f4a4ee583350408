//! Keeps the worker's leases, from a thread outside the runtime.
//!
//! A runtime that is blocked for a while by some body must not lose the leases of all the others at once. One that is
//! blocked for good must lose them: the heart beats only while the runtime has shown life within [`PATIENCE`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use queue_core::failpoint;
use queue_core::store::Beat;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::logging::causes;
use crate::reconnect::Caller;

/// How often it beats.
const EVERY: Duration = Duration::from_secs(2);
/// How often the runtime shows that it lives.
const PULSE: Duration = Duration::from_secs(1);
/// How long the runtime may show no life before the leases are let go.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let pulse = Arc::new(Pulse::new());
        tokio::spawn(show_life(Arc::clone(&pulse), stop.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ending, ended, engine) = (stop.clone(), stopped.clone().drop_guard(), Arc::clone(engine));
        std::thread::Builder::new().name("queue-heartbeat".into()).spawn(move || {
            let _ended = ended;
            runtime.block_on(async {
                tokio::select! {
                    () = ending.cancelled() => {}
                    () = beat_for_ever(&engine, &pulse) => {}
                }
            });
        })?;
        Ok(Self { stop, stopped })
    }

    /// Stops it and waits until it has stopped.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }
}

/// When the runtime last showed life.
struct Pulse {
    start: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        Self { start: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    fn show(&self) {
        self.last_ms.store(self.elapsed_ms(), Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed)))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

async fn show_life(pulse: Arc<Pulse>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(PULSE);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        pulse.show();
    }
}

async fn beat_for_ever(engine: &Engine, pulse: &Pulse) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut silent = false;
    loop {
        ticks.tick().await;
        let was_silent = std::mem::replace(&mut silent, pulse.silence() > PATIENCE);
        if silent && !was_silent {
            tracing::error!(silence = ?pulse.silence(), "the runtime is blocked: this worker's leases are let go");
        }
        if !silent {
            beat(engine).await;
        }
    }
}

async fn beat(engine: &Engine) {
    failpoint::hit("beat.before");
    match engine.consumer.beat().await {
        Ok(beat) => {
            failpoint::hit("beat.answered");
            failpoint::hit_when("beat.reclaimed", || beat.reclaimed > 0);
            engine.outage.answered(Caller::Beat);
            report(engine, &beat);
        }
        Err(error) => {
            tracing::debug!(error = %causes(&error), "no heartbeat");
            engine.outage.failed(Caller::Beat, &error);
        }
    }
}

fn report(engine: &Engine, beat: &Beat) {
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
