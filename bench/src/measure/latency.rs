//! How long a job waits while a worker is idle, from just before it is sent until its body begins; and how late after its
//! due time a job begins that was sent for later. Producer and worker are two processes on one clock.

use std::time::Duration;

use super::what::{DUE50, DUE99, P50, P99};
use crate::Outcome;
use crate::figures::percentile;
use crate::group::Group;
use crate::lab::{Lab, Trial};
use crate::noise::Span;
use crate::subject::Subject;
use crate::subject::contract::{Order, Task, numbers};
use crate::subject::floor::{self, FLOOR};

/// Between two hand-overs.
const GAP: Duration = Duration::from_millis(10);
/// The first ones warm things up.
const WARM: u64 = 10;

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    for subject in lab.able().into_iter().chain(lab.also.clone()) {
        // The hand-over before each, so that every subject has one of its own moment.
        handover(lab).await?;
        if let Err(why) = idle_worker(lab, &subject).await {
            lab.figures.gap(subject.name, P50, why);
        }
    }
    Ok(())
}

async fn handover(lab: &mut Lab) -> Outcome<()> {
    lab.server.empty().await?;
    let (port, span, count) = (lab.server.port, Span::begin(), if lab.quick { 100 } else { 300 });
    let waits = tokio::task::spawn_blocking(move || floor::handover(port, count, GAP)).await??;
    lab.figures.add(FLOOR, P50, "ms", percentile(&waits, 0.5), &span);
    lab.figures.add(FLOOR, P99, "ms", percentile(&waits, 0.99), &span);
    Ok(())
}

async fn idle_worker(lab: &mut Lab, subject: &Subject) -> Outcome<()> {
    let span = Span::begin();
    let trial = lab.trial(subject).await?;
    let mut worker = [trial.worker(subject.few(), false)?];
    stamps(&trial, &mut worker, WARM, GAP, Duration::ZERO).await?;
    // Who looks seldom gets fewer, so that a round ends.
    let count = if subject.gap > GAP {
        25
    } else if lab.quick {
        100
    } else {
        300
    };
    let late = stamps(&trial, &mut worker, count, subject.gap, Duration::ZERO).await?;
    lab.figures.add(subject.name, P50, "ms", percentile(&late, 0.5), &span);
    lab.figures.add(subject.name, P99, "ms", percentile(&late, 0.99), &span);
    match stamps(&trial, &mut worker, 50, GAP, Duration::from_millis(1500)).await {
        Ok(late) => {
            lab.figures.add(subject.name, DUE50, "ms", percentile(&late, 0.5), &span);
            lab.figures.add(subject.name, DUE99, "ms", percentile(&late, 0.99), &span);
        }
        Err(why) => lab.figures.gap(subject.name, DUE50, why),
    }
    let [worker] = worker;
    worker.stop().await;
    Ok(())
}

/// Sends `count` stamps and waits for all; by how many milliseconds each was late.
async fn stamps(trial: &Trial, worker: &mut [Group], count: u64, gap: Duration, delay: Duration) -> Outcome<Vec<f64>> {
    let file = trial.notes().join("late");
    let before = numbers::<i64>(&file).len();
    let expected = before + usize::try_from(count)?;
    trial.enqueue(&Order { count, task: Task::Stamp, gap, delay, ..Order::default() }).await?;
    trial.until(worker, Duration::from_secs(40), || numbers::<i64>(&file).len() >= expected).await?;
    let late = numbers::<i64>(&file);
    Ok(late.get(before..).unwrap_or_default().iter().map(|us| *us as f64 / 1000.0).collect())
}
