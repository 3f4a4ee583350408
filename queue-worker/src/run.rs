//! A worker from its first call to the store to its last.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use queue_core::store::WorkerSpec;
use queue_core::task::StateMap;
use queue_core::{Client, TaskId};

use crate::emitter::{Emitter, emit, farewell};
use crate::engine::{Config, Engine, Phase, StoreTime, keep_time};
use crate::error::WorkerError;
use crate::fetch::fetch;
use crate::health::Health;
use crate::heartbeat::Heartbeat;
use crate::probe::Probe;
use crate::queues::Queues;
use crate::settle::Settler;
use crate::shutdown::shut_down;
use crate::slots::Slots;
use crate::startup::Tasks;

/// What a worker did in its life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Tasks that returned a value.
    pub succeeded: u64,
    /// Runs that failed and run again later.
    pub retried: u64,
    /// Runs that asked to run later.
    pub snoozed: u64,
    /// Messages set aside.
    pub dead: u64,
    /// Messages that were revoked or expired.
    pub revoked: u64,
    /// Messages given back unfinished at the end.
    pub given_back: usize,
}

/// What a worker starts from.
pub(crate) struct Starting {
    pub(crate) config: Config,
    pub(crate) tasks: Tasks,
    pub(crate) state: Arc<StateMap>,
    pub(crate) client: Client,
}

impl Starting {
    /// Signs on at the store.
    pub(crate) async fn engine(self) -> Result<Arc<Engine>, WorkerError> {
        crate::panics::install_hook();
        let Self { config, tasks, state, client } = self;
        let store = Arc::clone(client.store());
        let time = StoreTime::of(&client).await?;
        greet(&config, &tasks, &client).await?;
        let consumer = store.consumer(spec(&config)).await?;
        let (outage, wakes, health) = (Arc::default(), Arc::default(), Arc::new(Health::new(config.patience)));
        // As many unsettled ends as may gather behind a settle in flight, so that a slow store slows the leases too.
        let bound = 1_000 + 2 * config.concurrency;
        let emitter = Arc::new(Emitter::new(client.clone(), config.hostname.clone(), config.task_events));
        Ok(Arc::new(Engine {
            settler: Settler::new(
                Arc::clone(&consumer),
                Arc::clone(&outage),
                Arc::clone(&health),
                Arc::clone(&wakes),
                bound,
            ),
            wakes,
            queues: Queues::new(&config.queues),
            control: crate::control::State::new(&config),
            emitter,
            health,
            runtime: tokio::runtime::Handle::current(),
            slots: Slots::new(config.concurrency, config.prefetch),
            config,
            client,
            consumer,
            tasks,
            state,
            outage,
            time,
            jobs: Default::default(),
            runners: Default::default(),
            returned: Default::default(),
            blocking: Default::default(),
            wakeups: Default::default(),
            phase: Phase::default(),
        }))
    }
}

fn spec(config: &Config) -> WorkerSpec {
    WorkerSpec {
        incarnation: TaskId::random().as_str().replace('-', "").into(),
        hostname: config.hostname.to_string(),
        pid: std::process::id(),
        concurrency: config.concurrency,
        queues: config.queues.iter().map(|(queue, _)| queue.clone()).collect(),
    }
}

/// The first log lines: what this worker stands on, and what it does.
async fn greet(config: &Config, tasks: &Tasks, client: &Client) -> Result<(), WorkerError> {
    let store = client.store();
    let durability = store.durability().await?;
    tracing::info!(store = store.display_url(), durability = durability.summary, "connected");
    for warning in &durability.warnings {
        tracing::error!("this store breaks a promise: {warning}");
    }
    let queue =
        |(queue, weight): &(_, u32)| if config.weighted { format!("{queue}:{weight}") } else { format!("{queue}") };
    let queues: Vec<String> = config.queues.iter().map(queue).collect();
    tracing::info!(
        worker = &*config.hostname,
        queues = queues.join(", "),
        concurrency = config.concurrency,
        tasks = tasks.names().join(", "),
        "ready"
    );
    if tasks.own() == 0 {
        tracing::warn!(
            "this binary has no tasks of its own, only the built-in ones; a crate of tasks registers only when it is \
             named in the binary: write `use my_tasks as _;`"
        );
    }
    Ok(())
}

/// Runs until it is asked to stop, or half of its slots are stuck.
pub(crate) async fn run(engine: Arc<Engine>, probe: Option<Probe>) -> Report {
    let _ended = engine.phase.ended.clone().drop_guard();
    let heartbeat = match Heartbeat::start(&engine) {
        Ok(heartbeat) => heartbeat,
        Err(error) => {
            tracing::error!(%error, "no thread for the heartbeat: cannot run");
            engine.phase.broken.store(true, Ordering::Release);
            engine.phase.stop.cancel();
            return Report::default();
        }
    };
    let mut settling = {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            let refused = Arc::clone(&engine);
            engine.settler.run(&move |held, why| crate::ending::refused(&refused, held, why)).await
        })
    };
    let beside = [
        tokio::spawn(emit(Arc::clone(&engine))),
        tokio::spawn(crate::control::listen(Arc::clone(&engine))),
        tokio::spawn(crate::control::scale(Arc::clone(&engine))),
        tokio::spawn(keep_time(Arc::clone(&engine))),
    ];
    let mut fetching = tokio::spawn(fetch(Arc::clone(&engine)));
    let mut fetched = false;
    tokio::select! {
        biased;
        () = engine.phase.stop.cancelled() => {}
        // None of them ends by itself: it panicked. A worker that beats and does nothing is worse than none, and so is one that works
        // and does not beat.
        _ = &mut settling => give_up(&engine, "settles"),
        () = heartbeat.ended() => give_up(&engine, "beats"),
        _ = &mut fetching => {
            fetched = true;
            give_up(&engine, "fetches");
        }
        () = engine.slots.worn_out.cancelled() => {
            tracing::error!(stuck = engine.slots.stuck_now(), slots = engine.slots.concurrency(), "half of the slots are stuck: giving up");
            engine.phase.stop.cancel();
        }
    }
    if !fetched && fetching.await.is_err() {
        give_up(&engine, "fetches");
    }
    let given_back = shut_down(&engine, heartbeat).await;
    settling.abort();
    beside.iter().for_each(tokio::task::JoinHandle::abort);
    farewell(&engine).await;
    if let Some(probe) = probe {
        probe.close().await;
    }
    let report = report(&engine, given_back);
    tracing::info!(succeeded = report.succeeded, retried = report.retried, dead = report.dead, given_back, "stopped");
    crate::logging::write_out();
    report
}

fn give_up(engine: &Engine, what: &str) {
    tracing::error!("the part of this worker that {what} panicked: giving up");
    engine.phase.broken.store(true, Ordering::Release);
    engine.phase.stop.cancel();
}

fn report(engine: &Engine, given_back: usize) -> Report {
    let counts = &engine.health.counts;
    let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    Report {
        succeeded: get(&counts.succeeded),
        retried: get(&counts.retried),
        snoozed: get(&counts.snoozed),
        dead: get(&counts.dead),
        revoked: get(&counts.revoked),
        given_back,
    }
}
