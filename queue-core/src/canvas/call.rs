//! A call of a task that is not made yet, with the options of this one call.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use super::spec::{Fault, Links, OnceKey, Spec, Start};
use super::{Canvas, Sending, Signature};
use crate::backoff::Backoff;
use crate::client::{Client, JobHandle};
use crate::clock::Timestamp;
use crate::message::Json;
use crate::names::{NameError, Priority, QueueName, TaskId};
use crate::task::{Task, TaskOptions};

/// A call of a task that is not made yet (Celery's *signature*): the task, its arguments and the options of this call.
///
/// `add.s(2, 3)` makes one for a task of this program; [`Call::named`] one for a task that some other program runs.
/// `Out` is what the task returns. Options given here come before the task's own.
///
/// A wrong option (a queue name with control bytes, arguments without a JSON form) is not lost: the first one is what
/// [`Call::send`] answers.
///
/// ```no_run
/// # use queue_core::prelude::*;
/// # #[task] async fn remind(order: u64) {}
/// # async fn example(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
/// remind.s(42).countdown(minutes(5)).priority(3).send().await?;
/// client.send(Call::named("billing.charge").args(json!([7])).queue("celery")).await?; // a task in Python
/// # Ok(()) }
/// ```
#[must_use = "a call does nothing until it is sent"]
pub struct Call<Out = serde_json::Value, In = Complete> {
    pub(crate) spec: Box<Spec>,
    types: PhantomData<fn(In) -> Out>,
}

/// Says of a call or workflow that it lacks no argument, so that it can be sent.
#[derive(Debug, Clone, Copy)]
pub enum Complete {}

/// A call that lacks its first argument, an `In`: the result of what comes before it in a chain, or the list of results of a
/// group. `mul.partial(10)` makes one.
pub type Partial<In, Out> = Call<Out, In>;

/// Headers that say what the message is; they have methods of their own.
const RESERVED: [&str; 19] = [
    "task",
    "id",
    "eta",
    "expires",
    "group",
    "group_index",
    "retries",
    "timelimit",
    "root_id",
    "parent_id",
    "ignore_result",
    "compression",
    "shadow",
    "sent_at",
    "lang",
    "origin",
    "max_retries",
    "backoff",
    "acks_late",
];

impl Call {
    /// A call of the task with this name, whoever runs it: a worker in Python, or a Rust program that this one does
    /// not link. Give it arguments with [`Call::args`] and [`Call::kwargs`], and a queue that its workers consume.
    pub fn named(task: impl Into<Cow<'static, str>>) -> Self {
        Self::with(task.into(), None)
    }
}

impl<Out, In> Call<Out, In> {
    /// For `#[task]`: a call of `T` with `args`, a tuple.
    #[doc(hidden)]
    pub fn of<T: Task<Out = Out>>(args: &impl Serialize) -> Self {
        Self::with(Cow::Borrowed(T::DEF.name), Some((T::DEF.options)())).args(args)
    }

    pub(crate) fn with(task: Cow<'static, str>, task_options: Option<TaskOptions>) -> Self {
        let fault = task.is_empty().then_some(Fault::Name(NameError::NoTask));
        let spec = Spec {
            task,
            args: Json::empty_array(),
            kwargs: Json::empty_object(),
            task_options,
            id: None,
            queue: None,
            priority: None,
            start: None,
            expires: None,
            time_limit: None,
            soft_time_limit: None,
            ignore_result: None,
            max_retries: None,
            backoff: None,
            acks_early: None,
            shadow: None,
            headers: Vec::new(),
            key: None,
            links: None,
            fault,
        };
        Self { spec: Box::new(spec), types: PhantomData }
    }

    /// Positional arguments: whatever serde writes as an array, e.g. `json!([1, "a"])` or a tuple.
    pub fn args(mut self, args: impl Serialize) -> Self {
        match Json::from_value(&args) {
            Ok(args) if args.as_str().starts_with('[') => self.spec.args = args,
            // The empty tuple: serde writes it as null.
            Ok(args) if args.as_ref().is_null() => self.spec.args = Json::empty_array(),
            Ok(other) => self.fail(Fault::Arguments(format!("expected an array, got {}", other.preview(60)))),
            Err(why) => self.fail(Fault::Arguments(why.to_string())),
        }
        self
    }

    /// Keyword arguments: whatever serde writes as an object, e.g. `json!({"order_id": 42})` or a struct.
    pub fn kwargs(mut self, kwargs: impl Serialize) -> Self {
        match Json::from_value(&kwargs) {
            Ok(kwargs) if kwargs.as_str().starts_with('{') => self.spec.kwargs = kwargs,
            Ok(other) => self.fail(Fault::Arguments(format!("expected an object, got {}", other.preview(60)))),
            Err(why) => self.fail(Fault::Arguments(why.to_string())),
        }
        self
    }

    /// Starts not before this much time has passed. It waits in the store, not in a worker.
    ///
    /// The instant is the store's time plus `wait`, whatever this host's clock says: the client asks the store for its time,
    /// once a minute at most. A task that only Python workers know waits in one of those, as with Celery, and that worker
    /// compares with its own host's clock.
    pub fn countdown(mut self, wait: Duration) -> Self {
        self.spec.start = Some(Start::In(wait));
        self
    }

    /// Starts not before this instant of the store's clock.
    pub fn eta(mut self, at: Timestamp) -> Self {
        self.spec.start = Some(Start::At(at));
        self
    }

    /// Goes to this queue.
    pub fn queue(mut self, name: impl AsRef<str>) -> Self {
        match QueueName::new(name) {
            Ok(queue) => self.spec.queue = Some(queue),
            Err(why) => self.fail(Fault::Name(why)),
        }
        self
    }

    /// How urgent: 0 goes first, 9 last; clamped to that.
    pub fn priority(mut self, priority: i64) -> Self {
        self.spec.priority = Some(Priority::new(priority));
        self
    }

    /// Is not started at all once this much time has passed: its result is then REVOKED.
    pub fn expires(mut self, after: Duration) -> Self {
        self.spec.expires = Some(after);
        self
    }

    /// The run is ended after this long.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.spec.time_limit = Some(limit);
        self
    }

    /// The run is asked to come to an end after this long: its context is cancelled.
    pub fn soft_time_limit(mut self, limit: Duration) -> Self {
        self.spec.soft_time_limit = Some(limit);
        self
    }

    /// Whether the result is thrown away.
    pub fn ignore_result(mut self, ignore: bool) -> Self {
        self.spec.ignore_result = Some(ignore);
        self
    }

    /// How many retries after the first run. Only our own workers know it; a Python worker uses its task's.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.spec.max_retries = Some(retries);
        self
    }

    /// How long to wait before each retry. Only our own workers know it; a Python worker uses its task's.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.spec.backoff = Some(backoff);
        self
    }

    /// Whether it is acknowledged before its run, so that a crash loses it, instead of after it, so that a crash runs it
    /// again. Only our own workers know it.
    pub fn acks_early(mut self, early: bool) -> Self {
        self.spec.acks_early = Some(early);
        self
    }

    /// The job's id: any text of 1 to 512 bytes. Without it a fresh UUID, or inside a running task one derived from
    /// that task's id.
    pub fn task_id(mut self, id: impl AsRef<str>) -> Self {
        match TaskId::new(id) {
            Ok(id) => self.spec.id = Some(id),
            Err(why) => self.fail(Fault::Name(why)),
        }
        self
    }

    /// Is sent once, however often: while this key stands, a day unless [`Call::idempotency_ttl`] says otherwise, whoever sends
    /// with it again enqueues nothing and gets a handle of the first one, with its id. `order-42-confirm`, for one.
    ///
    /// A key is of the whole store, whatever the queue. It is written in the same step as the message, and stands for its time,
    /// whatever becomes of the job; of the first send it keeps the task and the id, so that the same key for another task
    /// is an error ([`SendError::KeyTaken`](crate::SendError::KeyTaken)). It has 1 to 512 bytes. A workflow has one as a whole
    /// ([`Flow::idempotency_key`](super::Flow::idempotency_key)), its steps have none.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        let key = OnceKey::new(key);
        match key.check() {
            Ok(()) => self.spec.key = Some(Box::new(key)),
            Err(why) => self.fail(Fault::Key(why)),
        }
        self
    }

    /// How long its [idempotency key](Call::idempotency_key) stands: longer than anybody may try again; whole seconds, and less
    /// than one is refused when it is sent. Without a key it means nothing.
    pub fn idempotency_ttl(mut self, ttl: Duration) -> Self {
        match self.spec.key.take().map(|key| key.standing(ttl)) {
            Some(Ok(key)) => self.spec.key = Some(Box::new(key)),
            Some(Err(why)) => self.fail(Fault::Key(why)),
            None => {}
        }
        self
    }

    /// A name to show in logs and tables instead of the task's.
    pub fn shadow(mut self, name: impl Into<String>) -> Self {
        self.spec.shadow = Some(name.into());
        self
    }

    /// A header of your own; the task reads it with [`Context::header`](crate::task::Context::header), a Python task
    /// as `request.headers`.
    pub fn header(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        if RESERVED.contains(&name.as_str()) {
            let why = "this name is the protocol's own; the call has a method for it".to_owned();
            self.fail(Fault::Header { name, why });
            return self;
        }
        match Json::from_value(&value) {
            Ok(value) => {
                self.spec.headers.retain(|(known, _)| *known != name);
                self.spec.headers.push((name, value));
            }
            Err(why) => self.fail(Fault::Header { name, why: why.to_string() }),
        }
        self
    }

    pub(crate) fn kwargs_json(mut self, kwargs: Json) -> Self {
        self.spec.kwargs = kwargs;
        self
    }

    pub(crate) fn faulty(mut self, why: String) -> Self {
        self.fail(Fault::Arguments(why));
        self
    }

    pub(crate) fn retyped<O, I>(call: Call<O, I>) -> Self {
        Self { spec: call.spec, types: PhantomData }
    }

    /// Calls `sig` with the result once this call has succeeded.
    pub fn link(mut self, sig: impl Into<Signature>) -> Self {
        self.links().link.push(sig.into());
        self
    }

    /// Calls `sig` with this call's id, a text, once it has failed.
    pub fn link_error(mut self, sig: impl Into<Signature>) -> Self {
        self.links().link_error.push(sig.into());
        self
    }

    /// Stamps it: a name and a value that travel along in its headers; `celery control revoke_by_stamped_headers` finds it.
    pub fn stamp(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        match Json::from_value(&value) {
            Ok(value) => self.links().stamps.push((name, value)),
            Err(why) => self.fail(Fault::Header { name, why: why.to_string() }),
        }
        self
    }

    pub(crate) fn links(&mut self) -> &mut Links {
        self.spec.links.get_or_insert_default()
    }

    /// The name of the task it calls.
    pub fn task(&self) -> &str {
        &self.spec.task
    }

    fn fail(&mut self, fault: Fault) {
        self.spec.fault.get_or_insert(fault);
    }
}

impl<Out: 'static> Call<Out> {
    /// Sends it with the default client (see [`Client::current`]).
    pub fn send(self) -> Sending<JobHandle<Out>> {
        self.sending(None, None)
    }

    /// Sends it with this client.
    pub fn send_with(self, client: &Client) -> Sending<JobHandle<Out>> {
        self.sending(Some(client.clone()), None)
    }
}

impl<Out, In> Clone for Call<Out, In> {
    fn clone(&self) -> Self {
        Self { spec: self.spec.clone(), types: PhantomData }
    }
}

impl<Out, In> fmt::Debug for Call<Out, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Call");
        out.field("task", &self.spec.task).field("args", &self.spec.args.preview(60));
        out.field("kwargs", &self.spec.kwargs.preview(60)).finish_non_exhaustive()
    }
}
