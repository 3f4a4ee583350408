//! What follows from the end of a task: its callbacks, the next step of its chain, its part in a chord, its errbacks.
//!
//! Pure: a message and an outcome go in, what is to be sent and stored comes out. The worker puts it into the one step that
//! settles the delivery.
//!
//! Source: Celery 5.7, `celery/app/trace.py` and `celery/backends/base.py`.

use std::collections::HashSet;

use super::embed::Embed;
use super::error::CanvasError;
use super::node::ResultNode;
use super::part::{self, Part};
use super::publish::{Plan, Setting};
use super::signature::{Shape, Signature};
use crate::message::{Json, JsonRef, Message};
use crate::names::TaskId;
use crate::result::State;

/// What follows from a task's end.
#[derive(Debug, Default)]
pub struct Follow {
    /// What is sent.
    pub plan: Plan,
    /// What the results of that are called: for the `children` of the task's own result.
    pub children: Vec<ResultNode>,
    /// Other tasks that end with this one: the later steps of its chain.
    pub ended: Vec<TaskId>,
    /// Those in `ended`, to be found.
    known: HashSet<TaskId>,
    /// Parts that are done.
    pub parts: Vec<Part>,
}

/// After a success: callbacks get the result, the next step of the chain is sent, the chord gets its part.
///
/// # Errors
///
/// [`CanvasError`] when what is to follow cannot be sent: the task then counts as failed.
pub fn after_success(message: &Message, value: &Json, setting: &mut Setting) -> Result<Follow, CanvasError> {
    let embed = Embed::of(message);
    let mut follow = Follow::default();
    for callback in &embed.callbacks {
        follow.call(Signature::from_json(*callback)?, value.as_str(), setting)?;
    }
    if let Some(next) = embed.chain.last() {
        let mut next = Signature::from_json(*next)?;
        next.attach_tail(&embed.chain_after_next());
        follow.call(next, value.as_str(), setting)?;
    }
    follow.parts.extend(part::own(message, &embed, &State::Success, value));
    Ok(follow)
}

/// After a failure (or, for `state` REVOKED, a revocation): the chord gets its part, all later steps of the chain end with
/// it, and after a failure errbacks are called with the task's id. (Celery leaves the steps after a revoked one pending, and
/// a chord that one of them is a part of.)
///
/// What cannot be sent is left out, and said in the second part of the answer: the failure itself must be stored.
pub fn after_failure(
    message: &Message,
    state: &State,
    exception: &Json,
    setting: &mut Setting,
) -> (Follow, Vec<CanvasError>) {
    let embed = Embed::of(message);
    let (mut follow, mut wrong) = (Follow::default(), Vec::new());
    follow.parts.extend(part::own(message, &embed, state, exception));
    follow.fail_steps(&embed.chain, state, exception, &mut wrong);
    // As in Celery, a revocation is no error.
    if *state != State::Revoked {
        follow.call_errbacks(message.id.as_str(), &embed.errbacks, setting, &mut wrong);
    }
    (follow, wrong)
}

/// Instead of `message`'s own result: `sig` runs under its id, in its place in its chain, group and chord.
///
/// # Errors
///
/// [`CanvasError`] when it cannot be sent.
pub fn replace(message: &Message, mut sig: Signature, setting: &mut Setting) -> Result<Follow, CanvasError> {
    let embed = Embed::of(message);
    if matches!(sig.shape, Shape::Group(_)) {
        // A group has several results and this task one place: their list.
        sig.hand_down();
        let mut body = Signature::task("celery.accumulate", Json::empty_array(), Json::trusted("{\"index\": 0}"));
        body.options.set("ignore_result", Json::trusted("false"));
        sig = sig.into_chord(body);
    }
    let links = |list: &[JsonRef<'_>]| Json::array(list.iter().map(|one| one.as_str()));
    for (kind, list) in [("link", &embed.callbacks), ("link_error", &embed.errbacks)] {
        if !list.is_empty() {
            sig.options.extend(kind, super::options::elements(links(list).as_ref()));
        }
    }
    sig.freeze_with(Some(message.id.as_str()), &mut setting.ids)?;
    if let Some(group) = &message.group {
        let chord = embed.chord.map(JsonRef::to_json);
        sig.join(group, message.group_index.unwrap_or(0), chord.as_ref());
    }
    sig.nest(embed.nesting.saturating_add(1));
    sig.attach_tail(&links(&embed.chain));
    embed.stamp(&mut sig);
    let mut follow = Follow::default();
    let sent = follow.plan.add(sig, setting)?;
    follow.children.push(sent.first);
    Ok(follow)
}

/// Whether nothing follows from the message, however it ends.
pub fn is_alone(message: &Message) -> bool {
    Embed::of(message).is_empty()
}

/// The stamps of a message as a result has them: `stamped_headers`, and each by its name.
pub fn stamps(message: &Message) -> Vec<(String, Json)> {
    let embed = Embed::of(message);
    if embed.stamps.is_empty() {
        return Vec::new();
    }
    let names: Vec<Json> = embed.stamps.iter().map(|(name, _)| Json::text(name)).collect();
    let each = embed.stamps.iter().map(|(name, value)| (name.clone(), value.to_json()));
    std::iter::once(("stamped_headers".to_owned(), Json::array_of(&names))).chain(each).collect()
}

/// What a running task adds to its chord: a part like itself. Says how many parts it counts for, 0 outside a chord.
pub fn joined(message: &Message, mut sig: Signature) -> (Signature, u32) {
    let embed = Embed::of(message);
    let (Some(group), Some(body)) = (&message.group, embed.chord) else { return (sig, 0) };
    sig.join(group, message.group_index.unwrap_or(0), Some(&body.to_json()));
    let parts = u32::try_from(sig.parts()).unwrap_or(u32::MAX);
    (sig, parts)
}

impl Follow {
    fn call(&mut self, mut sig: Signature, result: &str, setting: &mut Setting) -> Result<(), CanvasError> {
        sig.prepend(&[result]);
        let sent = self.plan.add(sig, setting)?;
        self.children.push(sent.first);
        Ok(())
    }

    /// Fails each of `steps` and what it stands for.
    pub(crate) fn fail_steps(
        &mut self,
        steps: &[JsonRef<'_>],
        state: &State,
        exception: &Json,
        wrong: &mut Vec<CanvasError>,
    ) {
        // The next step is the last one; results are written in the order the steps would have run.
        for step in steps.iter().rev() {
            match Signature::from_json(*step) {
                Ok(sig) => self.fail(&sig, state, exception),
                Err(error) => wrong.push(error),
            }
        }
    }

    /// Fails what `sig` would have resulted in.
    pub(crate) fn fail(&mut self, sig: &Signature, state: &State, exception: &Json) {
        let own = sig.options.text("task_id").filter(|_| !matches!(sig.shape, Shape::Chain(_)));
        let last = sig.last_tasks();
        let ids = own.into_iter().chain(last.iter().filter_map(|task| task.options.text("task_id")));
        for id in ids.filter_map(|id| TaskId::new(id).ok()) {
            if self.known.insert(id.clone()) {
                self.ended.push(id);
            }
        }
        self.parts.extend(last.iter().filter_map(|task| part::of_signature(task, state, exception)));
    }

    /// Calls `errbacks` with the id of what failed.
    pub(crate) fn call_errbacks(
        &mut self,
        id: &str,
        errbacks: &[JsonRef<'_>],
        setting: &mut Setting,
        wrong: &mut Vec<CanvasError>,
    ) {
        let id = Json::text(id);
        for errback in errbacks {
            let mut plan = Plan::default();
            let sent = Signature::from_json(*errback).and_then(|mut sig| {
                sig.prepend(&[id.as_str()]);
                plan.add(sig, setting)
            });
            match sent {
                Ok(_) => {
                    self.plan.messages.append(&mut plan.messages);
                    self.plan.chords.append(&mut plan.chords);
                }
                Err(error) => wrong.push(error),
            }
        }
    }
}

impl Signature {
    /// Says how often the place it takes was replaced.
    fn nest(&mut self, nesting: u64) {
        self.options.set("replaced_task_nesting", Json::trusted(nesting.to_string()));
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
