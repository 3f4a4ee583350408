//! What an operation costs the server when little waits and when very much does: a million queued, a million scheduled,
//! 100,000 dead. Server time, not the clock; and the slowest single command by SLOWLOG.

use std::time::Duration;

use queue_core::store::JobState;
use queue_core::{Client, QueueName};

use super::what::SLOWEST;
use crate::Outcome;
use crate::lab::{Lab, Trial};
use crate::noise::Span;
use crate::subject::Subject;
use crate::subject::contract::{Order, Ran, Task};
use crate::subject::ours::{QUEUE, tasks::noop};

/// How often each operation is done.
const TIMES: usize = 20;
const LIMIT: Duration = Duration::from_secs(180);
/// Few.
pub(crate) const FEW: u64 = 1000;

/// The name of an operation's figure; `few` or the many.
pub(crate) fn name(state: &str, operation: &str, few: bool) -> String {
    format!("scale: {operation}, {} {state}", if few { "few" } else { "many" })
}

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    let Some(ours) = lab.ours() else { return Ok(()) };
    lab.server.command::<()>(&["CONFIG", "SET", "slowlog-log-slower-than", "1000"]).await?;
    let million = if lab.quick { 200_000 } else { 1_000_000 };
    for (few, count) in [(true, FEW), (false, million)] {
        queued(lab, &ours, few, count).await?;
        scheduled(lab, &ours, few, count).await?;
        dead(lab, &ours, few, if few { FEW } else { count / 10 }).await?;
    }
    Ok(())
}

/// Server time of one call of `operation`, of many.
async fn cost(lab: &mut Lab, what: String, mut operation: impl AsyncFnMut() -> Outcome<()>) -> Outcome<()> {
    let span = Span::begin();
    lab.server.reset().await?;
    for _ in 0..TIMES {
        operation().await?;
    }
    let cost = lab.server.cost(&[]).await?;
    lab.figures.add("queue", &what, "us", cost.usec / TIMES as f64, &span);
    Ok(())
}

/// Runs the whole of it with a full queue in `state`, then notes the slowest command.
async fn looking(lab: &mut Lab, client: &Client, state: JobState, label: &str, few: bool) -> Outcome<()> {
    let (store, queue) = (client.store().clone(), QueueName::new(QUEUE)?);
    lab.server.command::<()>(&["SLOWLOG", "RESET"]).await?;
    cost(lab, name(label, "counts", few), async || Ok(store.counts(&queue).await.map(drop)?)).await?;
    cost(lab, name(label, "first page", few), async || Ok(store.page(&queue, state, None, 20).await.map(drop)?))
        .await?;
    cost(lab, name(label, "look and delete one", few), async || {
        let page = store.page(&queue, state, None, 1).await?;
        let keys: Vec<_> = page.jobs.into_iter().take(1).map(|job| job.key).collect();
        store.delete(&keys).await.map(drop)?;
        Ok(())
    })
    .await
}

/// The slowest command since the last reset of the log.
async fn slowest(lab: &mut Lab, label: &str, few: bool) -> Outcome<()> {
    let log: Vec<redis::Value> = lab.server.command(&["SLOWLOG", "GET", "100"]).await?;
    let times = log.iter().filter_map(|entry| match entry {
        redis::Value::Array(fields) => match fields.get(2) {
            Some(redis::Value::Int(us)) => Some(*us as f64 / 1000.0),
            _ => None,
        },
        _ => None,
    });
    let most = times.fold(0.0, f64::max);
    lab.figures.add("queue", &name(label, SLOWEST, few), "ms", most, &Span::begin());
    Ok(())
}

/// Server time per job of a worker that takes some of the many.
async fn worked(lab: &mut Lab, trial: &Trial, ours: &Subject, label: &str, few: bool, count: u64) -> Outcome<()> {
    let span = Span::begin();
    lab.server.reset().await?;
    let mut worker = [trial.worker(ours.concurrency, false)?];
    trial.until(&mut worker, LIMIT, || Ran::read(&trial.notes()).count >= count).await?;
    let [worker] = worker;
    worker.stop().await;
    let cost = lab.server.cost(ours.outer).await?;
    let ran = Ran::read(&trial.notes()).count as f64;
    lab.figures.add("queue", &name(label, "run one (lease and settle)", few), "us", cost.usec / ran, &span);
    Ok(())
}

async fn queued(lab: &mut Lab, ours: &Subject, few: bool, count: u64) -> Outcome<()> {
    let trial = lab.trial(ours).await?;
    trial.enqueue(&Order { count, ..Order::default() }).await?;
    let client = Client::connect(&trial.url).await?;
    looking(lab, &client, JobState::Ready, "queued", few).await?;
    cost(lab, name("queued", "enqueue one", few), async || {
        client.send(noop.s(1).ignore_result(true)).await.map(drop)?;
        Ok(())
    })
    .await?;
    worked(lab, &trial, ours, "queued", few, if few { FEW } else { count / 10 }).await?;
    slowest(lab, "queued", few).await
}

async fn scheduled(lab: &mut Lab, ours: &Subject, few: bool, count: u64) -> Outcome<()> {
    let trial = lab.trial(ours).await?;
    let delay = Duration::from_secs(3600);
    trial.enqueue(&Order { count, delay, ..Order::default() }).await?;
    let client = Client::connect(&trial.url).await?;
    looking(lab, &client, JobState::Scheduled, "scheduled", few).await?;
    cost(lab, name("scheduled", "schedule one", few), async || {
        client.send(noop.s(1).ignore_result(true).countdown(delay)).await.map(drop)?;
        Ok(())
    })
    .await?;
    // Due at once, among all the others: promoted and run.
    let soon = Duration::from_millis(500);
    trial.enqueue(&Order { count: 500, delay: soon, ..Order::default() }).await?;
    worked(lab, &trial, ours, "scheduled", few, 500).await?;
    slowest(lab, "scheduled", few).await
}

async fn dead(lab: &mut Lab, ours: &Subject, few: bool, count: u64) -> Outcome<()> {
    let trial = lab.trial(ours).await?;
    trial.enqueue(&Order { count, task: Task::Fail, ..Order::default() }).await?;
    let client = Client::connect(&trial.url).await?;
    let (store, queue) = (client.store().clone(), QueueName::new(QUEUE)?);
    let worker = trial.worker(ours.concurrency, false)?;
    let begun = std::time::Instant::now();
    while store.counts(&queue).await?.dead < count {
        if begun.elapsed() > LIMIT {
            return Err("the dead letters do not gather".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    worker.stop().await;
    looking(lab, &client, JobState::Dead, "dead", few).await?;
    cost(lab, name("dead", "look and retry one", few), async || {
        let page = store.page(&queue, JobState::Dead, None, 1).await?;
        let jobs: Vec<_> = page.jobs.into_iter().take(1).map(|job| (job.key, job.payload)).collect();
        store.retry_dead(&jobs).await.map(drop)?;
        Ok(())
    })
    .await?;
    slowest(lab, "dead", few).await
}
