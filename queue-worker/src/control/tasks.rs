//! What this worker knows, runs, holds, and what waits for its time.

use std::collections::HashSet;
use std::sync::Arc;

use queue_core::TaskId;
use queue_core::message::Message;
use queue_core::store::{Job, JobState};
use serde_json::{Map, Value, json};

use super::args::{Answer, Args};
use super::info;
use crate::engine::Engine;
use crate::jobs::Held;
use crate::startup::Task;

/// Jobs of a queue that are looked at.
pub(super) const LOOKED_AT: usize = 100;

/// `registered`: the names, with the attributes asked for.
pub(super) fn registered(engine: &Engine, args: Args<'_>) -> Value {
    let asked = args.list("taskinfoitems");
    let asked = if asked.is_empty() { vec!["rate_limit".to_owned()] } else { asked };
    let shown = |task: &Task| {
        let known = asked.iter().filter_map(|name| Some(format!("{name}={}", attribute(engine, task, name)?)));
        let known: Vec<String> = known.collect();
        if known.is_empty() { task.name.to_owned() } else { format!("{} [{}]", task.name, known.join(" ")) }
    };
    engine.tasks.all().into_iter().map(shown).collect()
}

/// A task's attribute by its name in Celery; `None` where it has none.
fn attribute(engine: &Engine, task: &Task, name: &str) -> Option<String> {
    let options = &task.options;
    let seconds = |limit: Option<std::time::Duration>| limit.map(|limit| limit.as_secs_f64().to_string());
    let told = engine.control.limits.of(task.name);
    let python = |flag: bool| Some(if flag { "True" } else { "False" }.to_owned());
    match name {
        "rate_limit" => engine.control.rates.of(task.name),
        "max_retries" => options.max_retries.map(|max| max.to_string()),
        "time_limit" => seconds(told.map_or(options.time_limit, |told| told.hard)),
        "soft_time_limit" => seconds(told.map_or(options.soft_time_limit, |told| told.soft)),
        "expires" => seconds(options.expires),
        "queue" | "routing_key" => options.queue.map(str::to_owned),
        "priority" => Some(options.priority.get().to_string()),
        "ignore_result" => python(options.ignore_result),
        "acks_late" => python(!options.acks_early),
        "track_started" => python(options.track_started),
        _ => None,
    }
}

/// `active`: what runs.
pub(super) fn active(engine: &Engine, safe: bool) -> Value {
    held(engine, true).iter().map(|held| info::of_held(engine, held, safe)).collect()
}

/// `reserved`: what is held and does not run yet.
pub(super) fn reserved(engine: &Engine) -> Value {
    held(engine, false).iter().map(|held| info::of_held(engine, held, false)).collect()
}

fn held(engine: &Engine, running: bool) -> Vec<Arc<Held>> {
    let mut held = engine.jobs.all();
    held.retain(|held| held.course.started().is_some() == running);
    held
}

/// `scheduled`: what waits in the store for its time. A worker of Celery's holds such jobs itself; here they belong to
/// nobody yet, so that each worker of a queue shows the next of them.
pub(super) async fn scheduled(engine: &Engine) -> Answer {
    let shown = waiting(engine).await?.into_iter().map(|(job, message)| {
        let eta = job.due.map(queue_core::Timestamp::to_celery);
        json!({ "eta": eta, "priority": 6, "request": info::of_waiting(engine, &message) })
    });
    Ok(shown.collect())
}

/// The next jobs of each queue that wait for their time.
async fn waiting(engine: &Engine) -> Result<Vec<(Job, Message)>, String> {
    let mut found = Vec::new();
    for (queue, _) in engine.queues.now().iter() {
        let page = engine.client.store().page(queue, JobState::Scheduled, None, LOOKED_AT).await;
        let jobs = page.map_err(|error| store_error(&error))?.jobs.into_iter();
        found.extend(jobs.filter_map(|job| {
            let message = Message::decode(&job.payload, &engine.config.limits).ok()?;
            Some((job, message))
        }));
    }
    Ok(found)
}

/// `query_task`: where jobs are, as far as this worker knows.
pub(super) async fn query(engine: &Engine, args: Args<'_>) -> Answer {
    let ids: HashSet<TaskId> = args.ids("ids")?.into_iter().collect();
    let mut found = Map::new();
    for held in engine.jobs.all().iter().filter(|held| ids.contains(&held.message.id)) {
        let state = if held.course.started().is_some() { "active" } else { "reserved" };
        found.insert(held.message.id.to_string(), json!([state, info::of_held(engine, held, false)]));
    }
    if found.len() < ids.len() {
        for (_, message) in waiting(engine).await?.iter().filter(|(_, message)| ids.contains(&message.id)) {
            let shown = json!(["scheduled", info::of_waiting(engine, message)]);
            found.entry(message.id.to_string()).or_insert(shown);
        }
    }
    Ok(found.into())
}

/// The store's words as those of an exception.
pub(super) fn store_error(error: &queue_core::store::StoreError) -> String {
    format!("OperationalError({})", queue_core::events::text_repr(&error.to_string()))
}
