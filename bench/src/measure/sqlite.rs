//! An SQLite file: enqueue, drain with 1, 2 and 4 processes on it, and how long each waits for its turn to write.

use std::time::Duration;

use super::drain::settled;
use super::what::{BULK, DRAIN, DRAIN_RESULTS, processes};
use crate::Outcome;
use crate::figures::percentile;
use crate::lab::Lab;
use crate::noise::Span;
use crate::subject::Subject;
use crate::subject::contract::{Order, Ran, numbers};

/// The name of ours on a file.
pub(crate) const SQLITE: &str = "queue, SQLite file";
/// Of the slowest process's waits.
pub(crate) const TURN: &str = "wait for a turn to write, p99.9, processes: 4";

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    let Some(ours) = lab.ours() else { return Ok(()) };
    // Enough of them that the start of four processes does not count for much.
    let subject = Subject { name: SQLITE, variant: "sqlite", jobs: if lab.quick { 120_000 } else { 300_000 }, ..ours };
    for (count, results) in [(1, false), (2, false), (4, false), (1, true)] {
        if let Err(why) = drain(lab, &subject, count, results).await {
            lab.figures.gap(SQLITE, &processes(count), why);
        }
    }
    if let Err(why) = waits(lab, &subject).await {
        lab.figures.gap(SQLITE, TURN, why);
    }
    Ok(())
}

/// A drain of its own, that counts for nothing else: whoever asks for turns all the time takes them from the work.
async fn waits(lab: &mut Lab, subject: &Subject) -> Outcome<()> {
    let span = Span::begin();
    let trial = lab.trial(subject).await?;
    let jobs = subject.jobs;
    trial.enqueue(&Order { count: jobs, ..Order::default() }).await?;
    let ask = [("BENCH_TURNS", "1")];
    let mut workers =
        (0..4).map(|_| trial.worker_with(subject.concurrency, false, &ask)).collect::<Outcome<Vec<_>>>()?;
    let all = || Ran::read(&trial.notes()).count >= jobs;
    trial.until(&mut workers, Duration::from_secs(60), all).await?;
    for worker in workers {
        worker.stop().await;
    }
    let files = std::fs::read_dir(trial.notes())?.flatten().map(|entry| entry.path());
    let waits = files.filter(|file| file.extension().is_some_and(|end| end == "turns"));
    let slowest = waits.map(|file| percentile(&numbers::<f64>(&file), 0.999)).fold(0.0, f64::max);
    lab.figures.add(SQLITE, TURN, "ms", slowest / 1000.0, &span);
    Ok(())
}

async fn drain(lab: &mut Lab, subject: &Subject, count: usize, results: bool) -> Outcome<()> {
    let span = Span::begin();
    let trial = lab.trial(subject).await?;
    let jobs = subject.jobs;
    let seconds = trial.enqueue(&Order { count: jobs, results, ..Order::default() }).await?;
    let mut workers = (0..count).map(|_| trial.worker(subject.concurrency, results)).collect::<Outcome<Vec<_>>>()?;
    let all = || Ran::read(&trial.notes()).count >= jobs;
    trial.until(&mut workers, Duration::from_secs(60), all).await?;
    let ran = Ran::read(&trial.notes());
    let rate = jobs as f64 * 1e6 / (settled(&trial).await?.max(ran.last_us) - ran.first_us) as f64;
    for worker in workers {
        worker.stop().await;
    }
    let figures = &mut lab.figures;
    if results {
        figures.add(SQLITE, DRAIN_RESULTS, "jobs/s", rate, &span);
        return Ok(());
    }
    figures.add(SQLITE, &processes(count), "jobs/s", rate, &span);
    figures.add(SQLITE, BULK, "jobs/s", jobs as f64 / seconds, &span);
    if count == 1 {
        figures.add(SQLITE, DRAIN, "jobs/s", rate, &span);
    }
    Ok(())
}
