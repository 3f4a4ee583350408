//! What a running task knows of itself.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Cancel, StateMap, TaskError};
use crate::canvas::{Canvas, ResultNode, Sending, Signature};
use crate::client::{Client, SendError};
use crate::message::{DecodeLimits, Draft, Json, Message, ValueError};
use crate::names::{QueueName, TaskId};
use crate::result::{ResultMeta, State};
use crate::store::{StoreError, StoredResult};

/// How many of the jobs that one run sends are remembered for its result's `children`.
const MAX_CHILDREN: usize = 10_000;

/// Where a running task's custom states go; the worker implements it, fenced by the lease.
#[async_trait]
pub trait ProgressSink: Send + Sync {
    /// Stores `state` with `meta` (JSON) as the task's result; false when the lease was lost.
    async fn report(&self, state: &str, meta: Json) -> Result<bool, StoreError>;
}

/// What the worker puts into a [`Context`].
pub struct ContextParts {
    /// The message being run.
    pub message: Arc<Message>,
    /// The queue it came from.
    pub queue: QueueName,
    /// `name@host` of the worker.
    pub worker: Arc<str>,
    /// True when an earlier run of it was cut off.
    pub redelivered: bool,
    /// Cancelled at the soft time limit, at a revocation with terminate, and when the grace period of a shutdown ends.
    pub cancel: Cancel,
    /// When the run is ended, if it has a time limit.
    pub deadline: Option<Instant>,
    /// The worker's states.
    pub state: Arc<StateMap>,
    /// Sends messages to the worker's own store.
    pub client: Client,
    /// Takes custom states.
    pub progress: Arc<dyn ProgressSink>,
}

/// What a running task knows of itself. Cheap to clone.
///
/// A task takes it as a parameter: `async fn index(url: String, ctx: Context)`.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    parts: ContextParts,
    calls: AtomicU64,
    children: Mutex<Vec<ResultNode>>,
    added: Mutex<Vec<Signature>>,
    runtime: Option<Handle>,
}

tokio::task_local! {
    static CURRENT: Context;
}

/// Where a message stands in its workflow: what a call made by a running task carries.
#[derive(Debug, Clone)]
pub(crate) struct Lineage {
    pub(crate) id: TaskId,
    pub(crate) parent: String,
    pub(crate) root: String,
}

impl Context {
    /// For the worker, and for unit tests of tasks. Called on a Tokio runtime, the context remembers it for
    /// [`Context::block_on`].
    pub fn new(parts: ContextParts) -> Self {
        let runtime = Handle::try_current().ok();
        let (calls, children, added) = (AtomicU64::new(0), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { parts, calls, children, added, runtime }))
    }

    /// A context for unit tests of tasks: a first run of `task` by nobody, with `client` as its worker's. What it
    /// [reports](Context::progress) goes into the client's store.
    ///
    /// ```
    /// use queue_core::prelude::*;
    ///
    /// #[task]
    /// async fn attempts(ctx: Context) -> u32 { ctx.attempt() }
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let client = Client::connect("sqlite::memory:").await?;
    /// let ctx = Context::for_test(&client, attempts.name());
    /// assert_eq!(attempts.run(ctx).await, 1);
    /// # Ok::<(), queue_core::store::ConnectError>(()) }).unwrap();
    /// ```
    pub fn for_test(client: &Client, task: &str) -> Self {
        let queue = client.default_queue().clone();
        let payload = Draft::new(task, TaskId::random(), queue.as_str()).encode();
        let message = Message::decode(&payload, &DecodeLimits::default()).expect("what we encode we also decode");
        let progress = Arc::new(ToStore { client: client.clone(), id: message.id.clone() });
        Self::new(ContextParts {
            message: Arc::new(message),
            queue,
            worker: "test@localhost".into(),
            redelivered: false,
            cancel: Cancel::new(),
            deadline: None,
            state: Arc::default(),
            client: client.clone(),
            progress,
        })
    }

    /// What the worker put in.
    pub fn parts(&self) -> &ContextParts {
        &self.0.parts
    }

    /// The context of the run this code is part of: set inside a task's body, but not in what it spawns.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// The message being run.
    pub fn message(&self) -> &Message {
        &self.parts().message
    }

    /// The task's id.
    pub fn id(&self) -> &TaskId {
        &self.message().id
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        &self.message().task
    }

    /// How often it was tried before: 0 on the first run. A run that was cut off by a crash does not count.
    pub fn retries(&self) -> u32 {
        self.message().retries
    }

    /// Which attempt this is, beginning at 1.
    pub fn attempt(&self) -> u32 {
        self.retries().saturating_add(1)
    }

    /// The queue it came from.
    pub fn queue(&self) -> &str {
        self.parts().queue.as_str()
    }

    /// The worker that runs it, `name@host`.
    pub fn worker(&self) -> &str {
        &self.parts().worker
    }

    /// True when an earlier run of this attempt was cut off (its worker died): what the body does may have been done.
    pub fn redelivered(&self) -> bool {
        self.parts().redelivered
    }

    /// The id of the first task of the workflow; its own when it is the first.
    pub fn root_id(&self) -> &str {
        self.message().root_id.as_deref().unwrap_or_else(|| self.id().as_str())
    }

    /// The id of the task that sent this one.
    pub fn parent_id(&self) -> Option<&str> {
        self.message().parent_id.as_deref()
    }

    /// Whether the body should come to an end: its soft time limit has passed, it was revoked, or the worker stops.
    pub fn is_cancelled(&self) -> bool {
        self.parts().cancel.is_cancelled()
    }

    /// Waits until [`Context::is_cancelled`]; for `tokio::select!`.
    pub async fn cancelled(&self) {
        self.parts().cancel.token().cancelled().await;
    }

    /// How long until the run is ended; `None` without a time limit.
    pub fn time_left(&self) -> Option<Duration> {
        self.parts().deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// A client of the worker's own store.
    pub fn client(&self) -> &Client {
        &self.parts().client
    }

    /// The message's header `name` as a `T`; `None` when it is absent or null.
    ///
    /// # Errors
    ///
    /// [`ValueError`] when it is something else than a `T`.
    pub fn header<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ValueError> {
        let found = self.message().headers.entries()?.filter(|(key, _)| key == name).last();
        match found {
            Some((_, value)) if !value.is_null() => value.parse().map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// Stores a state of the task's own (`PROGRESS`) with some data, for those who ask for its status meanwhile.
    /// False when the lease was lost: another worker may be running the task by now, and this run's outcome will not count.
    ///
    /// # Errors
    ///
    /// [`SendError::Arguments`] when `meta` has no JSON form, [`SendError::Store`] when the store refuses.
    pub async fn progress(&self, state: &str, meta: impl Serialize) -> Result<bool, SendError> {
        let meta =
            Json::from_value(&meta).map_err(|source| SendError::Arguments { task: self.task().to_owned(), source })?;
        Ok(self.parts().progress.report(state, meta).await?)
    }

    /// Sends a call or workflow to the worker's own store at once, as a child of this task.
    ///
    /// Its id is derived from this task's message and how many calls this run made before: a run that is repeated after a
    /// crash sends the same ids again (a retry does not), so a workflow does not fork. This holds as long as the body
    /// makes its calls in the same order each time.
    pub fn send<C: Canvas>(&self, canvas: C) -> Sending<C::Handle> {
        canvas.sending(Some(self.client().clone()), Some(self.clone()))
    }

    /// To be returned as the task's error: instead of ending with a result of its own, the task is replaced by `sig`, which runs
    /// under its id and takes its place in its chain, group and chord. Of a group the result is the list of its results.
    ///
    /// ```
    /// # use queue_core::prelude::*;
    /// # #[task] async fn slow_path(n: u64) -> u64 { n }
    /// #[task]
    /// async fn compute(n: u64, ctx: Context) -> TaskResult<u64> {
    ///     if n > 1000 {
    ///         return Err(ctx.replace(slow_path.s(n)));
    ///     }
    ///     Ok(n * n)
    /// }
    /// ```
    pub fn replace(&self, sig: impl Into<Signature>) -> TaskError {
        TaskError::replace(sig.into())
    }

    /// Adds a task to the chord that this task is a part of: it is sent, and counted, in the step that ends this run well, so
    /// that a run that is repeated after a crash does not add it twice. Without a chord it is sent all the same, as a child.
    pub fn add_to_chord(&self, sig: impl Into<Signature>) {
        self.0.added.lock().unwrap_or_else(PoisonError::into_inner).push(sig.into());
    }

    /// What [`Context::add_to_chord`] was given; for the worker.
    pub fn take_added(&self) -> Vec<Signature> {
        std::mem::take(&mut self.0.added.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a run within this one sent and added to its chord, this one did; for the worker.
    pub fn take_over(&self, within: &Self) {
        within.children().into_iter().for_each(|child| self.add_child(child));
        within.take_added().into_iter().for_each(|sig| self.add_to_chord(sig));
    }

    /// Runs `body` so that `.delay()` and `.send()` within it use this context: its client, ids and lineage.
    /// The worker runs every `async fn` this way.
    pub fn enter<F: Future>(self, body: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, body)
    }

    /// As [`Context::enter`], for a blocking body on a thread of its own.
    pub fn enter_blocking<R>(self, body: impl FnOnce() -> R) -> R {
        let runtime = self.0.runtime.clone();
        let _entered = runtime.as_ref().map(Handle::enter);
        CURRENT.sync_scope(self, body)
    }

    /// Waits for a future from the body of a blocking task.
    ///
    /// # Panics
    ///
    /// Called from asynchronous code, or when the context was made outside a Tokio runtime: both are mistakes in
    /// the program, not in its input.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let runtime = self.0.runtime.as_ref().expect("a context made by a worker has its runtime");
        runtime.block_on(CURRENT.scope(self.clone(), future))
    }

    /// What the results of what this run sent are called, in order; the first 10,000 of them. For the result's `children`.
    pub fn children(&self) -> Vec<ResultNode> {
        self.0.children.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the ids of the next call's tasks derive from.
    pub(crate) fn next_seed(&self) -> TaskId {
        let nth = self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.id().child_of_run(&self.message().delivery_tag, nth)
    }

    /// Notes the job that stands for a call.
    pub(crate) fn add_job(&self, id: &TaskId) {
        self.add_child(ResultNode::Task(id.as_str().to_owned()));
    }

    /// Notes what the results of something sent are called.
    pub(crate) fn add_child(&self, node: ResultNode) {
        let mut children = self.0.children.lock().unwrap_or_else(PoisonError::into_inner);
        if children.len() < MAX_CHILDREN {
            children.push(node);
        }
    }

    /// The place of the next call this run makes; `id` where the call brings its own. It is no child before it was sent: then
    /// another may stand for it, whose idempotency key was there already, or none.
    pub(crate) fn next_lineage(&self, id: Option<TaskId>) -> Lineage {
        let derived = self.next_seed();
        let id = id.unwrap_or(derived);
        Lineage { id, parent: self.id().as_str().to_owned(), root: self.root_id().to_owned() }
    }
}

/// Where the reports of [`Context::for_test`] go.
struct ToStore {
    client: Client,
    id: TaskId,
}

#[async_trait]
impl ProgressSink for ToStore {
    async fn report(&self, state: &str, meta: Json) -> Result<bool, StoreError> {
        let meta = ResultMeta::new(self.id.clone(), State::from(state), meta, None).encode();
        let ttl = self.client.options().result_ttl;
        self.client.store().put_results(&[StoredResult { id: self.id.clone(), meta, ttl }]).await?;
        Ok(true)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("task", &self.task()).field("id", self.id()).finish_non_exhaustive()
    }
}
