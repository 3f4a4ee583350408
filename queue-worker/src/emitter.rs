//! Tells monitors what this worker does: events about itself always, events about tasks when somebody asked for them.
//!
//! What happens is only put into a list here; a task beside the work publishes it, one post after the other, so that
//! what happens meanwhile goes out together. A store that does not answer costs events and nothing else.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use queue_core::events::{Event, repr, text_repr};
use queue_core::message::{Json, Message};
use queue_core::task::Exception;
use queue_core::{Client, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::host;

/// How often a worker says that it lives; monitors believe it for twice as long.
const EVERY: Duration = Duration::from_secs(5);
/// Events that wait to be published; the oldest give way.
const BACKLOG: usize = 10_000;
/// Events that one post carries.
const MAX_BATCH: usize = 500;
/// How long the last events may take.
const LAST_CALL: Duration = Duration::from_secs(2);

/// Takes what happens. See the module.
pub(crate) struct Emitter {
    client: Client,
    hostname: Arc<str>,
    on: AtomicBool,
    waiting: Mutex<VecDeque<Event>>,
    arrived: Notify,
    /// A heartbeat was asked for.
    beat: Notify,
}

impl Emitter {
    pub(crate) fn new(client: Client, hostname: Arc<str>, on: bool) -> Self {
        let (on, waiting) = (AtomicBool::new(on), Mutex::default());
        Self { client, hostname, on, waiting, arrived: Notify::new(), beat: Notify::new() }
    }

    /// Whether events about tasks are sent.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Sends events about tasks from now on, or none; what it was before.
    pub(crate) fn switch(&self, on: bool) -> bool {
        self.on.swap(on, Ordering::Relaxed)
    }

    /// Sends a heartbeat now.
    pub(crate) fn beat_now(&self) {
        self.beat.notify_one();
    }

    /// An event about a task, where they are sent, to be told when it is true.
    pub(crate) fn about(self: &Arc<Self>, kind: &str, message: &Message) -> Telling {
        // Nearly always, and then it costs nothing more.
        if !self.is_on() {
            return Telling::default();
        }
        let event = self.event(kind).with("uuid", message.id.as_str());
        Telling(Some(Box::new(Told { emitter: Arc::clone(self), event })))
    }

    /// The message was taken in.
    pub(crate) fn received(&self, message: &Message) {
        if self.is_on() {
            self.push(self.event("task-received").about(message));
        }
    }

    /// Its body begins.
    pub(crate) fn started(&self, message: &Message) {
        if self.is_on() {
            self.push(self.event("task-started").with("uuid", message.id.as_str()));
        }
    }

    fn push(&self, event: Event) {
        let mut waiting = self.lock();
        if waiting.len() >= BACKLOG {
            waiting.pop_front();
        }
        waiting.push_back(event);
        drop(waiting);
        self.arrived.notify_one();
    }

    fn event(&self, kind: &str) -> Event {
        Event::new(kind, &self.hostname, self.now(), self.client.lamport())
    }

    fn now(&self) -> Timestamp {
        self.client.guess_time()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn publish_waiting(&self) {
        loop {
            let batch: Vec<Event> = {
                let mut waiting = self.lock();
                let count = waiting.len().min(MAX_BATCH);
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                return;
            }
            let (topic, payload) = Event::multi(&batch);
            if let Err(error) = self.client.store().publish(&topic, &payload).await {
                tracing::debug!(%error, lost = batch.len(), "events were not published");
            }
        }
    }
}

/// An event on its way to the moment when it is true; nothing where none is sent.
#[derive(Default)]
pub(crate) struct Telling(Option<Box<Told>>);

struct Told {
    emitter: Arc<Emitter>,
    event: Event,
}

impl Telling {
    /// It is true now.
    pub(crate) fn tell(self) {
        if let Some(told) = self.0 {
            told.emitter.push(told.event);
        }
    }

    /// Says why it failed.
    pub(crate) fn why(self, why: &Exception) -> Self {
        self.with("exception", || format!("{}({})", why.exc_type, text_repr(&why.message)).into())
            .with("traceback", || why.traceback.clone().into())
    }

    /// Says why it did not run, or not to its end.
    pub(crate) fn revoked(self, signal: Option<i32>, expired: bool) -> Self {
        self.with("terminated", || signal.is_some().into())
            .with("signum", || signal.into())
            .with("expired", || expired.into())
    }

    /// Says what it returned, and how long it took.
    pub(crate) fn returned(self, result: &Json, runtime: Duration) -> Self {
        self.with("result", || repr(result.as_ref()).into()).with("runtime", || runtime.as_secs_f64().into())
    }

    /// Says more, where anything is said.
    pub(crate) fn with(mut self, name: &str, value: impl FnOnce() -> Value) -> Self {
        if let Some(told) = &mut self.0 {
            told.event.fields.insert(name.to_owned(), value());
        }
        self
    }
}

/// Publishes what happens, and that this worker lives, for ever.
pub(crate) async fn emit(engine: Arc<Engine>) {
    publish(&engine, "worker-online").await;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => publish(&engine, "worker-heartbeat").await,
            () = engine.emitter.beat.notified() => publish(&engine, "worker-heartbeat").await,
            () = engine.emitter.arrived.notified() => engine.emitter.publish_waiting().await,
        }
    }
}

/// The last events: what still waits, and that this worker is gone.
pub(crate) async fn farewell(engine: &Engine) {
    let last = async {
        engine.emitter.publish_waiting().await;
        publish(engine, "worker-offline").await;
    };
    // A store that does not answer does not hold up the end.
    let _ = tokio::time::timeout(LAST_CALL, last).await;
}

async fn publish(engine: &Engine, kind: &str) {
    let event = engine.emitter.event(kind);
    let event = about_worker(engine).into_iter().fold(event, |event, (name, value)| event.with(name, value));
    let (topic, payload) = event.post();
    if let Err(error) = engine.client.store().publish(&topic, &payload).await {
        tracing::debug!(%error, kind, "an event was not published");
    }
}

/// What each event about the worker says.
fn about_worker(engine: &Engine) -> [(&'static str, Value); 7] {
    [
        ("freq", json!(EVERY.as_secs_f64())),
        ("active", json!(engine.jobs.running())),
        ("processed", json!(engine.tasks.accepted())),
        ("loadavg", json!(host::load())),
        ("sw_ident", json!("queue")),
        ("sw_ver", json!(env!("CARGO_PKG_VERSION"))),
        ("sw_sys", json!(host::system())),
    ]
}
