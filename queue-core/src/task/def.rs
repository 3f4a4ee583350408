//! A task's definition and the registry that `#[task]` fills.

use std::any::TypeId;
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Serialize;

use super::{Context, TaskError};
use crate::backoff::Backoff;
use crate::canvas::{Call, Complete, Group};
use crate::message::Json;
use crate::names::Priority;

/// One run of an asynchronous task: the result as JSON text, or why not.
pub type RunFuture = Pin<Box<dyn Future<Output = Result<Json, TaskError>> + Send>>;

/// How a task's body is called. Arguments are taken from the context's message.
#[derive(Clone, Copy)]
pub enum Body {
    /// An `async fn`, run on the runtime.
    Async(fn(Context) -> RunFuture),
    /// A plain `fn`, run on a thread of its own so that it never blocks the runtime.
    Blocking(fn(Context) -> Result<Json, TaskError>),
}

/// A type of `State` that a task extracts.
#[derive(Debug, Clone, Copy)]
pub struct StateNeed {
    /// The type.
    pub type_id: TypeId,
    /// Its name, for the worker's start-up error.
    pub type_name: &'static str,
}

/// A task's own options; each call may override them in its message.
#[derive(Debug, Clone)]
pub struct TaskOptions {
    /// Where calls of it go; `None`: the client's default queue (`celery`).
    pub queue: Option<&'static str>,
    /// Default 0, the most urgent.
    pub priority: Priority,
    /// How many retries after the first run; `None` means no retries unless the body asks (then 3, as Celery's).
    pub max_retries: Option<u32>,
    /// How long to wait before each retry. Default 1 s, doubling up to 10 min, with jitter.
    pub backoff: Backoff,
    /// The run is ended after this long.
    pub time_limit: Option<Duration>,
    /// The context's token is cancelled after this long.
    pub soft_time_limit: Option<Duration>,
    /// A call that has not started after this long is not started at all.
    pub expires: Option<Duration>,
    /// Store no result.
    pub ignore_result: bool,
    /// Acknowledge before the run instead of after it: a crash then loses the job instead of running it again.
    pub acks_early: bool,
    /// Store STARTED when it starts.
    pub track_started: bool,
}

impl Default for TaskOptions {
    fn default() -> Self {
        Self {
            queue: None,
            priority: Priority::HIGHEST,
            max_retries: None,
            backoff: Backoff::default(),
            time_limit: None,
            soft_time_limit: None,
            expires: None,
            ignore_result: false,
            acks_early: false,
            track_started: false,
        }
    }
}

/// A task as the worker and the client know it; `#[task]` makes one and registers it.
pub struct TaskDef {
    /// Its name on the wire.
    pub name: &'static str,
    /// Where it is written: `file!()`.
    pub file: &'static str,
    /// `line!()`.
    pub line: u32,
    /// Its options.
    pub options: fn() -> TaskOptions,
    /// Its body.
    pub body: Body,
    /// The `State` types it extracts.
    pub states: fn() -> Vec<StateNeed>,
    /// True for the tasks that the worker crate brings along; they don't count as the binary's own.
    pub builtin: bool,
}

inventory::collect!(TaskDef);

impl std::fmt::Debug for TaskDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskDef").field("name", &self.name).field("file", &self.file).finish_non_exhaustive()
    }
}

/// A function with `#[task]` on it, as a type. `#[task]` makes a constant of this type, with the function's name and
/// the methods `s`, `delay` and `run`.
pub trait Task: Copy + Send + Sync + 'static {
    /// The types of its arguments, a tuple; extractors are not among them.
    type Args;
    /// What it returns when all goes well.
    type Out: 'static;
    /// Its definition.
    const DEF: &'static TaskDef;

    /// Its name on the wire.
    fn name(self) -> &'static str {
        Self::DEF.name
    }

    /// One job that runs this task once for each item, one after the other, and returns the list of results (Celery's
    /// `map`). The item is the only argument.
    fn map<I: Serialize>(self, items: impl IntoIterator<Item = I>) -> Call<Vec<Self::Out>> {
        mapped::<Self, _>("celery.map", items.into_iter().collect())
    }

    /// As [`Task::map`], where each item is the list of arguments of one run: a tuple (Celery's `starmap`).
    fn starmap<I: Serialize>(self, items: impl IntoIterator<Item = I>) -> Call<Vec<Self::Out>> {
        mapped::<Self, _>("celery.starmap", items.into_iter().collect())
    }

    /// A group of jobs that each run `size` of the items as [`Task::starmap`] does (Celery's `chunks`).
    fn chunks<I: Serialize>(self, items: impl IntoIterator<Item = I>, size: NonZeroUsize) -> Group<Vec<Self::Out>> {
        let mut items = items.into_iter();
        let mut jobs = Vec::new();
        loop {
            let chunk: Vec<I> = items.by_ref().take(size.get()).collect();
            if chunk.is_empty() {
                return crate::canvas::group(jobs);
            }
            jobs.push(mapped::<Self, _>("celery.starmap", chunk));
        }
    }
}

fn mapped<T: Task, I: Serialize>(name: &'static str, items: Vec<I>) -> Call<Vec<T::Out>> {
    let options = (T::DEF.options)();
    // The queue is that of the task: whoever runs the items must know it.
    let queue = options.queue;
    let task = Call::<(), Complete>::with(Cow::Borrowed(T::DEF.name), None).untyped().to_json();
    match Json::from_value(&items) {
        Ok(items) => {
            let text = format!("{{\"task\": {}, \"it\": {}}}", task.as_str(), items.as_str());
            let call = Call::with(Cow::Borrowed(name), None).kwargs_json(Json::trusted(text));
            match queue {
                Some(queue) => call.queue(queue),
                None => call,
            }
        }
        Err(why) => Call::with(Cow::Borrowed(name), None).faulty(why.to_string()),
    }
}

/// All tasks linked into this binary, in no order. A crate of tasks that is never named in the binary registers
/// nothing: write `use my_tasks as _;`.
pub fn registered() -> impl Iterator<Item = &'static TaskDef> {
    inventory::iter::<TaskDef>.into_iter()
}

/// The definition of the task of this name, if it is linked into this binary.
pub fn definition(name: &str) -> Option<&'static TaskDef> {
    static BY_NAME: OnceLock<HashMap<&'static str, &'static TaskDef>> = OnceLock::new();
    BY_NAME.get_or_init(|| registered().map(|def| (def.name, def)).collect()).get(name).copied()
}
