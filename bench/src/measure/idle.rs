//! What a worker costs that has nothing to do.

use std::time::Duration;

use super::what::{IDLE_COMMANDS, IDLE_RSS};
use crate::Outcome;
use crate::lab::Lab;
use crate::noise::Span;
use crate::subject::Subject;
use crate::subject::contract::{Order, Ran};
use crate::subject::list;

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    let linked = lab.ours().map(|ours| list::ours_static(&ours, lab.linked_statically.clone()));
    for subject in lab.able().into_iter().chain(linked).chain(lab.also.clone()) {
        if let Err(why) = idle(lab, &subject).await {
            lab.figures.gap(subject.name, IDLE_COMMANDS, why);
        }
    }
    Ok(())
}

async fn idle(lab: &mut Lab, subject: &Subject) -> Outcome<()> {
    let span = Span::begin();
    let watch = Duration::from_secs(if lab.quick { 6 } else { 20 });
    let trial = lab.trial(subject).await?;
    let mut worker = [trial.worker(subject.concurrency, false)?];
    // One job, so that it is known to be up.
    trial.enqueue(&Order { count: 1, ..Order::default() }).await?;
    trial.until(&mut worker, Duration::from_secs(40), || Ran::read(&trial.notes()).count > 0).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    lab.server.reset().await?;
    tokio::time::sleep(watch).await;
    // Nothing is settled meanwhile, so that what is published is what a heartbeat tells.
    let told: &[&str] = if subject.outer.is_empty() { &[] } else { &["publish"] };
    let cost = lab.server.cost(&[subject.outer, told].concat()).await?;
    let [worker] = worker;
    lab.figures.add(subject.name, IDLE_COMMANDS, "", cost.calls / watch.as_secs_f64(), &span);
    lab.figures.add(subject.name, IDLE_RSS, "MiB", worker.rss_mib(), &span);
    worker.stop().await;
    Ok(())
}
