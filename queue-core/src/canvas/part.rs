//! A task's part in a chord, as it is stored, and the message that sends the body once all parts are in.

use bytes::Bytes;

use super::embed::Embed;
use super::signature::Signature;
use crate::message::{Draft, Json, Message, python_text};
use crate::names::TaskId;
use crate::result::State;
use crate::store::INTERNAL;

/// The task name of a chord's dispatch; it never leaves our own workers.
pub const DISPATCH: &str = "queue.chord";

/// A part of a chord that is done.
#[derive(Debug, Clone)]
pub struct Part {
    /// The chord: its header's group id.
    pub group: String,
    /// Whose part.
    pub id: TaskId,
    /// Its place.
    pub index: Option<i64>,
    /// What is stored of it.
    pub member: Bytes,
    /// The chord's body, as it came.
    pub body: Json,
}

/// The part of a message's task itself, if it is one.
pub(crate) fn own(message: &Message, embed: &Embed<'_>, state: &State, result: &Json) -> Option<Part> {
    let (body, group) = (embed.chord?, message.group.clone()?);
    let member = member(&message.id, state, result);
    Some(Part { group, id: message.id.clone(), index: message.group_index, member, body: body.to_json() })
}

/// The part of a task that never ran.
pub(crate) fn of_signature(sig: &Signature, state: &State, result: &Json) -> Option<Part> {
    let body = sig.options.get("chord")?.to_json();
    let group = sig.options.text("group_id")?;
    let id = TaskId::new(sig.options.text("task_id")?).ok()?;
    let index = sig.options.get("group_index").and_then(|index| index.parse().ok());
    Some(Part { group, member: member(&id, state, result), id, index, body })
}

/// Byte for byte as Python writes it, so that the same part from a Python worker is the same member.
fn member(id: &TaskId, state: &State, result: &Json) -> Bytes {
    let id = python_text(Json::text(id.as_str()).as_ref());
    let result = python_text(result.as_ref());
    Bytes::from(format!("[1, {id}, \"{state}\", {result}]"))
}

impl Part {
    /// The message whose worker builds and sends the body. `root` is that of the workflow.
    pub fn dispatch(&self, token: &str, root: &str, queue: &str, id: TaskId) -> Bytes {
        let text = |text: &str| Json::text(text);
        let kwargs = format!(
            "{{\"group\": {}, \"token\": {}, \"part\": {}, \"root\": {}, \"body\": {}}}",
            text(&self.group).as_str(),
            text(token).as_str(),
            text(self.id.as_str()).as_str(),
            text(root).as_str(),
            self.body.as_str()
        );
        // Of the workflow, for a chord that this one is a part of.
        let root_id = Some(root.to_owned());
        let draft = Draft { kwargs: Json::trusted(kwargs), root_id, ..Draft::new(DISPATCH, id, queue) };
        let plain = draft.encode();
        let mut marked = Vec::with_capacity(INTERNAL.len() + plain.len());
        marked.extend_from_slice(INTERNAL);
        // Behind the opening brace, which is the marker's.
        marked.extend_from_slice(&plain[1..]);
        Bytes::from(marked)
    }
}
