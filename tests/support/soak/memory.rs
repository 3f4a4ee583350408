//! How much memory a worker takes as jobs go through it.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use queue_core::{Call, Client};
use serde::Serialize;

use super::{QUEUE, queue};
use crate::{Child, PATIENCE, wait_until};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// How many bytes wait in the store at most, and how many jobs.
const BACKLOG: usize = 64 << 20;
const BACKLOG_JOBS: usize = 10_000;

/// Jobs through one worker.
#[derive(Debug, Clone)]
pub struct Memory {
    /// The store; nothing else is in it.
    pub url: String,
    /// The worker program.
    pub worker: PathBuf,
    /// How many jobs.
    pub jobs: usize,
    /// Bytes of each one's argument.
    pub size: usize,
    /// How many the worker runs at once.
    pub slots: usize,
    /// After so many its memory is looked at first. No more than that wait at a time: a file that grows later fills the worker's
    /// page cache later.
    pub first: usize,
    /// How many more it fetches ahead.
    pub prefetch: usize,
    /// Tells of the progress, a line at a time.
    pub tell: fn(&str),
}

/// What a worker took, in KiB of resident memory.
#[derive(Debug, Serialize)]
pub struct Usage {
    /// `redis` or `sqlite`.
    pub store: String,
    /// How many jobs.
    pub jobs: usize,
    /// Bytes of each.
    pub size: usize,
    /// How many it may hold at a time.
    pub room: usize,
    /// Before the first job.
    pub idle: u64,
    /// After the first jobs, with nothing to do.
    pub after_first: u64,
    /// After the last.
    pub after_last: u64,
    /// The most that was seen.
    pub peak: u64,
    /// How many jobs it held at a time, at most.
    pub held: u64,
    /// Jobs in a second.
    pub per_second: u64,
}

impl Memory {
    /// Sends the jobs and looks on.
    pub async fn run(&self) -> Usage {
        let client = Client::connect(&self.url).await.unwrap();
        let worker = self.start();
        wait_until("the worker has signed on", || async { !client.store().workers().await.unwrap().is_empty() }).await;
        let mut usage = Usage {
            store: self.url.split(':').next().unwrap_or_default().to_owned(),
            jobs: self.jobs,
            size: self.size,
            room: self.slots + self.prefetch,
            idle: resident(worker.pid()),
            after_first: 0,
            after_last: 0,
            peak: 0,
            held: 0,
            per_second: 0,
        };
        let began = Instant::now();
        self.push(&client, self.first, &worker, &mut usage).await;
        usage.after_first = resident(worker.pid());
        (self.tell)(&format!("after {} jobs: {} KiB", self.first, usage.after_first));
        self.push(&client, self.jobs - self.first, &worker, &mut usage).await;
        usage.after_last = resident(worker.pid());
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        usage.per_second = self.jobs as u64 * 1000 / ms;
        usage.peak = usage.peak.max(peak(worker.pid()));
        usage
    }

    fn start(&self) -> Child {
        let (slots, prefetch) = (self.slots.to_string(), self.prefetch.to_string());
        let args = ["-Q", QUEUE, "-c", &slots, "--prefetch", &prefetch, "--log-level", "warn"];
        Child::start(&self.worker, &args, &[("QUEUE_URL", self.url.as_str())])
    }

    /// Sends so many, never more than the backlog ahead, and waits until all are done.
    async fn push(&self, client: &Client, jobs: usize, worker: &Child, usage: &mut Usage) {
        let bytes = "x".repeat(self.size);
        let call = || Call::named("soak.load").queue(QUEUE).args([&bytes]);
        let backlog = (BACKLOG / self.size).min(BACKLOG_JOBS).min(self.first).max(1);
        let batch = (backlog / 4).clamp(1, 1000);
        let (mut sent, mut left, mut moved, mut told) = (0, 0, Instant::now(), Instant::now());
        while sent < jobs || left > 0 {
            if sent < jobs && left < backlog {
                let some = batch.min(jobs - sent);
                client.send_many((0..some).map(|_| call())).await.unwrap();
                sent += some;
            } else {
                tokio::time::sleep(LOOK).await;
            }
            let counts = client.store().counts(&queue()).await.unwrap();
            usage.held = usage.held.max(counts.leased);
            usage.peak = usage.peak.max(resident(worker.pid()));
            let now = usize::try_from(counts.ready + counts.leased).unwrap();
            if now != left {
                (left, moved) = (now, Instant::now());
            }
            assert!(moved.elapsed() < PATIENCE, "{left} jobs are left, and none is done any more");
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                (self.tell)(&format!("{} of {jobs} done, {} KiB", sent - left, resident(worker.pid())));
            }
        }
    }
}

impl Usage {
    /// What is wrong with it, where so many KiB more after the last than after the first jobs are right.
    pub fn broken(&self, growth: u64) -> Vec<String> {
        let mut broken = Vec::new();
        if self.after_last > self.after_first + growth {
            broken.push(format!("it grew by {} KiB, more than {growth}", self.after_last - self.after_first));
        }
        // One more may have come to a worker that was full by then, and be on its way back.
        if self.held > self.room as u64 + 2 {
            broken.push(format!("it held {} jobs at a time, and has room for {}", self.held, self.room));
        }
        broken
    }
}

/// KiB of a process that are in memory.
fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:").unwrap_or_else(|| {
        let asked = Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()]).output().unwrap();
        let said = String::from_utf8_lossy(&asked.stdout);
        said.trim().parse().unwrap_or_else(|why| panic!("ps said {said:?} of the worker: {why}"))
    })
}

/// The most it ever was, where the system says so.
fn peak(pid: u32) -> u64 {
    status(pid, "VmHWM:").unwrap_or(0)
}

/// What Linux says of a process, in KiB.
fn status(pid: u32, what: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, jobs, size, room, idle, after_first, after_last, peak, held, per_second } = self;
        let grown = after_last.cast_signed() - after_first.cast_signed();
        writeln!(f, "{store}: {jobs} jobs of {size} bytes, {per_second} a second")?;
        writeln!(
            f,
            "  resident: {idle} KiB idle, {after_first} after the first, {after_last} after the last ({grown:+})"
        )?;
        write!(f, "  at most {peak} KiB, and {held} jobs held at a time, with room for {room}")
    }
}
