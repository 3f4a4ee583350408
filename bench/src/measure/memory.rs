//! A worker's memory after many jobs: a queue that leaks or hoards shows here.

use std::time::Duration;

use super::what::GREW;
use crate::Outcome;
use crate::lab::Lab;
use crate::noise::Span;
use crate::subject::contract::{Order, Ran};

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    let Some(ours) = lab.ours() else { return Ok(()) };
    let (span, count) = (Span::begin(), if lab.quick { 300_000 } else { 1_000_000 });
    let trial = lab.trial(&ours).await?;
    trial.enqueue(&Order { count, ..Order::default() }).await?;
    let mut worker = [trial.worker(ours.concurrency, false)?];
    let limit = Duration::from_secs(120);
    trial.until(&mut worker, limit, || Ran::read(&trial.notes()).count >= 100_000).await?;
    let early = worker.first().map_or(f64::NAN, crate::group::Group::rss_mib);
    trial.until(&mut worker, limit, || Ran::read(&trial.notes()).count >= count).await?;
    let [worker] = worker;
    let late = worker.rss_mib();
    lab.figures.add(ours.name, &format!("memory: after {count} jobs"), "MiB", late, &span);
    lab.figures.add(ours.name, GREW, "MiB", late - early, &span);
    worker.stop().await;
    Ok(())
}
