//! The second phase of a chord: all parts are in, and its body is built from them.
//!
//! Source: Celery 5.7, `celery/backends/redis.py`, `on_chord_part_return`.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::error::CanvasError;
use super::follow::Follow;
use super::node::ResultNode;
use super::publish::{Plan, Setting};
use super::signature::{Shape, Signature};
use crate::clock::Timestamp;
use crate::events::repr;
use crate::message::{Json, JsonRef, Message};
use crate::names::{QueueName, TaskId};
use crate::result::State;
use crate::store::ChordParts;
use crate::task::Exception;

/// What a dispatch says.
#[derive(Debug)]
pub struct Dispatch {
    /// The chord: its header's group id.
    pub group: String,
    /// The claim of whoever sent it.
    pub token: String,
    /// The part that was the last.
    pub part: String,
    /// The first task of the workflow.
    pub root: String,
    body: Json,
}

/// Why the body is not sent.
#[derive(Debug)]
pub struct Broken {
    /// The failure of the body: a `ChordError`.
    pub why: Exception,
    /// The part's own failure, Celery's exception object, where a part failed: a body that is a group fails with it.
    pub cause: Option<Json>,
}

impl Broken {
    /// The body cannot be sent.
    pub fn callback(why: impl std::fmt::Display) -> Self {
        Self::new(format!("Callback error: {why}"))
    }

    /// The results cannot be put together.
    pub fn join(why: impl std::fmt::Display) -> Self {
        Self::new(format!("Join error: {why}"))
    }

    fn new(message: String) -> Self {
        let (exc_type, exc_module) = ("ChordError".to_owned(), "celery.exceptions".to_owned());
        Self { why: Exception { exc_type, exc_module, message, traceback: None }, cause: None }
    }
}

impl Dispatch {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`CanvasError::Malformed`] when it is none.
    pub fn of(message: &Message) -> Result<Self, CanvasError> {
        let malformed = || CanvasError::Malformed {
            what: "a chord's dispatch names its group, token, part, root and body".to_owned(),
            found: message.kwargs.preview(80),
        };
        let entries = message.kwargs.entries().map_err(|_| malformed())?;
        let fields: HashMap<String, JsonRef<'_>> = entries.map(|(key, value)| (key.into_owned(), value)).collect();
        let text = |name: &str| fields.get(name).and_then(|value| value.parse().ok()).ok_or_else(malformed);
        let body = fields.get("body").ok_or_else(malformed)?.to_json();
        Ok(Self { group: text("group")?, token: text("token")?, part: text("part")?, root: text("root")?, body })
    }

    /// What sending the body needs to know: it is a child of the last part.
    pub fn setting(&self, default_queue: &QueueName, now: Timestamp, ttl: Option<Duration>) -> Setting {
        let setting = Setting::of_client(default_queue.clone(), now, ttl);
        // A part's id that is none came from elsewhere: then the ids derive from nothing.
        match (TaskId::new(&self.part), TaskId::new(&self.group)) {
            (Ok(part), Ok(group)) => setting.of_task(&part, &self.root, group.child(u64::MAX)),
            _ => setting,
        }
    }

    /// The failure of the body as it is stored, for a body as this one is.
    pub fn failure(&self, broken: &Broken) -> Json {
        let of_group = Signature::from_json(self.body.as_ref()).is_ok_and(|body| matches!(body.shape, Shape::Group(_)));
        match &broken.cause {
            Some(cause) if of_group => cause.clone(),
            _ => crate::result::ResultMeta::exception_json(&broken.why),
        }
    }

    /// The body with the results of `parts` as its first argument.
    ///
    /// # Errors
    ///
    /// [`Broken`] when a part failed, a result is missing, or the body cannot be sent.
    pub fn send_body(&self, parts: &ChordParts, setting: &mut Setting) -> Result<Plan, Broken> {
        let results = self.results(parts)?;
        let mut sent = || -> Result<Plan, CanvasError> {
            let mut body = Signature::from_json(self.body.as_ref())?;
            body.prepend(&[results.as_str()]);
            let mut plan = Plan::default();
            plan.add(body, setting)?;
            Ok(plan)
        };
        sent().map_err(Broken::callback)
    }

    /// The body cannot be sent: it fails, with all that waits for it, and its errbacks are called.
    pub fn fail(&self, exception: &Json, setting: &mut Setting) -> (Follow, Vec<CanvasError>) {
        let (mut follow, mut wrong) = (Follow::default(), Vec::new());
        let body = match Signature::from_json(self.body.as_ref()) {
            Ok(body) => body,
            Err(error) => return (follow, vec![error]),
        };
        follow.fail(&body, &State::Failure, exception);
        if let Some(tail) = body.options.get("chain") {
            let steps: Vec<JsonRef<'_>> = tail.elements().into_iter().flatten().collect();
            follow.fail_steps(&steps, &State::Failure, exception, &mut wrong);
        }
        let own = body.id().unwrap_or_default();
        for (task, id) in body.last_tasks().into_iter().map(|task| (task, task.options.text("task_id"))) {
            let errbacks: Vec<JsonRef<'_>> = links(task);
            follow.call_errbacks(id.as_deref().unwrap_or(&own), &errbacks, setting, &mut wrong);
        }
        if !matches!(body.shape, Shape::Task(_)) {
            follow.call_errbacks(&own, &links(&body), setting, &mut wrong);
        }
        (follow, wrong)
    }

    /// The results in the order of the header, nested as it was.
    fn results(&self, parts: &ChordParts) -> Result<Json, Broken> {
        // Never a shorter list than was asked for: what came in may have expired, or its server have forgotten some of it.
        let (came, size) = (parts.members.len() as u64, parts.size.unwrap_or(1));
        if came < size {
            return Err(Broken::join(format!("{came} of {size} results are left")));
        }
        let members: Vec<Bytes> = parts.members.iter().map(unpacked).collect();
        let members = members.iter().map(Member::read).collect::<Result<Vec<_>, _>>()?;
        if let Some(failed) = members.iter().find(|member| member.failed()) {
            return Err(failed.broken());
        }
        let Some(meta) = &parts.meta else {
            return Ok(Json::array(members.iter().map(|member| member.result.as_str())));
        };
        let by_id: HashMap<&str, JsonRef<'_>> = members.iter().map(|one| (one.id.as_str(), one.result)).collect();
        let tree = std::str::from_utf8(meta).ok().and_then(|text| Json::new(text).ok()).and_then(|meta| {
            let (_, tuple) = meta.entries().ok()?.find(|(key, _)| key == "result")?;
            ResultNode::from_json(tuple)
        });
        let Some(ResultNode::Group(_, nodes)) = tree else {
            return Err(Broken::join("the group's meta cannot be read"));
        };
        let mut out = String::new();
        nest(&nodes, &by_id, &mut out)?;
        Ok(Json::trusted(out))
    }
}

fn links(sig: &Signature) -> Vec<JsonRef<'_>> {
    let list = sig.options.get("link_error");
    list.map(super::options::elements).into_iter().flatten().map(JsonRef::trusted).collect()
}

fn nest(nodes: &[ResultNode], results: &HashMap<&str, JsonRef<'_>>, out: &mut String) -> Result<(), Broken> {
    out.push('[');
    for (nth, node) in nodes.iter().enumerate() {
        if nth > 0 {
            out.push_str(", ");
        }
        match node {
            ResultNode::Group(_, members) => nest(members, results, out)?,
            ResultNode::Task(id) => match results.get(id.as_str()) {
                Some(result) => out.push_str(result.as_str()),
                None => return Err(Broken::join(format!("no result of task {id}"))),
            },
        }
    }
    out.push(']');
    Ok(())
}

/// One stored part: `[1, "<id>", "<STATE>", <result>]`.
struct Member<'a> {
    id: String,
    state: String,
    result: JsonRef<'a>,
}

impl<'a> Member<'a> {
    fn read(bytes: &'a Bytes) -> Result<Self, Broken> {
        let unreadable = || {
            let shown: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
            Broken::join(format!("a part cannot be read: {shown}"))
        };
        let text = std::str::from_utf8(bytes).map_err(|_| unreadable())?;
        // Checked here; the borrowed text then is known to be well-formed.
        Json::new(text).map_err(|_| unreadable())?;
        let mut parts = JsonRef::trusted(text.trim()).elements().map_err(|_| unreadable())?;
        parts.next();
        let id = parts.next().and_then(|id| id.parse().ok()).ok_or_else(unreadable)?;
        let state = parts.next().and_then(|state| state.parse().ok()).ok_or_else(unreadable)?;
        Ok(Self { id, state, result: parts.next().ok_or_else(unreadable)? })
    }

    fn failed(&self) -> bool {
        matches!(self.state.as_str(), "FAILURE" | "REVOKED")
    }

    fn broken(&self) -> Broken {
        let field = |name: &str| {
            let entry = self.result.entries().ok()?.find(|(key, _)| key == name)?;
            Some(entry.1)
        };
        let exc_type: String = field("exc_type").and_then(|name| name.parse().ok()).unwrap_or("Exception".to_owned());
        let arguments = match field("exc_message") {
            Some(list) if list.elements().is_ok() => {
                list.elements().into_iter().flatten().map(repr).collect::<Vec<_>>().join(", ")
            }
            Some(text) => repr(text),
            None => String::new(),
        };
        let cause = Some(self.result.to_json());
        Broken { cause, ..Broken::new(format!("Dependency {} raised {exc_type}({arguments})", self.id)) }
    }
}

/// A part that a Python worker compressed (`result_compression`) is unpacked; what cannot be stays as it is.
fn unpacked(member: &Bytes) -> Bytes {
    crate::result::unpack(member).map_or_else(|_| member.clone(), Bytes::from)
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
