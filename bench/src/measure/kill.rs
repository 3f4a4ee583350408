//! What a kill -9 costs: of 5,000 jobs of 5 ms, how many are lost, how many run twice, how long until all is done.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::what::{LOST, TWICE, WHOLE};
use crate::Outcome;
use crate::lab::Lab;
use crate::noise::Span;
use crate::subject::contract::{Order, Task, numbers};
use crate::subject::{Kind, Subject};

const JOBS: usize = 5000;

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    for subject in lab.able() {
        if lab.quick && subject.kind != Kind::Ours {
            continue;
        }
        if let Err(why) = kill(lab, &subject).await {
            lab.figures.gap(subject.name, LOST, why);
        }
    }
    Ok(())
}

/// Two workers; one is killed when a third of the jobs are done.
async fn kill(lab: &mut Lab, subject: &Subject) -> Outcome<()> {
    let span = Span::begin();
    let trial = lab.trial(subject).await?;
    let file = trial.directory.join("ledger");
    let order = Order { count: JOBS as u64, task: Task::Ledger, file: file.display().to_string(), ..Order::default() };
    trial.enqueue(&order).await?;
    let concurrency = subject.few();
    let (mut victim, other) = (trial.worker(concurrency, false)?, trial.worker(concurrency, false)?);
    let mut other = [other];
    let third = || numbers::<u64>(&file).len() >= JOBS / 3;
    trial.until(&mut other, Duration::from_secs(90), third).await?;
    victim.kill().await;
    let killed = Instant::now();
    let patience = Duration::from_secs(if subject.acks { 150 } else { 30 });
    let (mut done, mut changed) = (0, Instant::now());
    loop {
        let now = distinct(&file).len();
        if now != done {
            (done, changed) = (now, Instant::now());
        }
        if done == JOBS || changed.elapsed() > patience {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A job that runs a second time may still be running.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let runs = distinct(&file);
    let mut add = |what, unit, value: f64| lab.figures.add(subject.name, what, unit, value, &span);
    add(LOST, "jobs", (JOBS - runs.len()) as f64);
    add(TWICE, "jobs", runs.values().filter(|runs| **runs > 1).count() as f64);
    if done == JOBS {
        add(WHOLE, "s", (changed - killed).as_secs_f64());
    } else {
        lab.figures.gap(subject.name, WHOLE, format!("nothing more after {patience:?}"));
    }
    let [other] = other;
    other.stop().await;
    Ok(())
}

fn distinct(file: &std::path::Path) -> HashMap<u64, u64> {
    let mut runs = HashMap::new();
    numbers::<u64>(file).into_iter().for_each(|job| *runs.entry(job).or_default() += 1);
    runs
}
