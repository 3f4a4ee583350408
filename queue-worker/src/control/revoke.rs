//! Tasks that shall not start, or not go on.
//!
//! Their ids are kept in the store, so that every worker that meets one knows, also one that starts later.

use std::collections::HashSet;

use queue_core::events::{repr, text_repr};
use queue_core::message::{Json, Message};
use queue_core::result::{ResultMeta, State};
use queue_core::store::{JobState, StoreError, StoredResult};
use queue_core::{QueueName, TaskId};
use serde_json::{Map, Value, json};

use super::args::{Answer, Args, texts, value_error};
use super::stamps::{self, carries};
use super::tasks::store_error;
use crate::ending::exception;
use crate::engine::Engine;

/// Revoked ids that are listed at most.
const LISTED: usize = 10_000;
/// Leased messages of a queue that are looked at at once.
const LEASED: usize = 500;

/// `revoked`: what is revoked now, in the whole store.
pub(super) async fn revoked(engine: &Engine) -> Answer {
    let ids = engine.client.store().revocations(LISTED).await.map_err(|error| store_error(&error))?;
    Ok(ids.iter().map(TaskId::as_str).collect())
}

/// `hello`: a worker that starts tells what it knows, and asks what we do.
pub(super) async fn hello(engine: &Engine, args: Args<'_>) -> Answer {
    if args.text("from_node")? == &*engine.config.hostname {
        return Ok(Value::Null);
    }
    // Up to Celery 5.6 an object with times, later a list.
    let told = match args.get("revoked") {
        Some(Value::Object(times)) => times.keys().cloned().collect(),
        _ => args.list("revoked"),
    };
    let told: Vec<TaskId> = told.iter().filter_map(|id| TaskId::new(id).ok()).collect();
    if !told.is_empty() {
        engine.client.revoke(&told).await.map_err(|error| store_error(&error))?;
    }
    Ok(json!({ "revoked": revoked(engine).await?, "clock": engine.client.lamport().now() }))
}

/// `revoke`: not to start; with `terminate`, to end where it runs.
pub(super) async fn revoke(engine: &Engine, args: Args<'_>) -> Answer {
    let ids = args.ids("task_id")?;
    mark(engine, &ids).await?;
    if args.flag("terminate") {
        return Ok(terminated(engine, &ids, args.signal("signal")));
    }
    tell_those_who_wait(engine, &ids).await.map_err(|error| store_error(&error))?;
    let shown: Vec<String> = ids.iter().map(|id| text_repr(id.as_str())).collect();
    Ok(json!({ "ok": format!("tasks {{{}}} flagged as revoked", shown.join(", ")) }))
}

/// `terminate`.
pub(super) async fn terminate(engine: &Engine, args: Args<'_>) -> Answer {
    let (ids, signal) = (args.ids("task_id")?, args.signal("signal"));
    mark(engine, &ids).await?;
    Ok(terminated(engine, &ids, signal))
}

async fn mark(engine: &Engine, ids: &[TaskId]) -> Result<(), String> {
    engine.client.revoke(ids).await.map_err(|error| store_error(&error))?;
    let ids: HashSet<&TaskId> = ids.iter().collect();
    for held in engine.jobs.all().iter().filter(|held| ids.contains(&held.message.id)) {
        held.course.revoke();
    }
    Ok(())
}

/// Ends those that run here.
fn terminated(engine: &Engine, ids: &[TaskId], signal: i32) -> Value {
    let ids: HashSet<&TaskId> = ids.iter().collect();
    let ended = end_running(engine, signal, |message| ids.contains(&message.id));
    match ended.is_empty() {
        true => json!({ "ok": "terminate: tasks unknown" }),
        false => json!({ "ok": format!("terminate: {}", ended.join(", ")) }),
    }
}

fn end_running(engine: &Engine, signal: i32, meant: impl Fn(&Message) -> bool) -> Vec<String> {
    let mut ended = Vec::new();
    for held in engine.jobs.all().iter().filter(|held| meant(&held.message)) {
        held.course.revoke();
        if held.course.started().is_some() {
            tracing::warn!(task = held.message.task.as_str(), id = %held.message.id, signal, "terminated by remote");
            held.course.terminate(signal);
        }
        ended.push(held.message.id.to_string());
    }
    ended
}

/// `revoke_by_stamped_headers`: kept in this worker's memory.
pub(super) fn by_stamps(engine: &Engine, args: Args<'_>) -> Answer {
    let stamps = &named(args.need("headers")?)?;
    let revoked = stamps::named(stamps);
    engine.control.stamps.revoke(&revoked);
    let shown = Json::from_value(stamps).map(|stamps| repr(stamps.as_ref())).unwrap_or_default();
    if !args.flag("terminate") {
        return Ok(json!({ "ok": format!("headers {shown} flagged as revoked, but not terminated") }));
    }
    end_running(engine, args.signal("signal"), |message| carries(message, &revoked));
    Ok(json!({ "ok": format!("headers {shown} revoked") }))
}

/// Stamps as an object, or as the list `name=value` that Celery's command line sends.
fn named(headers: &Value) -> Result<Map<String, Value>, String> {
    let wrong = || value_error("headers must be an object, or a list of name=value");
    match headers {
        Value::Object(stamps) => Ok(stamps.clone()),
        Value::Array(_) => {
            let pairs = texts(headers).into_iter().map(|text| {
                let (name, value) = text.split_once('=').ok_or_else(wrong)?;
                Ok((name.to_owned(), json!([value])))
            });
            pairs.collect()
        }
        _ => Err(wrong()),
    }
}

/// Stores REVOKED at once for jobs that wait, so that nobody has to wait for a worker to meet them.
async fn tell_those_who_wait(engine: &Engine, ids: &[TaskId]) -> Result<(), StoreError> {
    let store = engine.client.store();
    let leased = leased(engine, ids).await?;
    let stored = store.get_results(ids).await?;
    let waiting = ids.iter().zip(stored).filter(|(id, stored)| {
        let state = stored.as_ref().map_or(Some(State::Pending), |meta| Some(ResultMeta::decode(meta).ok()?.state));
        !leased.contains(*id) && matches!(state, Some(State::Pending | State::Received | State::Retry))
    });
    let now = engine.time.now();
    let why = exception("celery.exceptions", "TaskRevokedError", "revoked");
    let results: Vec<StoredResult> = waiting
        .map(|(id, _)| {
            let meta = ResultMeta::new(id.clone(), State::Revoked, ResultMeta::exception_json(&why), Some(now));
            StoredResult { id: id.clone(), meta: meta.encode(), ttl: engine.config.result_ttl }
        })
        .collect();
    store.put_results(&results).await
}

/// Which of them some worker holds: what runs will have a result of its own. All workers are told of a revocation, also those that
/// do not consume the job's queue.
async fn leased(engine: &Engine, ids: &[TaskId]) -> Result<HashSet<TaskId>, StoreError> {
    let ids: HashSet<&TaskId> = ids.iter().collect();
    let held = engine.jobs.all().into_iter().map(|held| held.message.id.clone());
    let mut found: HashSet<TaskId> = held.filter(|id| ids.contains(id)).collect();
    for queue in engine.client.store().queues().await? {
        if found.len() == ids.len() {
            break;
        }
        match leased_of(engine, &queue, &ids, &mut found).await {
            // Nothing is leased of what is no queue.
            Err(StoreError::Foreign { .. }) => {}
            looked => looked?,
        }
    }
    Ok(found)
}

async fn leased_of(
    engine: &Engine,
    queue: &QueueName,
    ids: &HashSet<&TaskId>,
    found: &mut HashSet<TaskId>,
) -> Result<(), StoreError> {
    let mut cursor = None;
    loop {
        let page = engine.client.store().page(queue, JobState::Leased, cursor.as_ref(), LEASED).await?;
        let messages = page.jobs.iter().filter_map(|job| Message::decode(&job.payload, &engine.config.limits).ok());
        found.extend(messages.map(|message| message.id).filter(|id| ids.contains(id)));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}
