//! The soak: many jobs, chains and chords, workers that are killed all the time, and at the end a ledger that must balance.
//!
//! A few seconds of it run with every test; `scripts/soak` runs minutes or hours of it, by the same seed the same plan.

mod faults;
mod ledger;
pub mod memory;
pub mod outages;
mod plan;
mod report;
mod workers;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use queue_core::store::{DeadReason, JobState, StoreOptions};
use queue_core::{Client, ClientOptions, QueueName, TaskId};
use tokio::time::MissedTickBehavior;

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
    /// How often one is killed.
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
            true => std::fs::remove_dir_all(dir).unwrap(),
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
        let (sent, ()) = tokio::join!(self.send(&client, &plan), self.kill(&client, &mut workers));
        let killing = began.elapsed();
        (self.tell)(&format!("{} workers killed; waiting for what is left", workers.killed.len()));
        let stuck = self.until_idle(&client, &plan, &mut workers, dir).await;
        let whole = began.elapsed() - killing;
        let (killed, fallen) = workers.stop().await;
        let runs = ledger::read(dir);
        let mut report = Report::new(self, &plan, killed.len());
        report.recovered_ms = whole.as_millis();
        report.stuck = stuck;
        report.fallen = fallen;
        let blamed = self.blamed(&client, &runs, &sent, &killed, &mut report).await;
        ledger::check(&mut report, &runs, &plan, &blamed, &killed, self.slots);
        self.check_results(&client, &sent, &blamed, &mut report).await;
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
    async fn kill(&self, client: &Client, workers: &mut Workers) {
        let mut faults = Faults::new(self);
        let mut chance = fastrand::Rng::with_seed(self.seed ^ 0x6b69_6c6c);
        let mut turns = tokio::time::interval(self.kill_every);
        // What was due while a fault took its time is not made up for, all at once.
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        while began.elapsed() < self.lasts {
            turns.tick().await;
            workers.kill_one(&mut chance);
            faults.turn(&mut chance, client).await;
        }
    }

    /// Waits until nothing is left in the queue and no dead worker in the store; how many jobs are left when nothing moves
    /// any more.
    async fn until_idle(&self, client: &Client, plan: &Plan, workers: &mut Workers, dir: &Path) -> u64 {
        let (mut last, mut moved, mut told, mut quiet) = (None, Instant::now(), Instant::now(), 0);
        loop {
            let counts = client.store().counts(&queue()).await.unwrap();
            let left = counts.ready + counts.leased + counts.scheduled;
            let now = client.store().now().await.unwrap();
            workers.tend();
            let known = client.store().workers().await.unwrap();
            let silent = known.iter().filter(|worker| worker.lease_ends <= now).count();
            let ended = ledger::ended(dir);
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
                (self.tell)(&format!("{left} left, {silent} silent workers, {ended} of {} ended", plan.labels()));
            }
            tokio::time::sleep(5 * TICK).await;
        }
    }

    /// The units that have a job which was set aside because three workers died while it was the only suspect they ran: so many
    /// kills meet some job three times. Anything else that was set aside is wrong.
    async fn blamed(
        &self,
        client: &Client,
        runs: &ledger::Runs,
        sent: &[Sent],
        killed: &HashSet<u32>,
        report: &mut Report,
    ) -> HashSet<String> {
        let (mut blamed, mut cursor) = (HashSet::new(), None);
        loop {
            let page = client.store().page(&queue(), JobState::Dead, cursor.as_ref(), 100).await.unwrap();
            for letter in page.jobs.into_iter().filter_map(|job| job.dead).map(|(_, letter)| letter) {
                let id = letter.id.unwrap_or_default();
                let of_job = || sent.iter().find(|sent| sent.id.as_str() == id).map(|sent| sent.unit.label.clone());
                let unit = runs.unit_of(&id).or_else(of_job);
                match unit.filter(|_| letter.reason == DeadReason::Poison && runs.all_killed(&id, killed)) {
                    Some(unit) => {
                        report.blamed += 1;
                        blamed.insert(unit);
                    }
                    None => report.set_aside.push(format!("{id}: {}", letter.error)),
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return blamed;
            }
        }
    }

    /// In the store's eyes each job, chain and chord has ended, with the right result.
    async fn check_results(&self, client: &Client, sent: &[Sent], blamed: &HashSet<String>, report: &mut Report) {
        let sent: Vec<_> = sent.iter().filter(|sent| !blamed.contains(&sent.unit.label)).collect();
        for some in sent.chunks(500) {
            let ids: Vec<_> = some.iter().map(|sent| sent.id.clone()).collect();
            let found = client.store().get_results(&ids).await.unwrap();
            for (sent, found) in some.iter().zip(found) {
                let expected = format!("\"result\": {},", sent.unit.result());
                match found {
                    None => report.unsettled.push(sent.unit.label.clone()),
                    Some(meta) if is_success(&meta, &expected) => {}
                    Some(meta) => {
                        let said: String = String::from_utf8_lossy(&meta).chars().take(200).collect();
                        report.wrong.push(format!("{}: {said}", sent.unit.label));
                    }
                }
            }
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

fn is_success(meta: &[u8], expected: &str) -> bool {
    let text = String::from_utf8_lossy(meta);
    text.starts_with("{\"status\": \"SUCCESS\"") && text.contains(expected)
}

fn queue() -> QueueName {
    QueueName::new(QUEUE).unwrap()
}
