//! Turns a call into the message that is sent.

use std::sync::Arc;
use std::time::Duration;

use super::spec::{Spec, Start};
use super::{CanvasError, Plan, Signature};
use crate::client::{Client, SendError};
use crate::clock::Timestamp;
use crate::message::{Draft, Json, ValueError};
use crate::names::{Priority, QueueName, TaskId};
use crate::store::Outgoing;
use crate::task::{Lineage, TaskOptions, overrides};

/// The message of one call, and whether its result will be thrown away.
pub(crate) fn prepare(
    spec: Spec,
    client: &Client,
    lineage: Option<Lineage>,
    now: Timestamp,
) -> Result<(Outgoing, bool), SendError> {
    if let Some(fault) = spec.fault {
        return Err(fault.into_error(&spec.task));
    }
    if spec.links.is_some() {
        return linked(spec, client, lineage, now);
    }
    let options = spec.task_options.as_ref();
    let options_known = options.is_some();
    let queue = queue_of(&spec, client)?;
    let priority = spec.priority.or(options.map(|o| o.priority)).unwrap_or(Priority::HIGHEST);
    let due = spec.start.map(|start| start.instant(now));
    let expires: Option<Duration> = spec.expires.or(options.and_then(|o| o.expires));
    let ignored = spec.ignore_result.or(options.map(|o| o.ignore_result)).unwrap_or(false);

    let (id, parent_id, root_id) = match lineage {
        Some(of) => (of.id, Some(of.parent), Some(of.root)),
        None => (spec.id.clone().unwrap_or_else(TaskId::random), None, None),
    };
    let headers = headers_of(&spec)?;
    let draft = Draft {
        args: spec.args,
        kwargs: spec.kwargs,
        priority,
        eta: due,
        expires: expires.map(|after| now.after(after)),
        time_limit: spec.time_limit,
        soft_time_limit: spec.soft_time_limit,
        ignore_result: spec.ignore_result.or(ignored.then_some(true)),
        root_id,
        parent_id,
        sent_at: Some(now),
        headers,
        ..Draft::new(&*spec.task, id.clone(), queue.as_str())
    };
    super::publish::small_enough(&draft)?;
    // A task of another program may be one in Python.
    let due = due.filter(|_| options_known || !client.store().has_celery());
    let payload = draft.encode();
    Ok((Outgoing { queue, priority, due, id, task: Arc::from(&*spec.task), payload }, ignored))
}

/// The message of a call that others follow.
fn linked(
    mut spec: Spec,
    client: &Client,
    lineage: Option<Lineage>,
    now: Timestamp,
) -> Result<(Outgoing, bool), SendError> {
    let ignored = spec.ignore_result.or(spec.task_options.as_ref().map(|o| o.ignore_result)).unwrap_or(false);
    let mut setting = client.setting(now);
    if let Some(of) = lineage {
        spec.id = Some(of.id);
        setting.sender = Some((of.parent, of.root));
    }
    let (task, mut plan) = (spec.task.clone(), Plan::default());
    plan.add(Signature::of_spec(spec), &mut setting)?;
    let why = || CanvasError::Call { task: task.into_owned(), why: "it is no single task".to_owned() };
    Ok((plan.messages.pop().ok_or_else(why)?, ignored))
}

impl Start {
    fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::In(wait) => now.after(wait),
            Self::At(at) => at,
        }
    }
}

fn queue_of(spec: &Spec, client: &Client) -> Result<QueueName, SendError> {
    if let Some(queue) = &spec.queue {
        return Ok(queue.clone());
    }
    match spec.task_options.as_ref().and_then(|options: &TaskOptions| options.queue) {
        Some(name) => {
            QueueName::new(name).map_err(|source| SendError::Name { task: spec.task.clone().into_owned(), source })
        }
        None => Ok(client.default_queue().clone()),
    }
}

/// The call's own headers, and those that carry what Celery's protocol has no place for.
fn headers_of(spec: &Spec) -> Result<Vec<(String, Json)>, SendError> {
    let mut headers = spec.headers.clone();
    let task = || spec.task.clone().into_owned();
    let mut add = |name: &str, value: Result<Json, ValueError>| {
        let value = value.map_err(|source| SendError::Arguments { task: task(), source })?;
        headers.push((name.to_owned(), value));
        Ok::<(), SendError>(())
    };
    if let Some(shadow) = &spec.shadow {
        add("shadow", Json::from_value(shadow))?;
    }
    if let Some(retries) = spec.max_retries {
        add(overrides::MAX_RETRIES, Json::from_value(&retries))?;
    }
    if let Some(backoff) = spec.backoff {
        add(overrides::BACKOFF, overrides::write_backoff(backoff))?;
    }
    if let Some(early) = spec.acks_early {
        add(overrides::ACKS_LATE, Json::from_value(&!early))?;
    }
    Ok(headers)
}
