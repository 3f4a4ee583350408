//! The soak: many jobs, chains and chords, workers that are killed all the time, and at the end a ledger that must balance.
//!
//! A few seconds of it run with every test; `scripts/soak` runs minutes or hours of it, by the same seed the same plan.

mod empty;
mod faults;
mod ledger;
pub mod memory;
pub mod outages;
mod outcome;
mod plan;
mod report;
#[cfg(test)]
mod tests;
mod workers;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use queue_core::store::{JobState, StoreOptions};
use queue_core::{Client, ClientOptions, QueueName, TaskId};
use tokio::time::MissedTickBehavior;

pub use self::empty::{Unfit, must_be_empty};
use self::faults::Faults;
use self::plan::{Plan, Unit};
pub use self::report::Report;
use self::workers::Workers;

/// The queue of the soak.
const QUEUE: &str = "soak";
/// How many units are sent at once.
const CHUNK: usize = 200;
/// So many looks that find nothing are enough.
const QUIET: u32 = 5;
/// How often there is something to do.
const TICK: Duration = Duration::from_millis(20);

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Soak {
    /// The store; nothing else is in it.
    pub url: String,
    /// The same plan again by the same seed.
    pub seed: u64,
    /// How many jobs there are, those of chains and chords among them.
    pub jobs: usize,
    /// How long workers are killed; the jobs are sent within this time.
    pub lasts: Duration,
    /// How often one is killed; not while none of them has begun anything.
    pub kill_every: Duration,
    /// How many there are at a time.
    pub workers: usize,
    /// How many jobs each runs at once.
    pub slots: usize,
    /// Redis: connections are cut and scripts forgotten, too.
    pub faults: bool,
    /// The worker program.
    pub worker: PathBuf,
    /// The program `queue`, for its doctor.
    pub doctor: PathBuf,
    /// How long nothing may move before what is left counts as stuck.
    pub patience: Duration,
    /// Tells of the progress, a line at a time.
    pub tell: fn(&str),
}

/// What was sent, and where its result will be.
struct Sent {
    /// Job, chain or chord.
    unit: Unit,
    id: TaskId,
}

impl Soak {
    /// Whether the store has faults of its own: a file has none.
    fn has_faults(&self) -> bool {
        self.faults && self.url.starts_with("redis")
    }

    /// Runs it.
    pub async fn run(&self) -> Report {
        // Kept until all is well: whatever stops this, ledger and log are there.
        let dir = tempfile::tempdir().unwrap().keep();
        (self.tell)(&format!("ledger and log: {}", dir.display()));
        let mut report = self.run_in(&dir).await;
        match report.is_well() {
            true => self.clear(&dir).await,
            false => report.kept = Some(dir.display().to_string()),
        }
        report
    }

    async fn run_in(&self, dir: &Path) -> Report {
        let client = self.client().await;
        let plan = Plan::new(self.seed, self.jobs);
        let mut workers = Workers::start(self, dir);
        let began = Instant::now();
        // Faults do not wait for what is just being sent.
        let (sent, ()) = tokio::join!(self.send(&client, &plan), self.kill(&client, &plan, &mut workers));
        let killing = began.elapsed();
        (self.tell)("no more kills; waiting for what is left");
        let stuck = self.until_idle(&client, &plan, &mut workers).await;
        let whole = began.elapsed() - killing;
        let (ledger, fallen) = workers.stop().await;
        let mut report = Report::new(self, &plan);
        report.recovered_ms = whole.as_millis();
        report.stuck = stuck;
        report.fallen = fallen;
        let blamed = outcome::set_aside(&client, &ledger, &plan, &mut report).await;
        ledger.check(&mut report, &plan, &blamed.labels, self.slots);
        outcome::results(&client, &sent, &blamed, &mut report).await;
        drop(client);
        report.orphans = self.ask_doctor(&mut report.notes);
        report
    }

    /// Sends are tried again for as long as anything here may take, and each of them so that it cannot happen twice: whatever
    /// is cut meanwhile, all is sent once, and no outcome stays unknown.
    async fn client(&self) -> Client {
        let options = ClientOptions { retry_for: self.patience, ..ClientOptions::default() };
        Client::connect_with(&self.url, StoreOptions::default(), options).await.unwrap()
    }

    /// Nothing stays of what went well: no ledger, no log, and nothing set aside that the next round would find.
    async fn clear(&self, dir: &Path) {
        let client = Client::connect(&self.url).await.unwrap();
        client.store().purge(&queue(), JobState::Dead).await.unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// Sends everything over the time it lasts.
    async fn send(&self, client: &Client, plan: &Plan) -> Vec<Sent> {
        let (began, mut sent, mut told) = (Instant::now(), Vec::new(), 0);
        while sent.len() < plan.units.len() {
            let due = plan.due(began.elapsed(), self.lasts).min(sent.len() + CHUNK);
            if due > sent.len() {
                sent.extend(plan::send(client, &plan.units[sent.len()..due]).await);
            } else {
                tokio::time::sleep(TICK).await;
            }
            if began.elapsed().as_secs() / 5 > told {
                told = began.elapsed().as_secs() / 5;
                (self.tell)(&format!("{} s: {} of {} units sent", told * 5, sent.len(), plan.units.len()));
            }
        }
        sent
    }

    /// Kills a worker at each turn.
    async fn kill(&self, client: &Client, plan: &Plan, workers: &mut Workers) {
        let mut faults = Faults::new(self);
        let mut chance = fastrand::Rng::with_seed(self.seed ^ 0x6b69_6c6c);
        let mut turns = tokio::time::interval(self.kill_every);
        // What was due while a fault took its time is not made up for, all at once.
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        while self.is_time_to_kill(began.elapsed(), plan, workers) {
            turns.tick().await;
            workers.kill_one(&mut chance);
            faults.turn(&mut chance, client).await;
        }
    }

    /// For as long as it lasts; on a host so busy that no kill has met a job by then, until one does or none is left.
    fn is_time_to_kill(&self, elapsed: Duration, plan: &Plan, workers: &Workers) -> bool {
        let none_met = || !workers.ledger.has_met() && workers.ledger.ended < plan.labels;
        elapsed < self.lasts || (elapsed < self.lasts + self.patience && none_met())
    }

    /// Waits until nothing is left in the queue and no dead worker in the store; how many jobs are left when nothing moves
    /// any more.
    async fn until_idle(&self, client: &Client, plan: &Plan, workers: &mut Workers) -> u64 {
        let (mut last, mut moved, mut told, mut quiet) = (None, Instant::now(), Instant::now(), 0);
        loop {
            let counts = client.store().counts(&queue()).await.unwrap();
            let left = counts.ready + counts.leased + counts.scheduled;
            let now = client.store().now().await.unwrap();
            workers.tend();
            let known = client.store().workers().await.unwrap();
            let silent = known.iter().filter(|worker| worker.lease_ends <= now).count();
            workers.ledger.read_on();
            let ended = workers.ledger.ended;
            // What a settle sends while the parts of the queue are counted may be in none of them.
            quiet = if left == 0 && silent == 0 { quiet + 1 } else { 0 };
            if quiet == QUIET {
                return 0;
            }
            let state = Some((left, silent, ended));
            if last != state {
                (last, moved) = (state, Instant::now());
            }
            if moved.elapsed() > self.patience {
                return left.max(silent as u64);
            }
            if told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                (self.tell)(&format!("{left} left, {silent} silent workers, {ended} of {} ended", plan.labels));
            }
            tokio::time::sleep(5 * TICK).await;
        }
    }

    /// How many orphans `queue doctor` finds.
    fn ask_doctor(&self, notes: &mut Vec<String>) -> u64 {
        let mut doctor = std::process::Command::new(&self.doctor);
        let asked = doctor.args(["--url", &self.url, "doctor", "--orphans", "--json"]).output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&asked.stdout)
            .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&asked.stderr)));
        let orphans = said["orphans"].as_array().unwrap();
        notes.extend(orphans.iter().take(20).map(|orphan| format!("orphan: {orphan}")));
        said["count"].as_u64().unwrap()
    }
}

fn queue() -> QueueName {
    QueueName::new(QUEUE).unwrap()
}
