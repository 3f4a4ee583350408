//! How fast jobs go in, and how much room one takes. Many at a time is measured where the drains fill their queues, too.

use super::what::{BULK, BY_CRATE, BYTES, SINGLE};
use crate::Outcome;
use crate::lab::Lab;
use crate::noise::Span;
use crate::subject::contract::{Order, Task};
use crate::subject::floor::{self, FLOOR};
use crate::subject::{Kind, Subject};

/// Slices of a round, ours and the floor's by turns.
const SLICES: u64 = 6;

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    let count: u64 = if lab.quick { 2000 } else { 4000 };
    let port = lab.server.port;
    let ours = lab.ours();
    for slice in 0..SLICES {
        lab.server.empty().await?;
        let span = Span::begin();
        let took = tokio::task::spawn_blocking(move || floor::single(port, count)).await??;
        lab.figures.add(FLOOR, SINGLE, "jobs/s", count as f64 / took.as_secs_f64(), &span);
        if let Some(ours) = &ours {
            single(lab, ours, count).await;
        }
        let span = Span::begin();
        let url = lab.server.url.clone();
        let took = tokio::spawn(async move { floor::single_by_crate(&url, count).await }).await??;
        lab.figures.add(BY_CRATE, SINGLE, "jobs/s", count as f64 / took.as_secs_f64(), &span);
        for (batch, name) in [(100, "enqueue, LPUSH by the hundred"), (1000, BULK)] {
            lab.server.empty().await?;
            let span = Span::begin();
            let took = tokio::task::spawn_blocking(move || floor::bulk(port, 100_000, batch)).await??;
            lab.figures.add(FLOOR, name, "jobs/s", 100_000.0 / took.as_secs_f64(), &span);
        }
        if let Some(ours) = ours.as_ref().filter(|_| slice < 2) {
            bulk(lab, ours).await;
        }
    }
    for subject in lab.able() {
        if subject.kind != Kind::Ours {
            single(lab, &subject, (subject.jobs / 4).min(count)).await;
        }
        if let Err(why) = weigh(lab, &subject).await {
            lab.figures.gap(subject.name, BYTES, why);
        }
    }
    Ok(())
}

async fn single(lab: &mut Lab, subject: &Subject, count: u64) {
    let order = Order { count, single: true, ..Order::default() };
    send(lab, subject, &order, SINGLE).await;
}

async fn bulk(lab: &mut Lab, subject: &Subject) {
    let order = Order { count: subject.jobs, ..Order::default() };
    send(lab, subject, &order, BULK).await;
}

async fn send(lab: &mut Lab, subject: &Subject, order: &Order, what: &str) {
    let span = Span::begin();
    let done = async { lab.trial(subject).await?.enqueue(order).await }.await;
    match done {
        Ok(seconds) => lab.figures.add(subject.name, what, "jobs/s", order.count as f64 / seconds, &span),
        Err(why) => lab.figures.gap(subject.name, what, why),
    }
}

/// The server's memory for each queued job with an argument of 100 bytes.
async fn weigh(lab: &mut Lab, subject: &Subject) -> Outcome<()> {
    let span = Span::begin();
    let trial = lab.trial(subject).await?;
    let weight = lab.server.info("memory", "used_memory").await?;
    let count = subject.jobs.min(50_000);
    trial.enqueue(&Order { count, task: Task::Blob, ..Order::default() }).await?;
    let grown = lab.server.info("memory", "used_memory").await? - weight;
    lab.figures.add(subject.name, BYTES, "B", grown / count as f64, &span);
    Ok(())
}
