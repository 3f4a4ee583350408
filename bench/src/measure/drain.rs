//! How fast one worker empties a full queue, and what that costs it and the server.
//!
//! The clock runs from the first body to the last, as the worker itself notes them; ours runs on until the last job is settled.

use std::time::Duration;

use queue_core::{Client, QueueName};

use super::what::{
    BULK, BY_SCRIPTS, COMMANDS, DRAIN, DRAIN_RESULTS, RSS_AFTER, SERVER_CPU_US, SERVER_US, WORKER_US, aof, with_results,
};
use crate::Outcome;
use crate::lab::{Lab, Trial};
use crate::noise::Span;
use crate::subject::contract::{Order, Ran};
use crate::subject::floor::{self, FLOOR, Pair};
use crate::subject::list::{self, OURS_BY_DEFAULT};
use crate::subject::{Kind, Results, Subject};

/// How long a drain may take.
const LIMIT: Duration = Duration::from_secs(60);

/// One way to drain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    pub(crate) results: bool,
    pub(crate) aof: bool,
}

impl Mode {
    const ALL: [Self; 4] = [
        Self { results: false, aof: false },
        Self { results: true, aof: false },
        Self { results: false, aof: true },
        Self { results: true, aof: true },
    ];

    fn name(self) -> String {
        let name = if self.results { DRAIN_RESULTS } else { DRAIN };
        if self.aof { aof(name) } else { name.to_owned() }
    }

    fn of(self, what: &str) -> String {
        if self.results { with_results(what) } else { what.to_owned() }
    }

    /// Why this is not measured of `subject`, if it isn't.
    fn excuse(self, subject: &Subject) -> Option<&'static str> {
        match subject.results {
            Results::Never if self.results => Some("it keeps no results"),
            Results::Always if !self.results => Some("it always keeps results"),
            _ if self.aof && subject.jobs < 10_000 => Some("too slow for a file on the disk to make a difference"),
            _ => None,
        }
    }
}

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    let quick = lab.quick;
    for mode in Mode::ALL.into_iter().filter(|mode| !(mode.aof && quick)) {
        lab.server.empty().await?;
        lab.server.append_only(mode.aof).await?;
        for subject in &lab.able() {
            if let Some(why) = mode.excuse(subject) {
                lab.figures.gap(subject.name, &mode.name(), why);
                continue;
            }
            for _ in 0..times(subject) {
                match drain(lab, subject, mode).await {
                    Err(why) => lab.figures.gap(subject.name, &mode.name(), why),
                    Ok(batch) if subject.kind == Kind::Ours => {
                        floors(lab, subject, mode, batch).await?;
                        for other in std::iter::once(list::ours_by_default(subject)).chain(lab.also.clone()) {
                            if let Err(why) = drain(lab, &other, mode).await {
                                lab.figures.gap(other.name, &mode.name(), why);
                            }
                        }
                    }
                    Ok(_) => {}
                }
            }
        }
        lab.server.append_only(false).await?;
    }
    Ok(())
}

/// The fast ones that bear only few waiting jobs are done in a moment, which may be a lucky one: several moments.
fn times(subject: &Subject) -> usize {
    if subject.kind == Kind::Rust && subject.jobs < 10_000 { 5 } else { 1 }
}

/// How many jobs an exchange with the server was about.
async fn drain(lab: &mut Lab, subject: &Subject, mode: Mode) -> Outcome<usize> {
    let span = Span::begin();
    let trial = lab.trial(subject).await?;
    let count = subject.jobs;
    let seconds = trial.enqueue(&Order { count, results: mode.results, ..Order::default() }).await?;
    if subject.name != OURS_BY_DEFAULT && !mode.aof && (!mode.results || subject.results == Results::Always) {
        lab.figures.add(subject.name, BULK, "jobs/s", count as f64 / seconds, &span);
    }
    lab.server.reset().await?;
    let before = lab.server.cost(subject.outer).await?;
    let mut workers = [trial.worker(subject.concurrency, mode.results)?];
    let seen = watch(&trial, &mut workers, count).await?;
    let mut ran = Ran::read(&trial.notes());
    if subject.kind == Kind::Ours {
        ran.last_us = settled(&trial).await?.max(ran.last_us);
    }
    let after = lab.server.cost(subject.outer).await?;
    let [worker] = workers;
    let per_job = count as f64;
    let mut add = |what: &str, unit, value: f64| lab.figures.add(subject.name, what, unit, value, &span);
    add(&mode.name(), "jobs/s", per_job * 1e6 / (ran.last_us - ran.first_us).max(1) as f64);
    if !mode.aof {
        add(&mode.of(COMMANDS), "", after.calls / per_job);
        add(&mode.of(SERVER_US), "us", after.usec / per_job);
        add(&mode.of(SERVER_CPU_US), "us", (after.cpu_us - before.cpu_us) / per_job);
        add(&mode.of(RSS_AFTER), "MiB", worker.rss_mib());
        if let (Some((cpu, done)), Some(now)) = (seen, worker.cpu_us())
            && count - done > count / 3
        {
            add(&mode.of(WORKER_US), "us", (now - cpu) / (count - done) as f64);
        }
    }
    worker.stop().await;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let batch = (2.0 * per_job / after.calls.max(1.0)).round() as usize;
    Ok(batch)
}

/// Waits for all bodies. Returns the worker's CPU time and its count when it was first seen at work: what it took to
/// start is not a job's.
async fn watch(trial: &Trial, workers: &mut [crate::group::Group], count: u64) -> Outcome<Option<(f64, u64)>> {
    let notes = trial.notes();
    let begun = || Ran::read(&notes).count > 0;
    trial.until(workers, LIMIT, begun).await?;
    let seen = workers.first().and_then(crate::group::Group::cpu_us).map(|cpu| (cpu, Ran::read(&notes).count));
    trial.until(workers, LIMIT, || Ran::read(&notes).count >= count).await?;
    Ok(seen)
}

/// When the store had nothing more of the queue, Unix us.
#[expect(clippy::disallowed_methods, reason = "what is measured is the host's time, of several processes")]
pub(crate) async fn settled(trial: &Trial) -> Outcome<u64> {
    let client = Client::connect(&trial.url).await?;
    let queue = QueueName::new(crate::subject::ours::QUEUE)?;
    let begun = std::time::Instant::now();
    loop {
        let counts = client.store().counts(&queue).await?;
        if counts.ready + counts.leased + counts.scheduled == 0 {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
            return Ok(u64::try_from(now.as_micros())?);
        }
        if begun.elapsed() > LIMIT {
            return Err("the last jobs are not settled".into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The same queue emptied by bare commands, in batches of the size that ours had.
async fn floors(lab: &mut Lab, ours: &Subject, mode: Mode, batch: usize) -> Outcome<()> {
    let batch = batch.clamp(10, 250);
    for (pair, name) in [(Pair::Scripts, BY_SCRIPTS), (Pair::Plain, FLOOR)] {
        let trial = lab.trial(ours).await?;
        let count = ours.jobs;
        trial.enqueue(&Order { count, results: mode.results, ..Order::default() }).await?;
        lab.server.reset().await?;
        let before = lab.server.cost(&[]).await?;
        let (port, span) = (lab.server.port, Span::begin());
        let took = tokio::task::spawn_blocking(move || floor::drain(port, pair, mode.results, batch, count)).await?;
        match took {
            Err(why) => lab.figures.gap(name, &mode.name(), why),
            Ok(took) => {
                let outer: &[&str] = if pair == Pair::Scripts { &["evalsha"] } else { &[] };
                let cost = lab.server.cost(outer).await?;
                let mut add = |what: &str, unit, value: f64| lab.figures.add(name, what, unit, value, &span);
                add(&mode.name(), "jobs/s", count as f64 / took.as_secs_f64());
                if !mode.aof {
                    add(&mode.of(SERVER_US), "us", cost.usec / count as f64);
                    add(&mode.of(SERVER_CPU_US), "us", (cost.cpu_us - before.cpu_us) / count as f64);
                    add(&mode.of("batch size, as ours had it"), "", batch as f64);
                }
            }
        }
    }
    Ok(())
}
