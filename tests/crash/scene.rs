//! A store, a ledger that the workers' tasks write, and the workers: processes of their own.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use queue_core::store::JobState;
use queue_core::{Call, Client, JobHandle};
use queue_tests::{Bench, Child, PATIENCE, SECOND, TestWorker, get, signal, wait_for, wait_until};
use serde::Serialize;
use tempfile::TempDir;

/// The queue that the workers consume.
pub(crate) const QUEUE: &str = "crash";

pub(crate) struct Scene {
    pub(crate) bench: Bench,
    client: Client,
    undertaker: TestWorker,
    dir: TempDir,
    /// Who was started, in order; each has a log of its own.
    started: Mutex<Vec<u32>>,
}

impl Scene {
    pub(crate) async fn new(bench: &Bench) -> Self {
        let client = Client::new(bench.store.clone());
        let undertaker = bench.worker("undertaker", &[QUEUE]).await;
        Self { bench: bench.clone(), client, undertaker, dir: tempfile::tempdir().unwrap(), started: Mutex::default() }
    }

    /// Enqueues `task` with these arguments.
    pub(crate) async fn send(&self, task: &'static str, args: impl Serialize) -> JobHandle {
        self.client.send(self.call(task, args)).await.unwrap()
    }

    /// Waits for a job's result: the id of the process that ran it.
    pub(crate) async fn ran_by(&self, job: &JobHandle) -> u32 {
        serde_json::from_value(job.get(PATIENCE).await.unwrap()).unwrap()
    }

    /// Enqueues `crash.note` for each of these labels.
    pub(crate) async fn send_notes(&self, labels: &[String]) -> Vec<JobHandle> {
        self.client.send_many(labels.iter().map(|label| self.call("crash.note", [label]))).await.unwrap()
    }

    fn call(&self, task: &'static str, args: impl Serialize) -> Call {
        Call::named(task).args(args).queue(self.bench.queue(QUEUE).as_str())
    }

    /// Starts a worker of so many slots.
    pub(crate) fn worker(&self, concurrency: usize, more: &[&str]) -> Child {
        self.worker_with(concurrency, more, &[])
    }

    /// As [`Scene::worker`], with more variables.
    pub(crate) fn worker_with(&self, concurrency: usize, more: &[&str], env: &[(&str, &str)]) -> Child {
        self.start(env!("CARGO_BIN_EXE_crash-worker"), &[], concurrency, more, env)
    }

    fn start(&self, program: &str, first: &[&str], concurrency: usize, more: &[&str], env: &[(&str, &str)]) -> Child {
        let (queue, concurrency) = (self.bench.queue(QUEUE).to_string(), concurrency.to_string());
        let args = ["-Q", &queue, "-c", &concurrency, "--log-level", "info"];
        let args: Vec<_> = first.iter().copied().chain(args).chain(more.iter().copied()).collect();
        let ledger = self.ledger().display().to_string();
        let always = [("QUEUE_URL", self.bench.url()), ("CRASH_LEDGER", ledger.as_str())];
        let env: Vec<_> = always.into_iter().chain(env.iter().copied()).collect();
        let mut started = self.started.lock().unwrap();
        let log = OpenOptions::new().create(true).append(true).open(self.log_file(started.len())).unwrap();
        let worker = Child::start_logged(program, &args, &env, log);
        started.push(worker.pid());
        worker
    }

    /// Starts a worker of so many slots after a shell has done this (set a limit) to itself.
    pub(crate) fn worker_after(&self, shell: &str, concurrency: usize) -> Child {
        let script = format!("{shell} && exec \"$0\" \"$@\"");
        let worker = env!("CARGO_BIN_EXE_crash-worker");
        self.start("sh", &["-c", &script, worker], concurrency, &[], &[])
    }

    /// Waits until a worker has logged this.
    pub(crate) async fn until_logged(&self, text: &str) {
        wait_until(text, || async { self.log().contains(text) }).await;
    }

    /// Where the last worker that was given a probe answers, as it has logged; it is ready by then.
    pub(crate) async fn probe(&self) -> SocketAddr {
        let address = wait_for("a probe answers", || async {
            let log = self.log();
            let line = log.lines().rfind(|line| line.contains("the probe answers"))?;
            line.split([' ', '=']).find_map(|word| word.parse().ok())
        })
        .await;
        wait_until("it is ready", || async { get(address, "/ready").await.0 == 200 }).await;
        address
    }

    /// Takes back what dead processes held. To be called while no worker runs that shall live: the clock it uses is ahead.
    pub(crate) async fn bury(&self) -> usize {
        self.bench.bury(&[&self.undertaker]).await
    }

    /// Takes back what dead processes held, while a worker whose clock is `ahead` of the true time lives on.
    pub(crate) async fn bury_behind(&self, ahead: Duration) -> usize {
        let digger = self.bench.worker("digger", &[QUEUE]).await;
        let skew = Duration::from_millis(self.bench.clock.skew_ms().unsigned_abs());
        // Its sweeps come at `ahead`, and two and four seconds later: more than the grace, less than a lease.
        self.bench.advance(ahead.saturating_sub(skew + 2 * SECOND));
        let reclaimed = self.bench.live(6 * SECOND, &[&digger]).await;
        digger.close().await.unwrap();
        reclaimed
    }

    /// Lets the undertaker go: what is left then is what workers left.
    pub(crate) async fn dismiss_undertaker(&self) {
        self.undertaker.close().await.unwrap();
    }

    /// What sends to the scene's queue.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The lines of the ledger that begin with this word, without it.
    pub(crate) fn lines(&self, what: &str) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.ledger()).unwrap_or_default();
        let words = text.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        words.filter(|words| words[0] == what).map(|mut words| words.split_off(1)).collect()
    }

    /// What the workers logged, one after the other in the order in which they were started.
    pub(crate) fn log(&self) -> String {
        let count = self.started.lock().unwrap().len();
        (0..count).map(|number| self.log_numbered(number)).collect()
    }

    /// What this worker logged.
    pub(crate) fn log_of(&self, pid: u32) -> String {
        let number = self.started.lock().unwrap().iter().rposition(|started| *started == pid).unwrap();
        self.log_numbered(number)
    }

    fn log_numbered(&self, number: usize) -> String {
        std::fs::read_to_string(self.log_file(number)).unwrap_or_default()
    }

    fn log_file(&self, number: usize) -> PathBuf {
        self.dir.path().join(format!("log.{number}"))
    }

    /// Lets the jobs of a process (by id), or of `all`, come to their end.
    pub(crate) fn open_gate(&self, whose: &str) {
        std::fs::write(self.dir.path().join(format!("gate.{whose}")), "").unwrap();
    }

    /// How often each label was written down with this word.
    pub(crate) fn written(&self, what: &str) -> BTreeMap<String, usize> {
        let mut written = BTreeMap::new();
        let text = std::fs::read_to_string(self.ledger()).unwrap_or_default();
        for mut words in text.lines().map(|line| line.split(' ')) {
            if words.next() == Some(what) {
                *written.entry(words.next().unwrap().to_owned()).or_default() += 1;
            }
        }
        written
    }

    /// Whether this process has written this line.
    pub(crate) fn has_written(&self, what: &str, label: &str, pid: u32) -> bool {
        let text = std::fs::read_to_string(self.ledger()).unwrap_or_default();
        text.lines().any(|line| line == format!("{what} {label} {pid}"))
    }

    /// Waits until so many labels were written down with this word.
    pub(crate) async fn until_written(&self, what: &str, count: usize) {
        wait_until(&format!("{count} labels `{what}`"), || async { self.written(what).len() >= count }).await;
    }

    /// Waits until the queue holds nothing but dead letters.
    pub(crate) async fn until_empty(&self) {
        wait_until("the queue is empty", || async {
            let counts = self.bench.counts(QUEUE).await;
            (counts.ready, counts.leased, counts.scheduled) == (0, 0, 0)
        })
        .await;
    }

    /// Nothing is left over: what there is has an owner and an end.
    pub(crate) async fn nothing_is_left_over(&self) {
        assert_eq!(self.bench.orphans().await, []);
    }

    pub(crate) async fn dead(&self) -> Vec<queue_core::store::Job> {
        self.bench.page(QUEUE, JobState::Dead, 100).await.jobs
    }

    /// Asks a worker to stop and waits until it has.
    pub(crate) async fn stop(&self, mut worker: Child) {
        signal(worker.pid(), "TERM");
        let status = worker.end().await;
        assert!(status.success(), "asked to stop, it ended with {status}");
    }

    /// SIGSTOP, at a moment at which the worker holds no lock: a process that is halted in the middle of a transaction on
    /// a file halts everybody, which is no matter of leases.
    pub(crate) async fn halt(&self, worker: &Child) {
        let Some(file) = self.bench.url().strip_prefix("sqlite:") else { return signal(worker.pid(), "STOP") };
        let file = rusqlite::Connection::open(file).unwrap();
        file.busy_timeout(std::time::Duration::from_millis(100)).unwrap();
        wait_until("it holds no lock", || async {
            signal(worker.pid(), "STOP");
            let free = file.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok();
            if !free {
                signal(worker.pid(), "CONT");
            }
            free
        })
        .await;
    }

    fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }
}

impl Drop for Scene {
    /// What the workers logged tells why a test has failed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.log());
        }
    }
}
