//! A Redis of its own, workers on it, and the ledger that tells what they begin.

use std::fs::OpenOptions;
use std::time::{Duration, Instant};

use queue_core::{Call, Client};
use tempfile::TempDir;

use super::super::{QUEUE, queue};
use super::{Back, Outages, Round};
use crate::{Child, RedisServer, SentinelSet, wait_until};

/// What a worker logs when it notices that the store is away.
const AWAY: &str = "the store does not answer";
/// How long each job takes.
const JOB_MS: u64 = 100;
/// How often the ledger is looked at.
const LOOK: Duration = Duration::from_millis(1);
/// Who has begun nothing after this is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// The store.
pub(super) enum Server {
    Alone(RedisServer),
    Sentinels(SentinelSet),
}

impl Server {
    pub(super) fn redis(flags: &[&str]) -> Self {
        Self::Alone(RedisServer::start(flags))
    }

    pub(super) fn that_sleeps() -> Self {
        Self::Alone(RedisServer::start_with_debug())
    }

    pub(super) async fn sentinels() -> Self {
        Self::Sentinels(SentinelSet::start(None).await)
    }

    pub(super) fn master(&self) -> &RedisServer {
        match self {
            Self::Alone(server) => server,
            Self::Sentinels(set) => set.master(),
        }
    }

    pub(super) fn set(&self) -> &SentinelSet {
        match self {
            Self::Sentinels(set) => set,
            Self::Alone(_) => panic!("there are no sentinels"),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Alone(server) => server.url(),
            Self::Sentinels(set) => set.url(""),
        }
    }
}

pub(super) struct Scene {
    /// Killed first.
    workers: Vec<Child>,
    pub(super) server: Server,
    dir: TempDir,
}

impl Scene {
    /// The workers have signed on.
    pub(super) async fn start(outages: &Outages, server: Server) -> Self {
        let mut scene = Self { workers: Vec::new(), server, dir: tempfile::tempdir().unwrap() };
        for number in 0..outages.workers {
            scene.hire(outages, number);
        }
        let client = scene.client().await;
        wait_until("they have signed on", || async {
            client.store().workers().await.is_ok_and(|known| known.len() == outages.workers)
        })
        .await;
        scene
    }

    fn hire(&mut self, outages: &Outages, number: usize) {
        let log = OpenOptions::new().create(true).append(true).open(self.log(number)).unwrap();
        let (ledger, url) = (self.dir.path().join("ledger").display().to_string(), self.server.url());
        let (slots, number) = (outages.slots.to_string(), number.to_string());
        let env = [("QUEUE_URL", url.as_str()), ("CRASH_LEDGER", &ledger), ("CRASH_NUMBER", &number)];
        let args = ["-Q", QUEUE, "-c", &slots, "--log-level", "info"];
        self.workers.push(Child::start_logged(&outages.worker, &args, &env, log));
    }

    fn log(&self, number: usize) -> std::path::PathBuf {
        self.dir.path().join(format!("log.{number}"))
    }

    /// A new one: connections of before an outage are no help after it.
    async fn client(&self) -> Client {
        Client::connect(&self.server.url()).await.unwrap()
    }

    /// Sends so many jobs.
    pub(super) async fn send(&self, jobs: usize) {
        let call = |n: usize| Call::named("soak.job").queue(QUEUE).args((n.to_string(), JOB_MS));
        self.client().await.send_many((0..jobs).map(call)).await.unwrap();
    }

    /// The workers have done something, and nothing is left to do.
    pub(super) async fn until_idle(&self) {
        let client = self.client().await;
        self.send(4 * self.workers.len()).await;
        wait_until("nothing is left", || async {
            client.store().counts(&queue()).await.is_ok_and(|counts| counts.ready + counts.leased == 0)
        })
        .await;
    }

    /// Every worker has said that the store is away.
    pub(super) async fn until_all_notice(&self) {
        let noticed = |number| std::fs::read_to_string(self.log(number)).is_ok_and(|log| log.contains(AWAY));
        wait_until("all have noticed", || async { (0..self.workers.len()).all(noticed) }).await;
    }

    /// How many bodies each worker has begun.
    pub(super) fn begun(&self) -> Vec<usize> {
        let mut begun = vec![0; self.workers.len()];
        let text = std::fs::read_to_string(self.dir.path().join("ledger")).unwrap_or_default();
        let workers = text.lines().filter_map(|line| line.strip_prefix("run ")?.split(' ').nth(1));
        for worker in workers.filter_map(|worker| worker.parse::<usize>().ok()) {
            begun[worker] += 1;
        }
        begun
    }

    /// Waits until each worker has begun another body than before.
    pub(super) async fn begun_since(&self, back: Back) -> Round {
        let mut first = None;
        loop {
            let again = self.begun().iter().zip(&back.begun).filter(|(now, before)| now > before).count();
            let waited = back.at.elapsed();
            if again > 0 {
                first.get_or_insert(waited);
            }
            if let Some(first) = first.filter(|_| again == self.workers.len()) {
                return Round { first, each: waited };
            }
            assert!(waited < PATIENCE, "{again} of {} workers go on\n{}", self.workers.len(), self.logs());
            tokio::time::sleep_until((Instant::now() + LOOK).into()).await;
        }
    }

    fn logs(&self) -> String {
        (0..self.workers.len()).filter_map(|number| std::fs::read_to_string(self.log(number)).ok()).collect()
    }
}
