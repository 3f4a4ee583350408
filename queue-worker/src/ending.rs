//! Turns the decision about a job into the one step that ends its delivery.

use std::cell::OnceCell;
use std::time::Duration;

use queue_core::canvas::{ResultNode, Signature};
use queue_core::message::{Changes, Json, Message, rewrite};
use queue_core::result::{ResultMeta, State};
use queue_core::store::{DeadLetter, DeadReason, DeliveryTag, Ending, Outgoing, Settlement, StoredResult};
use queue_core::task::{Again, Exception, MAX_RETRIES, UNKNOWN_HERE};
use queue_core::{QueueName, Timestamp};

use crate::emitter::Telling;
use crate::engine::{Engine, StoreTime};
use crate::jobs::Held;
use crate::{chord, settle};

/// A job whose end is being written.
pub(crate) struct Subject<'a> {
    pub(crate) held: &'a Held,
    pub(crate) worker: &'a str,
    time: &'a StoreTime,
    now: OnceCell<Timestamp>,
    /// How long its result is kept.
    pub(crate) ttl: Option<Duration>,
    /// Whether its result says what was called.
    pub(crate) extended: bool,
    /// Whether it stores a result at all.
    pub(crate) ignore_result: bool,
    /// Where tasks go that name no queue.
    pub(crate) default_queue: &'a QueueName,
    /// Whether Celery's workers may consume the same queues.
    pub(crate) celery: bool,
    /// What its run sent.
    pub(crate) children: Vec<ResultNode>,
    /// What its run added to its chord.
    pub(crate) added: Vec<Signature>,
}

impl<'a> Subject<'a> {
    /// `held` as of now.
    pub(crate) fn new(engine: &'a Engine, held: &'a Held) -> Self {
        Self {
            held,
            worker: &engine.config.hostname,
            time: &engine.time,
            now: OnceCell::new(),
            ttl: engine.config.result_ttl,
            extended: engine.config.result_extended,
            ignore_result: engine.tasks.ignores_result(&held.message),
            default_queue: engine.client.default_queue(),
            celery: engine.client.store().has_celery(),
            children: Vec::new(),
            added: Vec::new(),
        }
    }

    /// The store's time, the same for all that is written of this end. Asked for only where something needs it.
    pub(crate) fn now(&self) -> Timestamp {
        *self.now.get_or_init(|| self.time.now())
    }

    /// The value is stored, and what follows goes out.
    pub(crate) fn succeed(mut self, value: Json) -> Settlement {
        let mut end = self.done();
        if let Err(error) = self.follow_success(&mut end, &value) {
            tracing::error!(%error, "what follows this task cannot be sent: it counts as failed");
            return self.dead(DeadReason::Failed, &exception("queue", "CanvasError", &error.to_string()));
        }
        if !self.ignore_result {
            end.results.push(self.stored(self.meta(State::Success, value, Some(self.now()))));
        }
        end
    }

    /// Another signature takes its place; there is no result of its own.
    pub(crate) fn replaced(mut self, sig: Signature) -> Settlement {
        let mut end = self.done();
        match self.follow_replacement(&mut end, sig) {
            Ok(()) => end,
            Err(error) => {
                tracing::error!(%error, "what is to replace this task cannot be sent: it counts as failed");
                self.dead(DeadReason::Failed, &exception("queue", "CanvasError", &error.to_string()))
            }
        }
    }

    /// The same message with one more retry, due after `wait`; the result says RETRY and why.
    pub(crate) fn retry(&self, wait: Duration, why: &Exception, again: Again) -> Settlement {
        let retries = Some(self.held.message.retries.saturating_add(1));
        let mut changes = Changes { retries, args: again.args, kwargs: again.kwargs, ..Changes::default() };
        if let Some(max) = again.max_retries {
            changes.headers.push((MAX_RETRIES.to_owned(), Json::from_value(&max).unwrap_or_else(|_| Json::null())));
        }
        let mut end = self.later(wait, changes);
        // What cannot be sent on says FAILURE already, and may send errbacks.
        if matches!(end.ending, Ending::Dead(_)) || self.ignore_result {
            return end;
        }
        end.results.push(self.stored(self.failed(State::Retry, why, None)));
        end
    }

    /// The same message, due after `wait`.
    pub(crate) fn snooze(&self, wait: Duration) -> Settlement {
        self.later(wait, Changes::default())
    }

    /// The same message, due after `wait`, with a note of how often that was so: nobody here knows its task.
    pub(crate) fn unknown_here(&self, wait: Duration, tries: u32) -> Settlement {
        let note = Json::from_value(&tries).unwrap_or_else(|_| Json::null());
        self.sent_on(wait, Changes { headers: vec![(UNKNOWN_HERE.to_owned(), note)], ..Changes::default() })
    }

    /// The message as it came, due at `eta`.
    pub(crate) fn not_yet(&self, eta: Timestamp) -> Settlement {
        let mut end = self.done();
        end.follow.push(self.outgoing(Some(eta), self.held.payload.clone()));
        end
    }

    /// Kept aside; the result says FAILURE and why.
    pub(crate) fn dead(&self, reason: DeadReason, why: &Exception) -> Settlement {
        let mut end = self.done();
        if end.tag.is_none() {
            let held = self.held;
            end.early = Some(Box::new((held.queue.clone(), held.step, held.payload.clone())));
        }
        end.ending = Ending::Dead(Box::new(self.letter(reason, why)));
        if !self.ignore_result {
            end.results.push(self.stored(self.failed(State::Failure, why, Some(self.now()))));
        }
        self.follow_failure(&mut end, &State::Failure, why);
        end
    }

    /// Not to be run: the result says REVOKED and why.
    pub(crate) fn revoked(&self, why: &str) -> Settlement {
        let mut end = self.done();
        let why = exception("celery.exceptions", "TaskRevokedError", why);
        if !self.ignore_result {
            end.results.push(self.stored(self.failed(State::Revoked, &why, Some(self.now()))));
        }
        self.follow_failure(&mut end, &State::Revoked, &why);
        end
    }

    /// Too late to be run: kept aside; the result says REVOKED, as Celery's does.
    pub(crate) fn expired(&self) -> Settlement {
        let mut end = self.revoked("expired");
        let why = exception("celery.exceptions", "TaskRevokedError", "expired before it started");
        end.ending = Ending::Dead(Box::new(self.letter(DeadReason::Expired, &why)));
        end
    }

    /// What says STARTED.
    pub(crate) fn started(&self) -> StoredResult {
        let result = Json::from_value(&serde_json::json!({ "pid": std::process::id(), "hostname": self.worker }));
        let result = result.unwrap_or_else(|_| Json::null());
        self.stored(self.meta(State::Started, result, None))
    }

    /// What says a state of the task's own.
    pub(crate) fn custom(&self, state: &str, meta: Json) -> StoredResult {
        self.stored(self.meta(State::from(state), meta, None))
    }

    pub(crate) fn done(&self) -> Settlement {
        let tag: Option<DeliveryTag> = self.held.tag();
        tag.map_or_else(Settlement::early, Settlement::done)
    }

    /// The original bytes with these changes and another time.
    fn later(&self, wait: Duration, changes: Changes) -> Settlement {
        let due = (!wait.is_zero()).then(|| self.now().after(wait));
        let mut changes = Changes { eta: Some(due), ..changes };
        if self.held.message.other_headers && self.held.message.headers.as_str().contains(UNKNOWN_HERE) {
            // Somebody knew it: the count of those who did not begins anew.
            changes.headers.push((UNKNOWN_HERE.to_owned(), Json::null()));
        }
        self.sent_on(wait, changes)
    }

    /// The original bytes with these changes, due after `wait`.
    fn sent_on(&self, wait: Duration, changes: Changes) -> Settlement {
        let due = (!wait.is_zero()).then(|| self.now().after(wait));
        match rewrite(&self.held.payload, &changes) {
            Ok(payload) => {
                let mut end = self.done();
                end.follow.push(self.outgoing(due, payload));
                end
            }
            // It was readable a moment ago, so this is a bug of ours; the message must not be lost by it.
            Err(error) => {
                let why = format!("cannot be sent on: {error}");
                self.dead(DeadReason::Undecodable, &exception("queue", "DecodeError", &why))
            }
        }
    }

    fn outgoing(&self, due: Option<Timestamp>, payload: bytes::Bytes) -> Outgoing {
        let Message { priority, id, task, .. } = &*self.held.message;
        let queue = self.held.queue.clone();
        Outgoing { queue, priority: *priority, due, id: id.clone(), task: task.as_str().into(), payload }
    }

    fn letter(&self, reason: DeadReason, why: &Exception) -> DeadLetter {
        let message = &self.held.message;
        DeadLetter {
            id: Some(message.id.to_string()),
            task: Some(message.task.to_string()),
            reason,
            error: in_words(why),
            retries: message.retries,
            worker: self.worker.to_owned(),
        }
    }

    fn failed(&self, state: State, why: &Exception, done: Option<Timestamp>) -> ResultMeta {
        let mut meta = self.meta(state, ResultMeta::exception_json(why), done);
        meta.traceback.clone_from(&why.traceback);
        meta
    }

    fn meta(&self, state: State, result: Json, done: Option<Timestamp>) -> ResultMeta {
        let message = &self.held.message;
        let mut meta = ResultMeta::new(message.id.clone(), state, result, done);
        if !self.children.is_empty() {
            meta.children = Some(result_tuples(&self.children));
        }
        meta.group_id.clone_from(&message.group);
        meta.parent_id.clone_from(&message.parent_id);
        if self.extended {
            meta.extra = self.what_was_called();
        }
        meta
    }

    /// Celery's `result_extended`, in its order.
    fn what_was_called(&self) -> Vec<(String, Json)> {
        let message = &self.held.message;
        let text = |text: &str| Json::from_value(text).unwrap_or_else(|_| Json::null());
        let number = Json::from_value(&message.retries).unwrap_or_else(|_| Json::null());
        let routing_key = if message.routing_key.is_empty() { self.held.queue.as_str() } else { &message.routing_key };
        let fields = [
            ("name", text(&message.task)),
            ("args", message.args.clone()),
            ("kwargs", message.kwargs.clone()),
            ("worker", text(self.worker)),
            ("retries", number),
            ("queue", text(routing_key)),
        ];
        let stamps = queue_core::canvas::stamps(message).into_iter();
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(stamps).collect()
    }

    fn stored(&self, meta: ResultMeta) -> StoredResult {
        StoredResult { id: self.held.message.id.clone(), meta: meta.encode(), ttl: self.ttl }
    }
}

/// The end of a job whose own end the store refused, which is a failure for all that follows from it, and what is told of it.
pub(crate) fn refused(engine: &Engine, held: &Held, why: &str) -> (Settlement, Telling) {
    let (end, telling) = match chord::refused(engine, held, why) {
        Some(end) => (end, Telling::default()),
        None => {
            let why = exception("queue", "StoreError", &settle::in_words(why));
            let telling = engine.emitter.about("task-failed", &held.message).why(&why);
            (Subject::new(engine, held).dead(DeadReason::Failed, &why), telling)
        }
    };
    end.follow.iter().filter_map(|message| message.due).for_each(|due| engine.wakeups.due(due));
    (end, telling)
}

/// The results of what was sent, as Celery writes them: `[[id, parent], null]` of a task.
fn result_tuples(nodes: &[ResultNode]) -> Json {
    let tuples: Vec<Json> = nodes.iter().map(ResultNode::to_json).collect();
    Json::array_of(&tuples)
}

/// An exception as Celery names its own.
pub(crate) fn exception(module: &str, exc_type: &str, message: &str) -> Exception {
    Exception { exc_type: exc_type.into(), exc_module: module.into(), message: message.into(), traceback: None }
}

/// The exception as one sentence for people: its type where that says something, and its message.
pub(crate) fn in_words(why: &Exception) -> String {
    if why.message.is_empty() { why.exc_type.clone() } else { format!("{}: {}", why.exc_type, why.message) }
}
