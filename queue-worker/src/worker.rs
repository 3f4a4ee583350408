//! The worker as its user sees it: built, started, stopped.

use std::collections::HashSet;
use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use queue_core::message::DecodeLimits;
use queue_core::store::StoreOptions;
use queue_core::task::{StateMap, registered};
use queue_core::{Client, NameError, QueueName};
use tokio::task::JoinHandle;

use crate::builtins::Mailer;
use crate::cli::{Flags, WeightedQueue};
use crate::engine::Config;
use crate::error::WorkerError;
use crate::health::Patience;
use crate::probe::Probe;
use crate::run::{Report, Starting};
use crate::slots::MOST;
use crate::startup::Tasks;

/// The default of [`Worker::grace`].
const GRACE: Duration = Duration::from_secs(10);

/// A worker that runs all tasks linked into this binary.
///
/// As a program of its own, with the flags of the stock worker:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     queue_worker::Worker::new().main()
/// }
/// ```
///
/// Inside another tokio program, with [`Worker::start`] or [`Worker::run`].
#[derive(Default)]
#[must_use = "a worker does nothing until it is started"]
pub struct Worker {
    state: StateMap,
    queues: Vec<Result<WeightedQueue, NameError>>,
    concurrency: Option<usize>,
    prefetch: Option<usize>,
    grace: Option<Duration>,
    result_ttl: Option<Duration>,
    result_extended: bool,
    track_started: bool,
    hostname: Option<String>,
    task_events: bool,
    autoscale: Option<(usize, usize)>,
    /// A host and a port.
    probe: Option<String>,
    /// The probe, where it answers before the worker starts.
    answering: Option<Probe>,
    patience: Patience,
}

impl Worker {
    /// A worker with the defaults of the stock one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value that tasks extract as `State<T>`. A [`Mailer`] is there unless added: [`Mailer::from_env`].
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Consumes this queue after those named before; one that is named twice is consumed as it was named first. Without any:
    /// `celery`, and the queues that tasks name as theirs.
    pub fn queue(mut self, name: impl AsRef<str>) -> Self {
        self.queues.push(QueueName::new(name).map(|queue| WeightedQueue { queue, weight: None }));
        self
    }

    /// Consumes this queue with a weight: each queue gets its share, and the share of an empty one goes to the others.
    /// Without any weight, queues are served in the order named.
    pub fn weighted_queue(mut self, name: impl AsRef<str>, weight: u32) -> Self {
        self.queues.push(QueueName::new(name).map(|queue| WeightedQueue { queue, weight: Some(weight.max(1)) }));
        self
    }

    /// How many tasks run at once, at least 1. Default: the number of CPUs.
    pub fn concurrency(mut self, tasks: usize) -> Self {
        self.concurrency = Some(tasks.max(1));
        self
    }

    /// How many messages to hold beyond those that run. Default 0: messages are leased into free slots only.
    pub fn prefetch(mut self, messages: usize) -> Self {
        self.prefetch = Some(messages);
        self
    }

    /// How long running tasks have to finish when the worker is asked to stop. Default 10 s.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = Some(time);
        self
    }

    /// How long results are kept; zero is for ever. Default: what the client says, one day.
    pub fn result_ttl(mut self, time: Duration) -> Self {
        self.result_ttl = Some(time);
        self
    }

    /// Stores with each result what was called: the task's name, its arguments, the worker, the retries, the queue and the
    /// stamps, as Celery's `result_extended`. Default: no.
    pub fn result_extended(mut self, extended: bool) -> Self {
        self.result_extended = extended;
        self
    }

    /// Stores STARTED for every task, as Celery's `task_track_started`. Default: for those with `track_started = true`.
    pub fn track_started(mut self, track: bool) -> Self {
        self.track_started = track;
        self
    }

    /// The name shown to people, `name@host`. Default: `queue@` and the host's name.
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.hostname = Some(name.into());
        self
    }

    /// Sends events about tasks (`task-received`, `task-succeeded`, …) from the start on, for `celery events`, Flower and
    /// `queue events`. Default: only once a monitor asks for them. Events about the worker are always sent.
    pub fn task_events(mut self, send: bool) -> Self {
        self.task_events = send;
        self
    }

    /// Runs between `least` and `most` tasks at once: as many as there is work for. Starts with `least`, whatever
    /// [`concurrency`](Worker::concurrency) says.
    pub fn autoscale(mut self, most: usize, least: usize) -> Self {
        let least = least.max(1);
        self.autoscale = Some((most.max(least), least));
        self
    }

    /// Answers `/live`, `/ready` and `/metrics` over HTTP on this address, from a thread outside the runtime. Port 0 takes any
    /// that is free: [`WorkerHandle::probe`]. Default: no probe.
    pub fn probe(self, address: SocketAddr) -> Self {
        self.probe_at(address.to_string())
    }

    /// As [`Worker::probe`], with a host's name or address and a port: `localhost:9091`. Of the name's addresses, the first that can
    /// be had.
    pub fn probe_at(mut self, host_and_port: impl Into<String>) -> Self {
        self.probe = Some(host_and_port.into());
        self
    }

    /// For tests: how long the runtime may be blocked, a body's poll may last, and nothing may come although it should.
    #[doc(hidden)]
    pub fn patience(mut self, runtime: Duration, poll: Duration, stalled: Duration) -> Self {
        self.patience = Patience { runtime, poll, stalled };
        self
    }

    /// Starts it on the current runtime, with the store of `client`.
    ///
    /// # Errors
    ///
    /// [`WorkerError`] when a queue's name is none, more is asked for than a worker can hold (100,000 tasks, as many messages
    /// beyond them), two tasks have one name, a task needs a state that was not
    /// added, the mailer's variables are wrong, the probe's address is taken or not found, or the store refuses.
    pub async fn start(mut self, client: Client) -> Result<WorkerHandle, WorkerError> {
        self.answer().await?;
        if self.state.get::<Mailer>().is_none() {
            self.state.insert(Mailer::from_env()?);
        }
        let tasks = Tasks::new(registered(), &self.state)?;
        let config = self.config(&tasks, client.options().result_ttl)?;
        let starting = Starting { config, tasks, state: Arc::new(self.state), client };
        let engine = starting.engine().await?;
        self.answering.iter().for_each(|probe| probe.show(&engine));
        let probe = self.answering.as_ref().map(Probe::address);
        let running = tokio::spawn(crate::run::run(Arc::clone(&engine), self.answering));
        Ok(WorkerHandle { engine, running, probe })
    }

    /// Starts the probe, unless it answers already.
    async fn answer(&mut self) -> Result<(), WorkerError> {
        if let (Some(host_and_port), None) = (&self.probe, &self.answering) {
            self.answering = Some(Probe::start(host_and_port).await?);
        }
        Ok(())
    }

    /// Starts it and runs until `shutdown` is done, then stops within the grace period.
    ///
    /// # Errors
    ///
    /// As [`Worker::start`] and [`WorkerHandle::wait`].
    pub async fn run(self, client: Client, shutdown: impl Future<Output = ()>) -> Result<Report, WorkerError> {
        let handle = self.start(client).await?;
        tokio::select! {
            () = shutdown => handle.shutdown(),
            // It ended by itself: `wait` says why.
            () = handle.stopping() => {}
        }
        handle.wait().await
    }

    /// A whole worker program: reads the command line and the environment (flags win over what was built), logs to
    /// stderr, runs until SIGTERM or Ctrl-C. The codes are [`Exit`](crate::Exit)'s.
    pub fn main(self) -> ExitCode {
        self.main_with(<Flags as clap::Parser>::parse())
    }

    /// As [`Worker::main`], for a program that has parsed its command line itself.
    pub fn main_with(self, flags: Flags) -> ExitCode {
        crate::program::main(self, flags)
    }

    /// What `flags` say, over what was built.
    pub(crate) fn with_flags(mut self, flags: &Flags) -> Self {
        if !flags.queues.is_empty() {
            self.queues = flags.queues.iter().cloned().map(Ok).collect();
        }
        self.concurrency = flags.concurrency.map(Into::into).or(self.concurrency);
        self.prefetch = flags.prefetch.or(self.prefetch);
        self.grace = flags.grace.or(self.grace);
        self.result_ttl = flags.result_ttl.or(self.result_ttl);
        self.result_extended |= flags.result_extended;
        self.track_started |= flags.track_started;
        self.hostname = flags.hostname.clone().or(self.hostname);
        self.task_events |= flags.task_events;
        self.probe = flags.probe.clone().or(self.probe);
        if let Some(crate::cli::Autoscale { most, least }) = flags.autoscale {
            self = self.autoscale(most, least);
        }
        self
    }

    /// Opens the store and starts.
    pub(crate) async fn connect(mut self, flags: &Flags) -> Result<WorkerHandle, WorkerError> {
        // Before the store is asked, which may take its time.
        self.answer().await?;
        let options = StoreOptions::with_results(flags.result_url.clone());
        let store = crate::startup::open(&flags.url, options, flags.wait.unwrap_or_default()).await?;
        self.start(Client::new(store)).await
    }

    fn config(&self, tasks: &Tasks, of_client: Option<Duration>) -> Result<Config, WorkerError> {
        let mut queues = self.queues.iter().cloned().collect::<Result<Vec<_>, _>>()?;
        if queues.is_empty() {
            let named = tasks.queues()?.into_iter().filter(|queue| *queue != QueueName::celery());
            let all = std::iter::once(QueueName::celery()).chain(named);
            queues = all.map(|queue| WeightedQueue { queue, weight: None }).collect();
        }
        let mut seen = HashSet::new();
        queues.retain(|named| seen.insert(named.queue.clone()));
        let concurrency = self.autoscale.map_or_else(|| self.concurrency.unwrap_or_else(cpus), |(_, least)| least);
        let prefetch = self.prefetch.unwrap_or(0);
        within("a concurrency", self.autoscale.map_or(concurrency, |(most, _)| most))?;
        within("a prefetch", prefetch)?;
        Ok(Config {
            weighted: queues.iter().any(|queue| queue.weight.is_some()),
            queues: queues.into_iter().map(|queue| (queue.queue, queue.weight.unwrap_or(1))).collect(),
            concurrency,
            prefetch,
            grace: self.grace.unwrap_or(GRACE),
            result_ttl: self.result_ttl.map_or(of_client, |ttl| (!ttl.is_zero()).then_some(ttl)),
            result_extended: self.result_extended,
            track_started: self.track_started,
            hostname: self.hostname.clone().unwrap_or_else(default_hostname).into(),
            limits: DecodeLimits::default(),
            task_events: self.task_events,
            autoscale: self.autoscale,
            patience: self.patience,
        })
    }
}

/// Whether a worker can hold so many.
fn within(what: &'static str, given: usize) -> Result<(), WorkerError> {
    if given > MOST { Err(WorkerError::TooMany { what, given, most: MOST }) } else { Ok(()) }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn default_hostname() -> String {
    let host = hostname::get().ok().and_then(|host| host.into_string().ok());
    format!("queue@{}", host.unwrap_or_else(|| "localhost".into()))
}

/// A running worker. Dropping the handle leaves it running.
pub struct WorkerHandle {
    engine: Arc<crate::engine::Engine>,
    running: JoinHandle<Report>,
    probe: Option<SocketAddr>,
}

impl WorkerHandle {
    /// Asks it to stop: it takes no more messages, lets tasks finish within the grace period and gives back the rest.
    pub fn shutdown(&self) {
        self.engine.phase.stop.cancel();
    }

    /// Asks it to stop at once: what runs is given back. A blocking body cannot be ended and runs on, so that
    /// its task may run twice.
    pub fn abort(&self) {
        self.engine.phase.abort.cancel();
        self.engine.phase.stop.cancel();
    }

    /// Where its probe answers, if it has one.
    pub fn probe(&self) -> Option<SocketAddr> {
        self.probe
    }

    /// Waits until the runtime has been blocked for so long that nothing on it will end the worker; says by what.
    pub(crate) async fn frozen(&self) -> WorkerError {
        self.engine.phase.frozen.cancelled().await;
        let tasks: Vec<String> =
            self.engine.health.blocking().iter().map(|one| format!("{}[{}]", one.task, one.id)).collect();
        WorkerError::Blocked { tasks: tasks.join(", ") }
    }

    /// Waits until it begins to stop, for whatever reason.
    pub async fn stopping(&self) {
        self.engine.phase.stop.cancelled().await;
    }

    /// Waits until it has stopped; [`WorkerHandle::wait`] then says how.
    pub async fn stopped(&self) {
        self.engine.phase.ended.cancelled().await;
    }

    /// Waits until it has stopped, and says what it did.
    ///
    /// # Errors
    ///
    /// [`WorkerError::Stuck`] when it stopped because half of its slots were stuck, [`WorkerError::Panicked`] when a part of
    /// the worker itself panicked or could not start.
    pub async fn wait(self) -> Result<Report, WorkerError> {
        let report = self.running.await.map_err(|_| WorkerError::Panicked)?;
        if self.engine.slots.worn_out.is_cancelled() {
            let (stuck, slots) = (self.engine.slots.stuck_now(), self.engine.slots.concurrency());
            return Err(WorkerError::Stuck { stuck, slots });
        }
        if self.engine.phase.broken.load(std::sync::atomic::Ordering::Acquire) {
            return Err(WorkerError::Panicked);
        }
        Ok(report)
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
