//! What the parts of a running worker share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use queue_core::message::DecodeLimits;
use queue_core::store::{Consumer, DeliveryTag, StoreError};
use queue_core::task::StateMap;
use queue_core::{Client, QueueName, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::blocking::BlockingPool;
use crate::control::State as ControlState;
use crate::emitter::Emitter;
use crate::execute::runners::Runners;
use crate::health::{Health, Patience};
use crate::jobs::Jobs;
use crate::queues::Queues;
use crate::reconnect::Outage;
use crate::settle::Settler;
use crate::slots::Slots;
use crate::startup::Tasks;
use crate::wakeups::{Wakes, Wakeups};

/// A running worker.
pub(crate) struct Engine {
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) consumer: Arc<dyn Consumer>,
    pub(crate) tasks: Tasks,
    pub(crate) state: Arc<StateMap>,
    pub(crate) queues: Queues,
    pub(crate) slots: Slots,
    pub(crate) jobs: Jobs,
    pub(crate) runners: Runners,
    /// What interrupted bodies left to be given back.
    pub(crate) returned: Mutex<Vec<DeliveryTag>>,
    pub(crate) settler: Settler,
    pub(crate) blocking: BlockingPool,
    pub(crate) outage: Arc<Outage>,
    pub(crate) wakeups: Wakeups,
    pub(crate) wakes: Arc<Wakes>,
    pub(crate) time: StoreTime,
    pub(crate) phase: Phase,
    pub(crate) emitter: Arc<Emitter>,
    pub(crate) health: Arc<Health>,
    /// Where it runs.
    pub(crate) runtime: tokio::runtime::Handle,
    /// What was asked of it while it runs.
    pub(crate) control: ControlState,
}

/// What was asked of this worker, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The queues at its start, in the order named, each with its weight where weights count.
    pub(crate) queues: Vec<(QueueName, u32)>,
    pub(crate) weighted: bool,
    pub(crate) concurrency: usize,
    pub(crate) prefetch: usize,
    pub(crate) grace: Duration,
    /// `None`: results are kept for ever.
    pub(crate) result_ttl: Option<Duration>,
    /// Results say what was called.
    pub(crate) result_extended: bool,
    /// Every task stores STARTED.
    pub(crate) track_started: bool,
    pub(crate) hostname: Arc<str>,
    pub(crate) limits: DecodeLimits,
    /// Whether it sends events about tasks from its start on.
    pub(crate) task_events: bool,
    /// Between how many slots it grows and shrinks: most, least.
    pub(crate) autoscale: Option<(usize, usize)>,
    pub(crate) patience: Patience,
}

/// How far the worker is on its way to its end.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    /// Lease no more.
    pub(crate) stop: CancellationToken,
    /// Wait for nothing.
    pub(crate) abort: CancellationToken,
    /// The runtime has been blocked for so long that it will not come back.
    pub(crate) frozen: CancellationToken,
    /// All is over.
    pub(crate) ended: CancellationToken,
    /// A loop of the worker's own ended that never should.
    pub(crate) broken: AtomicBool,
    /// The bodies that still run were asked to end.
    pub(crate) interrupted: AtomicBool,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The store's time, as the client knows it.
#[derive(Debug)]
pub(crate) struct StoreTime(Client);

impl StoreTime {
    /// Asks for it once.
    ///
    /// # Errors
    ///
    /// When the store does not say.
    pub(crate) async fn of(client: &Client) -> Result<Self, StoreError> {
        client.ask_store_time().await?;
        Ok(Self(client.clone()))
    }

    /// Asks again, when `anew` or after a while, or when this host's clock was set.
    ///
    /// # Errors
    ///
    /// When the store does not say.
    pub(crate) async fn adjust(&self, anew: bool) -> Result<(), StoreError> {
        let asked = if anew { self.0.ask_store_time().await } else { self.0.store_time().await };
        asked.map(drop)
    }

    /// Now, about, by the store's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.guess_time()
    }
}

/// How often it is looked whether this host's clock was set.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps the store's time known, for ever. A worker all of whose slots are taken leases nothing, and would not notice that its host's
/// clock was set: what is tried again then would be due as much too late, or at once.
pub(crate) async fn keep_time(engine: Arc<Engine>) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // After an outage it is asked anyway.
        if engine.outage.is_on() {
            continue;
        }
        if let Err(error) = engine.time.adjust(false).await {
            tracing::debug!(%error, "the store did not tell its time");
        }
    }
}
