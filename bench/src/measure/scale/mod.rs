//! What an operation costs when little waits and when very much does: a million queued, a million scheduled, 100,000 dead,
//! 100,000 stored results, 100,000 revoked. On Redis its server time and its commands, and the slowest single command by SLOWLOG;
//! on an SQLite file, which has no server, the clock.
//!
//! What goes through all there is by its nature (to find a task on Redis, to purge, to look for what is left over) is told for
//! each job, key or step: that is what must not grow.

mod meter;
mod operations;
mod reclaim;

use std::time::{Duration, Instant};

use queue_core::store::{JobState, StoredResult};
use queue_core::{QueueName, TaskId};

use self::meter::{Calls, Meter};
use super::sqlite::SQLITE;
use super::what::SLOWEST;
use crate::Outcome;
use crate::lab::Lab;
use crate::subject::Subject;
use crate::subject::contract::{Order, Task};
use crate::subject::ours::{QUEUE, tasks::noop};

const LIMIT: Duration = Duration::from_secs(180);
/// Few.
const FEW: u64 = 1000;
/// How long what is scheduled, stored or revoked stays so.
const LONG: Duration = Duration::from_secs(3600);

/// The name of an operation's figure; `few` or the many.
pub(crate) fn name(state: &str, operation: &str, few: bool) -> String {
    format!("scale: {operation}, {} {state}", if few { "few" } else { "many" })
}

/// The state, the operation and whether there were few, of such a name.
pub(crate) fn parts(what: &str) -> Option<(&str, &str, bool)> {
    let (operation, of) = what.strip_prefix("scale: ")?.rsplit_once(", ")?;
    let (size, state) = of.split_once(' ')?;
    Some((state, operation, size == "few"))
}

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    let Some(ours) = lab.ours() else { return Ok(()) };
    lab.server.command::<()>(&["CONFIG", "SET", "slowlog-log-slower-than", "1000"]).await?;
    let file = Subject { name: SQLITE, variant: "sqlite", ..ours.clone() };
    for subject in [ours, file] {
        for few in [true, false] {
            for state in ["queued", "scheduled", "dead", "results", "revoked"] {
                if let Err(why) = one(lab, &subject, state, few).await {
                    lab.figures.gap(subject.name, &name(state, "all", few), why);
                }
            }
        }
    }
    Ok(())
}

/// All operations on a store that is full in one way.
async fn one(lab: &mut Lab, subject: &Subject, state: &'static str, few: bool) -> Outcome<()> {
    let million = if lab.quick { 200_000 } else { 1_000_000 };
    let waits = matches!(state, "queued" | "scheduled");
    let count = match few {
        true => FEW,
        false if waits => million,
        false => million / 10,
    };
    let mut meter = Meter::new(lab, subject, state, few).await?;
    match state {
        "queued" => queued(&mut meter, count).await?,
        "scheduled" => scheduled(&mut meter, count).await?,
        "dead" => dead(&mut meter, count).await?,
        "results" => results(&mut meter, count).await?,
        _ => revoked(&mut meter, count).await?,
    }
    meter.slowest(SLOWEST).await
}

async fn queued(meter: &mut Meter<'_>, count: u64) -> Outcome<()> {
    meter.trial.enqueue(&Order { count, ..Order::default() }).await?;
    meter.filled().await?;
    operations::looking(meter, JobState::Ready, count).await?;
    let client = queue_core::Client::new(meter.store.clone());
    let call = || client.send(noop.s(1).ignore_result(true));
    meter.cost("enqueue one", Calls::plain(), async || Ok(call().await.map(drop)?)).await?;
    meter.worked(if meter.few { FEW } else { count / 10 }).await?;
    if meter.few {
        // The worker took all of them.
        meter.trial.enqueue(&Order { count, ..Order::default() }).await?;
    }
    reclaim::measure(meter).await?;
    operations::doctor_step(meter).await?;
    operations::purge(meter, JobState::Ready).await
}

async fn scheduled(meter: &mut Meter<'_>, count: u64) -> Outcome<()> {
    meter.trial.enqueue(&Order { count, delay: LONG, ..Order::default() }).await?;
    meter.filled().await?;
    operations::looking(meter, JobState::Scheduled, count).await?;
    let client = queue_core::Client::new(meter.store.clone());
    let call = || client.send(noop.s(1).ignore_result(true).countdown(LONG));
    meter.cost("schedule one", Calls::scripts(), async || Ok(call().await.map(drop)?)).await?;
    // Due at once, among all the others: promoted and run.
    let soon = Duration::from_millis(500);
    meter.trial.enqueue(&Order { count: 500, delay: soon, ..Order::default() }).await?;
    meter.worked(500).await?;
    operations::doctor_step(meter).await?;
    operations::purge(meter, JobState::Scheduled).await
}

async fn dead(meter: &mut Meter<'_>, count: u64) -> Outcome<()> {
    meter.trial.enqueue(&Order { count, task: Task::Fail, ..Order::default() }).await?;
    let worker = meter.trial.worker(meter.subject.concurrency, false)?;
    let (begun, queue) = (Instant::now(), QueueName::new(QUEUE)?);
    while meter.store.counts(&queue).await?.dead < count {
        if begun.elapsed() > LIMIT {
            return Err("the dead letters do not gather".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    worker.stop().await;
    meter.filled().await?;
    operations::looking(meter, JobState::Dead, count).await?;
    operations::retry_dead(meter).await?;
    operations::doctor_step(meter).await?;
    operations::purge(meter, JobState::Dead).await
}

async fn results(meter: &mut Meter<'_>, count: u64) -> Outcome<()> {
    let meta = |id: &TaskId| {
        format!(r#"{{"status": "SUCCESS", "result": 1, "traceback": null, "children": [], "task_id": "{id}"}}"#)
    };
    let result = |_| {
        let id = TaskId::random();
        StoredResult { meta: meta(&id).into(), id, ttl: Some(LONG) }
    };
    let mut last = Vec::new();
    for start in (0..count).step_by(1000) {
        last = (start..count.min(start + 1000)).map(result).collect();
        meter.store.put_results(&last).await?;
    }
    meter.filled().await?;
    let (store, ids): (_, Vec<_>) = (meter.store.clone(), last.into_iter().map(|result| result.id).collect());
    let one = ids.get(..1).unwrap_or_default();
    let get = async || Ok(store.get_results(one).await.map(drop)?);
    meter.cost("get one result", Calls::plain(), get).await?;
    let mut ids = ids.iter();
    let forget = async || match ids.next() {
        Some(id) => Ok(store.forget(std::slice::from_ref(id)).await.map(drop)?),
        None => Err("no result is left to forget".into()),
    };
    meter.cost("forget one result", Calls::plain(), forget).await?;
    operations::doctor_whole(meter).await
}

async fn revoked(meter: &mut Meter<'_>, count: u64) -> Outcome<()> {
    let ids: Vec<_> = (0..count).map(|_| TaskId::random()).collect();
    meter.store.revoke(&ids, LONG).await?;
    meter.filled().await?;
    operations::revoke(meter).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_taken_apart_again() {
        for few in [true, false] {
            let whole = name("queued", "find a task, for each job there, commands", few);
            assert_eq!(parts(&whole), Some(("queued", "find a task, for each job there, commands", few)));
        }
        assert_eq!(parts("drain, no results"), None);
    }
}
