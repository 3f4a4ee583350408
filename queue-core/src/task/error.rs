//! What a task's body may answer instead of a value.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::canvas::Signature;
use crate::message::Json;
use crate::store::{BoxError, DeadReason};

/// What a task's body returns when it may fail in ways of its own.
pub type TaskResult<T = ()> = Result<T, TaskError>;

/// What the worker should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not an error: another signature takes its place. See [`Context::replace`](super::Context::replace).
    Replaced,
    /// An ordinary error: retried where the task has retries left, else failed.
    Failed,
    /// Retry, after this long or after the task's backoff.
    Retry(Option<Duration>),
    /// Failed for good, whatever retries are left.
    Fatal,
    /// Run again after this long, no attempt spent.
    Snooze(Duration),
    /// Not to be run by anybody: to the dead letters.
    Reject,
    /// The arguments do not fit: failed for good.
    BadArguments,
    /// It ran past its hard time limit (the worker says this).
    TimeLimit,
    /// It panicked (the worker says this); treated as `Failed`.
    Panicked,
}

/// What went wrong, in the words that results and logs carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The error's type, e.g. `PaymentError`.
    pub exc_type: String,
    /// Where the type lives, e.g. `shop.payment`; Python looks for the class there.
    pub exc_module: String,
    /// The error's message.
    pub message: String,
    /// The chain of causes, or a backtrace; shown as the traceback.
    pub traceback: Option<String>,
}

/// An error of a task's body, and what is to be done about it.
///
/// Any `std::error::Error` becomes one through `?`: the job is then retried where the task has `max_retries`, and
/// fails where it has none. The constructors say more: [`TaskError::retry_in`], [`TaskError::fatal`],
/// [`TaskError::snooze`], [`TaskError::reject`].
///
/// Like `anyhow::Error` it does not implement `Error` itself (so that `?` can make one from any error), but it converts
/// into a `Box<dyn Error + Send + Sync>`, and a body that returns such a box gets it back as it was.
///
/// ```
/// use queue_core::prelude::*;
///
/// #[task(max_retries = 5)]
/// async fn fetch(url: String) -> TaskResult<u64> {
///     if url.is_empty() {
///         return Err(TaskError::fatal("a URL is needed"));     // retrying would not help
///     }
///     let port: u64 = url.parse()?;                            // any error: retried, five times at most
///     if port == 0 {
///         return Err(TaskError::retry_in(minutes(10)).because("the server asked for a pause"));
///     }
///     Ok(port)
/// }
/// ```
pub struct TaskError {
    /// What to do.
    pub kind: ErrorKind,
    /// What went wrong.
    pub exception: Box<Exception>,
    /// With [`ErrorKind::Replaced`]: what takes its place.
    pub replacement: Option<Box<Signature>>,
    /// With [`ErrorKind::Retry`]: what the next run is given instead.
    pub again: Option<Box<Again>>,
}

/// What a retry changes. See [`Context::retry`](super::Context::retry).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Again {
    /// Other positional arguments.
    pub args: Option<Json>,
    /// Other keyword arguments.
    pub kwargs: Option<Json>,
    /// Another limit of retries than the task's.
    pub max_retries: Option<u32>,
}

impl TaskError {
    /// An ordinary error with this text: retried where the task has retries left, else failed.
    pub fn msg(text: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Failed, "TaskError", "queue", text.to_string())
    }

    /// An error as Python knows it, for programs in Python that wait for the result: `TaskError::raised("builtins",
    /// "ValueError", "boom")` raises a `ValueError` there. Retried where the task has retries left, else failed.
    pub fn raised(module: &str, class: &str, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Failed, class, module, message.to_string())
    }

    /// Tries again after the task's backoff, if it has retries left (3 where the task does not say). Say why with
    /// [`TaskError::because`].
    pub fn retry() -> Self {
        Self::new(ErrorKind::Retry(None), "Retry", "celery.exceptions", "asked for a retry".to_owned())
    }

    /// As [`TaskError::retry`], after this long.
    pub fn retry_in(wait: Duration) -> Self {
        let text = format!("asked for a retry in {}", humantime::format_duration(wait));
        Self::new(ErrorKind::Retry(Some(wait)), "Retry", "celery.exceptions", text)
    }

    /// Fails for good, whatever retries are left. Takes an error or a text.
    pub fn fatal<E: Into<BoxError>>(error: E) -> Self {
        Self { kind: ErrorKind::Fatal, ..Self::from_any(error) }
    }

    /// Runs again after this long without spending an attempt: not an error, only not yet.
    pub fn snooze(wait: Duration) -> Self {
        let text = format!("asked to run again in {}", humantime::format_duration(wait));
        Self::new(ErrorKind::Snooze(wait), "Snooze", "queue", text)
    }

    /// Puts the message aside with the dead letters, not to be run by anybody.
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Reject, "Reject", "celery.exceptions", reason.to_string())
    }

    /// The arguments of the message do not fit the task. Python sees a `TypeError`.
    pub fn bad_arguments(text: impl fmt::Display) -> Self {
        Self::new(ErrorKind::BadArguments, "TypeError", "builtins", text.to_string())
    }

    /// It ran past its hard time limit. Python sees `TimeLimitExceeded`.
    pub fn time_limit(limit: Duration) -> Self {
        let text = format!("ran longer than its time limit of {}", humantime::format_duration(limit));
        Self::new(ErrorKind::TimeLimit, "TimeLimitExceeded", "billiard.exceptions", text)
    }

    /// The body panicked with this message.
    pub fn panicked(message: impl fmt::Display, backtrace: Option<String>) -> Self {
        let mut error = Self::new(ErrorKind::Panicked, "Panic", "queue", message.to_string());
        error.exception.traceback = backtrace;
        error
    }

    /// From an error or a text of whatever kind, also a boxed one; a `TaskError` inside stays as it was.
    ///
    /// `?` does this for concrete errors; a `Box<dyn Error + Send + Sync>` needs `.map_err(TaskError::from_any)?`.
    pub fn from_any<E: Into<BoxError>>(error: E) -> Self {
        match error.into().downcast::<Wrapped>() {
            Ok(wrapped) => wrapped.0,
            Err(error) => Self::of(&*error, type_name::<E>()),
        }
    }

    /// Adds the cause. What the job's result and logs then say is the cause, where this error has no words of its own
    /// ([`TaskError::retry`], [`TaskError::retry_in`], [`TaskError::snooze`]); otherwise it joins the chain of causes.
    #[must_use]
    pub fn because<E: Into<BoxError>>(mut self, cause: E) -> Self {
        let cause = Self::from_any(cause).exception;
        match self.kind {
            ErrorKind::Retry(_) | ErrorKind::Snooze(_) => self.exception = cause,
            ErrorKind::Failed
            | ErrorKind::Fatal
            | ErrorKind::Reject
            | ErrorKind::BadArguments
            | ErrorKind::TimeLimit
            | ErrorKind::Panicked
            | ErrorKind::Replaced => self.exception.add_cause(&cause),
        }
        self
    }

    /// The kind of dead letter this ends as.
    pub fn dead_reason(&self) -> DeadReason {
        match self.kind {
            ErrorKind::BadArguments => DeadReason::BadArguments,
            ErrorKind::Reject => DeadReason::Rejected,
            ErrorKind::TimeLimit => DeadReason::TimeLimit,
            ErrorKind::Failed
            | ErrorKind::Retry(_)
            | ErrorKind::Fatal
            | ErrorKind::Snooze(_)
            | ErrorKind::Panicked
            | ErrorKind::Replaced => DeadReason::Failed,
        }
    }

    fn new(kind: ErrorKind, exc_type: &str, exc_module: &str, message: String) -> Self {
        let exception =
            Exception { exc_type: exc_type.to_owned(), exc_module: exc_module.to_owned(), message, traceback: None };
        Self { kind, exception: Box::new(exception), replacement: None, again: None }
    }

    /// See [`Context::replace`](super::Context::replace).
    pub(crate) fn replace(sig: Signature) -> Self {
        let error = Self::new(ErrorKind::Replaced, "Ignore", "celery.exceptions", "Replaced by new task".to_owned());
        Self { replacement: Some(Box::new(sig)), ..error }
    }

    fn of(error: &(dyn Error + 'static), type_name: &str) -> Self {
        let (exc_module, exc_type) = python_name(type_name);
        let mut this = Self::new(ErrorKind::Failed, &exc_type, &exc_module, error.to_string());
        this.exception.traceback = chain_of(error);
        this
    }
}

impl Exception {
    fn add_cause(&mut self, cause: &Self) {
        let head = self.traceback.take().unwrap_or_else(|| format!("{}\n", self.message));
        let mut text = format!("{head}caused by: {}: {}\n", cause.exc_type, cause.message);
        // The cause's own chain begins with its message, which has just been said.
        let rest = cause.traceback.as_deref().and_then(|chain| chain.split_once('\n')).map(|(_, rest)| rest);
        text.push_str(rest.unwrap_or_default());
        self.traceback = Some(text);
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self::of(&error, type_name::<E>())
    }
}

impl From<TaskError> for BoxError {
    fn from(error: TaskError) -> Self {
        Box::new(Wrapped(error))
    }
}

/// Carries a `TaskError` through a `Box<dyn Error>` and back.
struct Wrapped(TaskError);

impl Error for Wrapped {}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskError").field("kind", &self.kind).field("exception", &self.exception).finish()
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.exception.message)
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.exc_type, self.message)
    }
}

/// The messages of an error and its sources, one per line; `None` when it has no source.
pub(crate) fn chain_of(error: &(dyn Error + 'static)) -> Option<String> {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(&format!("caused by: {source}\n"));
        next = source.source();
    }
    (!text.is_empty()).then(|| format!("{error}\n{text}"))
}

/// Module and name of a Rust type as Python writes them: `shop::payment::Declined<T>` is `shop.payment`, `Declined`.
/// Texts and boxes have no name that says anything: they are `queue`, `TaskError`.
fn python_name(type_name: &str) -> (String, String) {
    let path = type_name.split('<').next().unwrap_or(type_name);
    match path.rsplit_once("::") {
        Some(("alloc::boxed", "Box") | ("alloc::string", "String") | ("alloc::borrow", "Cow")) | None => {
            ("queue".to_owned(), "TaskError".to_owned())
        }
        Some((module, name)) => (module.replace("::", "."), name.to_owned()),
    }
}
