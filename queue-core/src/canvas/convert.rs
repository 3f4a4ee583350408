//! A typed call as a signature.

use super::error::CanvasError;
use super::options::Options;
use super::signature::{Shape, Signature};
use super::spec::{Spec, Start};
use super::{Call, Fault};
use crate::message::Json;
use crate::names::Priority;
use crate::task::overrides;

impl<Out, In> From<Call<Out, In>> for Signature {
    fn from(call: Call<Out, In>) -> Self {
        Self::of_spec(*call.spec)
    }
}

impl<Out, In> Call<Out, In> {
    /// The same without its types: a signature, as Celery's canvas knows it.
    pub fn untyped(self) -> Signature {
        self.into()
    }
}

impl Signature {
    pub(crate) fn of_spec(mut spec: Spec) -> Self {
        let links = spec.links.take().unwrap_or_default();
        let fault = spec.fault.take().map(|fault| fault_of(fault, &spec.task));
        let mut options = Options::default();
        let wrong = write_options(&spec, &mut options).err();
        let mut sig = Self {
            options,
            immutable: links.immutable,
            shape: Shape::Task(Json::null()),
            fault: fault.or(wrong).map(Box::new),
            key: spec.key.take(),
            ..Self::task(spec.task, spec.args, spec.kwargs)
        };
        links.link.iter().for_each(|linked| sig.link(linked));
        links.link_error.iter().for_each(|linked| sig.link_error(linked));
        if !links.stamps.is_empty() {
            sig.stamp_with(links.stamps.iter().map(|(name, value)| (name.as_str(), value.clone())));
        }
        sig
    }
}

fn fault_of(fault: Fault, task: &str) -> CanvasError {
    let task = task.to_owned();
    match fault {
        Fault::Arguments(why) => CanvasError::Call { task, why: format!("its arguments: {why}") },
        Fault::Name(source) => CanvasError::Name { task, source },
        Fault::Header { name, why } => CanvasError::Call { task, why: format!("header `{name}`: {why}") },
        Fault::Key(why) => CanvasError::Call { task, why },
    }
}

/// The options of this call, and those of its task that only this program knows: a worker that sends the signature on may
/// not have the task.
fn write_options(spec: &Spec, options: &mut Options) -> Result<(), CanvasError> {
    let own = spec.task_options.as_ref();
    let mut put = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            options.set(name, value);
        }
    };
    put("task_id", spec.id.as_ref().map(|id| Json::text(id.as_str())));
    let queue = spec.queue.as_ref().map(|queue| queue.as_str()).or(own.and_then(|own| own.queue));
    put("queue", queue.map(Json::text));
    let priority = spec.priority.or(own.map(|own| own.priority).filter(|priority| *priority != Priority::HIGHEST));
    put("priority", priority.map(|priority| Json::trusted(priority.get().to_string())));
    match spec.start {
        Some(Start::In(wait)) => put("countdown", Some(seconds(wait))),
        Some(Start::At(at)) => put("eta", Some(Json::text(&at.to_celery()))),
        None => {}
    }
    put("expires", spec.expires.or(own.and_then(|own| own.expires)).map(seconds));
    put("time_limit", spec.time_limit.map(seconds));
    put("soft_time_limit", spec.soft_time_limit.map(seconds));
    let ignored = spec.ignore_result.or(own.map(|own| own.ignore_result).filter(|ignored| *ignored));
    put("ignore_result", ignored.map(|ignored| Json::trusted(ignored.to_string())));
    put("shadow", spec.shadow.as_deref().map(Json::text));
    put("headers", headers(spec)?);
    Ok(())
}

fn seconds(duration: std::time::Duration) -> Json {
    match duration.subsec_nanos() {
        0 => Json::trusted(duration.as_secs().to_string()),
        _ => Json::trusted(duration.as_secs_f64().to_string()),
    }
}

fn headers(spec: &Spec) -> Result<Option<Json>, CanvasError> {
    let mut headers = Options::default();
    spec.headers.iter().for_each(|(name, value)| headers.set(name, value.clone()));
    let why = |why: crate::message::ValueError| CanvasError::Call { task: spec.task.to_string(), why: why.to_string() };
    if let Some(retries) = spec.max_retries {
        headers.set(overrides::MAX_RETRIES, Json::trusted(retries.to_string()));
    }
    if let Some(backoff) = spec.backoff {
        headers.set(overrides::BACKOFF, overrides::write_backoff(backoff).map_err(why)?);
    }
    if let Some(early) = spec.acks_early {
        headers.set(overrides::ACKS_LATE, Json::trusted((!early).to_string()));
    }
    if headers.iter().next().is_none() {
        return Ok(None);
    }
    let mut text = String::new();
    headers.write(&mut text);
    Ok(Some(Json::trusted(text)))
}
