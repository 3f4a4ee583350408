//! The operations: looking, finding, mending, purging, and the search for what is left over.

use queue_core::store::{Cursor, Job, JobState, Store};
use queue_core::{QueueName, TaskId};

use super::LONG;
use super::meter::{Calls, Meter};
use crate::Outcome;
use crate::subject::ours::QUEUE;

/// Jobs of a page.
const PAGE: usize = 20;

fn queue() -> Outcome<QueueName> {
    Ok(QueueName::new(QUEUE)?)
}

/// Looks at `count` jobs in `state`: counts, pages, a search, and one that is deleted.
pub(super) async fn looking(meter: &mut Meter<'_>, state: JobState, count: u64) -> Outcome<()> {
    let (store, queue) = (meter.store.clone(), queue()?);
    let counts = async || Ok(store.counts(&queue).await.map(drop)?);
    meter.cost("counts", Calls::plain(), counts).await?;
    let page = async |cursor: Option<&Cursor>| Ok(store.page(&queue, state, cursor, PAGE).await.map(drop)?);
    meter.cost("first page", Calls::plain(), async || page(None).await).await?;
    let middle = after(&*store, &queue, state, count / 2).await?;
    meter.cost("page in the middle", Calls::plain(), async || page(Some(&middle)).await).await?;
    find(meter, count).await?;
    let mut jobs = first(&*store, &queue, state).await?.into_iter();
    let calls = if state == JobState::Dead { Calls::scripts() } else { Calls::plain() };
    let delete = async || match jobs.next() {
        Some(job) => Ok(store.delete(&[job.key]).await.map(drop)?),
        None => Err("no job is left to delete".into()),
    };
    meter.cost("delete one", calls, delete).await
}

/// More of the first jobs than an operation needs that takes one each time.
async fn first(store: &dyn Store, queue: &QueueName, state: JobState) -> Outcome<Vec<Job>> {
    Ok(store.page(queue, state, None, 50).await?.jobs)
}

/// Where a reader is who has seen about so many.
async fn after(store: &dyn Store, queue: &QueueName, state: JobState, count: u64) -> Outcome<Cursor> {
    let (mut cursor, mut seen) = (None, 0);
    loop {
        let page = store.page(queue, state, cursor.as_ref(), 500).await?;
        seen += page.jobs.len() as u64;
        let next = page.next.ok_or("the pages end too early")?;
        if seen >= count {
            return Ok(next);
        }
        cursor = Some(next);
    }
}

/// A task that is not there, which takes longest: Redis has no index of ids, so that all messages are gone through.
async fn find(meter: &mut Meter<'_>, count: u64) -> Outcome<()> {
    let (store, id) = (meter.store.clone(), TaskId::random());
    let search = async || Ok(store.find(&id).await.map(drop)?);
    if meter.has_server() {
        let each = count as f64;
        return meter.cost_of("find a task, for each job there", Calls::plain().once(), each, search).await;
    }
    meter.cost("find a task", Calls::plain(), search).await
}

/// Puts a dead letter back.
pub(super) async fn retry_dead(meter: &mut Meter<'_>) -> Outcome<()> {
    let store = meter.store.clone();
    let mut jobs = first(&*store, &queue()?, JobState::Dead).await?.into_iter();
    let retry = async || match jobs.next() {
        Some(job) => Ok(store.retry_dead(&[(job.key, job.payload)]).await.map(drop)?),
        None => Err("no dead letter is left".into()),
    };
    meter.cost("retry one", Calls::scripts(), retry).await
}

/// Empties the queue. To a reader it is one operation; to a server it is work for each job, done beside commands or by slices.
pub(super) async fn purge(meter: &mut Meter<'_>, state: JobState) -> Outcome<()> {
    let (store, queue) = (meter.store.clone(), queue()?);
    let counts = store.counts(&queue).await?;
    let there = match state {
        JobState::Scheduled => counts.scheduled,
        JobState::Dead => counts.dead,
        _ => counts.ready,
    };
    // The script is known afterwards.
    store.purge(&QueueName::new("empty")?, state).await?;
    let mut purged = 0;
    let purge = async || {
        purged = store.purge(&queue, state).await?;
        Ok(())
    };
    meter.cost_of("purge, for each job", Calls::scripts().once(), there as f64, purge).await?;
    if purged == there { Ok(()) } else { Err(format!("of {there} jobs {purged} were purged").into()) }
}

/// The first step of the search for what is left over.
pub(super) async fn doctor_step(meter: &mut Meter<'_>) -> Outcome<()> {
    let store = meter.store.clone();
    let step = async || Ok(store.orphans(None).await.map(drop)?);
    meter.cost("doctor, its first step", Calls::plain(), step).await
}

/// The whole search, for each key or row.
pub(super) async fn doctor_whole(meter: &mut Meter<'_>) -> Outcome<()> {
    let store = meter.store.clone();
    let whole = async || {
        let (mut cursor, mut looked_at): (Option<Cursor>, u64) = (None, 0);
        loop {
            let page = store.orphans(cursor.as_ref()).await?;
            looked_at += page.looked_at;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(looked_at);
            }
        }
    };
    let there: u64 = whole().await?;
    let again = async || whole().await.map(drop);
    meter.cost_of("doctor --orphans, for each key", Calls::plain().once(), there as f64, again).await
}

/// Revokes one more.
pub(super) async fn revoke(meter: &mut Meter<'_>) -> Outcome<()> {
    let store = meter.store.clone();
    let revoke = async || Ok(store.revoke(&[TaskId::random()], LONG).await?);
    meter.cost("revoke one", Calls::scripts(), revoke).await
}
