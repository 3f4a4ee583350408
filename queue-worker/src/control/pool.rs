//! How many tasks run at once: grown and shrunk by remote, or by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Notify;

use super::args::{Answer, Args, value_error};
use crate::engine::Engine;

/// How often it is looked whether fewer slots would do.
const LOOK: Duration = Duration::from_secs(1);
/// How long slots must have been idle before they go; Celery's default.
const IDLE: Duration = Duration::from_secs(30);

/// Between how many slots this worker grows and shrinks by itself, if at all.
#[derive(Debug)]
pub(crate) struct Scaling {
    bounds: Mutex<Option<(usize, usize)>>,
    /// There was more work than slots.
    wanted: Notify,
}

impl Scaling {
    pub(super) fn new(bounds: Option<(usize, usize)>) -> Self {
        Self { bounds: Mutex::new(bounds), wanted: Notify::new() }
    }

    /// All slots are taken: there may be more work.
    pub(crate) fn wanted(&self) {
        self.wanted.notify_one();
    }

    /// Most and least.
    pub(super) fn bounds(&self) -> Option<(usize, usize)> {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(usize, usize)>> {
        self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `pool_grow`.
pub(super) fn grow(engine: &Engine, args: Args<'_>) -> Answer {
    let now = engine.slots.grow(args.count("n", 1)?);
    tracing::info!(slots = now, "grown by remote");
    engine.wakeups.nudge();
    Ok(json!({ "ok": "pool will grow" }))
}

/// `pool_shrink`: as slots become free; one is left.
pub(super) fn shrink(engine: &Engine, args: Args<'_>) -> Answer {
    let n = args.count("n", 1)?;
    if n >= engine.slots.concurrency() {
        return Err(value_error("Can't shrink pool. A worker keeps one slot at least."));
    }
    let now = engine.slots.shrink(n);
    tracing::info!(slots = now, "shrunk by remote");
    // Not where a worker shrinks by itself: that one grows again when there is work.
    engine.slots.look_whether_worn_out();
    // An idle worker waits in the store with all its free slots in its hands.
    engine.wakeups.nudge();
    Ok(json!({ "ok": "pool will shrink" }))
}

/// `autoscale`: other bounds.
pub(super) fn autoscale(engine: &Engine, args: Args<'_>) -> Answer {
    args.only(&["max", "min"])?;
    let (max, min) = (args.count_or_none("max")?, args.count_or_none("min")?);
    let (most, least) = {
        let mut bounds = engine.control.scaling.lock();
        let Some((old_most, old_least)) = *bounds else { return Err(value_error("Autoscale not enabled")) };
        let most = max.unwrap_or(old_most).max(1);
        let least = min.unwrap_or(old_least).clamp(1, most);
        *bounds = Some((most, least));
        (most, least)
    };
    resize(engine, engine.slots.concurrency().clamp(least, most));
    Ok(json!({ "ok": format!("autoscale now max={most} min={least}") }))
}

/// Grows as soon as all slots are taken, shrinks to what was in use lately. For ever; does nothing in a worker
/// that does not scale.
pub(crate) async fn scale(engine: Arc<Engine>) {
    let mut ticks = tokio::time::interval(LOOK);
    let mut lately = Lately::default();
    loop {
        tokio::select! {
            () = engine.control.scaling.wanted.notified() => grow_for_work(&engine),
            _ = ticks.tick() => {
                let busy = engine.jobs.len();
                if let (Some(most_busy), Some((_, least))) = (lately.note(busy), engine.control.scaling.bounds()) {
                    let enough = most_busy.max(least);
                    if enough < engine.slots.concurrency() {
                        resize(&engine, enough);
                    }
                }
            }
        }
    }
}

fn grow_for_work(engine: &Engine) {
    let Some((most, _)) = engine.control.scaling.bounds() else { return };
    let now = engine.slots.concurrency();
    if now < most {
        resize(engine, (now + now.div_ceil(2)).min(most));
    }
}

fn resize(engine: &Engine, to: usize) {
    let from = engine.slots.concurrency();
    if to == from {
        return;
    }
    tracing::info!(from, to, "autoscale");
    if to > from {
        engine.slots.grow(to - from)
    } else {
        engine.slots.shrink(from - to)
    };
    engine.wakeups.nudge();
}

/// How many slots were in use lately at most.
#[derive(Debug, Default)]
struct Lately {
    since: Option<Instant>,
    most: usize,
}

impl Lately {
    /// Notes how many are in use; once the time is over, how many were at most.
    fn note(&mut self, busy: usize) -> Option<usize> {
        self.most = self.most.max(busy);
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < IDLE {
            return None;
        }
        self.since = None;
        Some(std::mem::replace(&mut self.most, 0))
    }
}
