//! Keeps a runtime's timer at rest while calls begin and end.
//!
//! Every call has a timer for its answer, and whoever sets one that ends before all others wakes the thread that waits for
//! sockets, for it to wait less long. In a program that does nothing but send that was each call. So while a link is in use
//! a timer that ends sooner runs beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long each of its timers runs: less than any answer may take by default.
const STEP: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pace(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    runs: AtomicBool,
    used: AtomicBool,
}

impl Pace {
    /// A call begins in this runtime.
    pub(super) fn keep(&self) {
        if !self.0.used.load(Ordering::Relaxed) {
            self.0.used.store(true, Ordering::Relaxed);
        }
        if !self.0.runs.load(Ordering::Relaxed) && !self.0.runs.swap(true, Ordering::Relaxed) {
            tokio::spawn(step(Running(Arc::clone(&self.0))));
        }
    }
}

/// Says so when it ends, however that happens: a runtime drops its tasks.
struct Running(Arc<Flags>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.runs.store(false, Ordering::Relaxed);
    }
}

async fn step(running: Running) {
    while running.0.used.swap(false, Ordering::Relaxed) {
        tokio::time::sleep(STEP).await;
    }
}
