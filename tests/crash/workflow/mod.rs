//! A worker is killed in the middle of a chord of 50 and a chain of 20, at each step that it takes on their way
//! ([`STEPS`](queue_core::failpoint::STEPS)) and at each command that it sends: every message is sent once, nothing is stuck,
//! nothing is left behind.
//!
//! `QUEUE_CRASH_ROUNDS=200` tries each step so often; `QUEUE_CRASH_SEED=…` repeats the rounds of a run that failed.
#![expect(clippy::print_stderr, reason = "the report of a test")]

mod commands;
mod leftovers;
mod runs;
mod steps;
mod stop;

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use queue_core::{Call, JobHandle, group};
use queue_tests::{Bench, Child, Driver, PATIENCE, RedisServer, signal, wait_until};
use serde_json::Value;

use crate::scene::{QUEUE, Scene};
use runs::Runs;

const PARTS: usize = 50;
const STEPS: usize = 20;
/// How many tasks a worker runs at once, and how many of them its death may run again.
const SLOTS: usize = 4;

/// A store that several workers can share, fresh for each play.
pub(crate) enum Place {
    SqliteFile,
    Redis(RedisServer),
}

impl Place {
    fn new(driver: Driver) -> Self {
        match driver {
            Driver::Redis => Self::Redis(RedisServer::start(&[])),
            _ => Self::SqliteFile,
        }
    }

    async fn bench(&self) -> Bench {
        match self {
            Self::SqliteFile => Bench::open(Driver::SqliteFile).await,
            Self::Redis(server) => {
                server.command(&["FLUSHALL"]);
                Bench::at(Driver::Redis, &server.url(), |_| ()).await
            }
        }
    }
}

/// One chord and one chain, and the workers that come and go.
pub(crate) struct Play {
    scene: Scene,
    what: String,
    chord: JobHandle<Value>,
    chain: JobHandle<Value>,
    killed: usize,
}

impl Play {
    /// Sends them.
    async fn new(bench: &Bench, what: String) -> Self {
        let scene = Scene::new(bench).await;
        let call = |task| Call::named(task).queue(bench.queue(QUEUE).as_str());
        let parts = (0..PARTS).map(|n| call("crash.part").args([n]));
        let chord = scene.client().send(group(parts).then(call("crash.total").partial())).await.unwrap();
        let first = call("crash.step").args([0]).then(call("crash.step").countdown(Duration::from_millis(5)).partial());
        let chain = (2..STEPS).fold(first, |chain, _| chain.then(call("crash.step").partial()));
        let chain = scene.client().send(chain).await.unwrap();
        Self { scene, what, chord, chain, killed: 0 }
    }

    /// A worker that dies at `step`.
    fn victim(&self, generation: u64, step: &str) -> Child {
        self.worker(generation, &[("QUEUE_FAILPOINT", step)])
    }

    /// A worker of this generation: each one's clock is ahead of that of the one before, so that the dead of the one can be
    /// buried while the next lives.
    fn worker(&self, generation: u64, env: &[(&str, &str)]) -> Child {
        let ahead = ahead(generation).as_secs().to_string();
        let env: Vec<_> = env.iter().copied().chain([("CRASH_AHEAD_S", ahead.as_str())]).collect();
        self.scene.worker_with(SLOTS, &[], &env)
    }

    /// Takes back what the dead of this generation held.
    async fn bury(&mut self, generation: u64) {
        self.killed += 1;
        self.scene.bury_behind(ahead(generation + 1)).await;
    }

    /// Waits for both results, which are right.
    async fn results(&self) {
        let (chord, chain) = tokio::join!(self.chord.get(PATIENCE), self.chain.get(PATIENCE));
        assert_eq!(chord.unwrap(), (0..PARTS).sum::<usize>());
        assert_eq!(chain.unwrap(), STEPS);
    }

    /// Asks a worker to stop, once it can hear it; whether it was killed before it had.
    async fn stop_or_die(&self, mut worker: Child) -> bool {
        wait_until("it has signed on or died", || {
            let (pid, ended) = (worker.pid(), worker.ended().is_some());
            async move { ended || self.scene.bench.store.workers().await.unwrap().iter().any(|one| one.pid == pid) }
        })
        .await;
        if worker.ended().is_none() {
            signal(worker.pid(), "TERM");
        }
        let status = worker.end().await;
        assert!(status.success() || status.signal() == Some(9), "asked to stop, it ended with {status}");
        !status.success()
    }

    /// Waits for the end, with this worker and no other, and looks at what was run and what is left.
    async fn finish(self, worker: Child) -> Runs {
        self.results().await;
        self.scene.until_empty().await;
        assert!(!self.stop_or_die(worker).await);
        self.scene.dismiss_undertaker().await;
        let runs = Runs::read(&self.scene);
        runs.check(self.killed);
        leftovers::check(&self.scene.bench).await;
        runs
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.what, self.scene.log());
        }
    }
}

/// By how much the clocks of a generation are ahead: more than a lease, and two of them less than the claim to a chord stands.
fn ahead(generation: u64) -> Duration {
    Duration::from_secs(25) * u32::try_from(generation).unwrap()
}

/// Waits until it is dead, by SIGKILL.
async fn died(worker: &mut Child) {
    let status = worker.end().await;
    assert_eq!(status.signal(), Some(9), "it ended with {status}");
}

/// How often each case is tried, and by chance how.
pub(crate) struct Rounds {
    seed: u64,
    count: u64,
    by_hand: bool,
}

impl Rounds {
    fn new() -> Self {
        let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
        let (rounds, seed) = (number("QUEUE_CRASH_ROUNDS"), number("QUEUE_CRASH_SEED"));
        Self { seed: seed.unwrap_or_else(|| fastrand::u64(..)), count: rounds.unwrap_or(1), by_hand: rounds.is_some() }
    }

    /// One source of chance per round, and what to say to have it again.
    fn each(&self) -> impl Iterator<Item = (String, fastrand::Rng)> {
        let chance = |round| fastrand::Rng::with_seed(self.seed.wrapping_add(round));
        let name = |round| format!("QUEUE_CRASH_SEED={}, round {round}", self.seed);
        (0..self.count).map(move |round| (name(round), chance(round)))
    }
}
