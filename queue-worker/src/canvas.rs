//! What follows from a job's end, in the step that settles it: callbacks, the next step of a chain, a chord's part, errbacks.

use queue_core::canvas::{self, CanvasError, Follow, Part, Plan, ResultNode, Setting, Signature};
use queue_core::message::Json;
use queue_core::result::{ResultMeta, State};
use queue_core::store::{ChordPart, ChordStep, Outgoing, Settlement, StoredResult};
use queue_core::task::Exception;
use queue_core::{Priority, TaskId};

use crate::ending::Subject;

impl Subject<'_> {
    /// What sending needs to know, for what this job sends.
    pub(crate) fn setting(&self) -> Setting {
        let message = &self.held.message;
        let root = message.root_id.as_deref().unwrap_or(message.id.as_str());
        // The same ids each time this end is written, others than those of the calls that the body made itself.
        let seed = message.id.child_of_run(&message.delivery_tag, u64::MAX);
        let setting = Setting::of_client(self.default_queue.clone(), self.now(), self.ttl).beside_celery(self.celery);
        setting.of_task(&message.id, root, seed)
    }

    /// Where nothing follows, as after most jobs, this costs next to nothing.
    pub(crate) fn follow_success(&mut self, end: &mut Settlement, value: &Json) -> Result<(), CanvasError> {
        if self.added.is_empty() && canvas::is_alone(&self.held.message) {
            return Ok(());
        }
        let mut setting = self.setting();
        let added = self.follow_added(end, &mut setting)?;
        let follow = canvas::after_success(&self.held.message, value, &mut setting)?;
        self.children.extend(added.into_iter().chain(follow.children.iter().cloned()));
        self.put(end, follow, None);
        Ok(())
    }

    pub(crate) fn follow_replacement(&mut self, end: &mut Settlement, sig: Signature) -> Result<(), CanvasError> {
        let mut setting = self.setting();
        self.follow_added(end, &mut setting)?;
        let follow = canvas::replace(&self.held.message, sig, &mut setting)?;
        self.put(end, follow, None);
        Ok(())
    }

    pub(crate) fn follow_failure(&self, end: &mut Settlement, state: &State, why: &Exception) {
        if canvas::is_alone(&self.held.message) {
            return;
        }
        let (mut setting, exception) = (self.setting(), ResultMeta::exception_json(why));
        let (follow, wrong) = canvas::after_failure(&self.held.message, state, &exception, &mut setting);
        for error in wrong {
            tracing::error!(%error, "something that should follow this failure cannot be sent");
        }
        self.put(end, follow, Some((state, why)));
    }

    /// What the body added to its chord: counted and sent now. Says what it is called.
    fn follow_added(&mut self, end: &mut Settlement, setting: &mut Setting) -> Result<Vec<ResultNode>, CanvasError> {
        let mut children = Vec::new();
        for sig in std::mem::take(&mut self.added) {
            let (sig, parts) = canvas::joined(&self.held.message, sig);
            let mut plan = Plan::default();
            children.push(plan.add(sig, setting)?.first);
            if let (Some(group), 1..) = (&self.held.message.group, parts) {
                end.chords.push(ChordStep::Grow { group: group.clone(), by: parts, ttl: self.ttl });
            }
            send(end, plan);
        }
        Ok(children)
    }

    /// Puts all that follows into the settlement.
    fn put(&self, end: &mut Settlement, follow: Follow, why: Option<(&State, &Exception)>) {
        send(end, follow.plan);
        if let Some((state, why)) = why {
            end.results.extend(follow.ended.into_iter().map(|id| self.ended_too(id, state, why)));
        }
        end.chords.extend(follow.parts.into_iter().map(|part| ChordStep::Part(self.part(part))));
    }

    /// The failure (or revocation) as the result of another task: a later step of the chain, which now never runs.
    fn ended_too(&self, id: TaskId, state: &State, why: &Exception) -> StoredResult {
        let failure = ResultMeta::exception_json(why);
        let mut meta = ResultMeta::new(id.clone(), state.clone(), failure, Some(self.now()));
        meta.traceback.clone_from(&why.traceback);
        StoredResult { id, meta: meta.encode(), ttl: self.ttl }
    }

    /// A failure, as it is stored, as the result of a task that never runs.
    pub(crate) fn failed_as(&self, id: TaskId, failure: &Json) -> StoredResult {
        let meta = ResultMeta::new(id.clone(), State::Failure, failure.clone(), Some(self.now())).encode();
        StoredResult { id, meta, ttl: self.ttl }
    }

    /// A part as the store takes it, with what is to happen should it be the last.
    pub(crate) fn part(&self, part: Part) -> ChordPart {
        let message = &self.held.message;
        let root = message.root_id.as_deref().unwrap_or(message.id.as_str());
        let token = TaskId::random().as_str().to_owned();
        let (id, queue) = (TaskId::random(), self.held.queue.clone());
        let payload = part.dispatch(&token, root, queue.as_str(), id.clone());
        let priority = Priority::new(i64::from(self.held.step));
        let dispatch = Outgoing { queue, priority, due: None, id, task: canvas::DISPATCH.into(), payload };
        let Part { group, id, index, member, body: _ } = part;
        ChordPart { group, id, index, member, ttl: self.ttl, token, dispatch }
    }
}

/// Adds what is to be sent.
pub(crate) fn send(end: &mut Settlement, plan: Plan) {
    end.chords.extend(plan.chords.into_iter().map(ChordStep::Begin));
    end.follow.extend(plan.messages);
}
