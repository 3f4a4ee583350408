//! Whether the runtime turns: a task on it shows life every second, and whoever is outside looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

/// How often the runtime shows that it lives.
const EVERY: Duration = Duration::from_secs(1);

/// When the runtime last showed life.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    /// For how long the runtime has shown no life.
    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed)))
    }

    fn show(&self) {
        self.last_ms.store(self.elapsed_ms(), Ordering::Relaxed);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Shows life until it is stopped.
pub(crate) async fn show_life(engine: Arc<Engine>, stop: CancellationToken) {
    // Often enough for whoever has less patience.
    let mut ticks = tokio::time::interval(EVERY.min(engine.health.patience.runtime / 4));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        engine.health.pulse.show();
    }
}
