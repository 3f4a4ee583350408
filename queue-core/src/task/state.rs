//! What a task takes from its worker instead of from its message: `State<T>`, `Context`, and extractors of your own.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Context, ErrorKind, StateNeed, TaskError};

/// The values that `State<T>` extracts, by type; one map per worker.
#[derive(Clone, Default)]
pub struct StateMap {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl StateMap {
    /// Adds or replaces the value of type `T`.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.values.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// The value of type `T`.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.values.get(&TypeId::of::<T>()).cloned().and_then(|value| value.downcast::<T>().ok())
    }

    /// Whether there is a value of this type.
    pub fn has(&self, type_id: TypeId) -> bool {
        self.values.contains_key(&type_id)
    }
}

/// Something that all runs of a worker share: a mailer, a pool, settings. The worker is given it with
/// `Worker::new().state(value)`, a task takes it as a parameter `mailer: State<Mailer>`, and it is used like a `&Mailer`.
///
/// A worker that lacks a state one of its tasks needs says so when it starts.
///
/// In a unit test make one with [`State::new`]:
///
/// ```
/// use queue_core::prelude::*;
///
/// struct Mailer { from: String }
///
/// #[task]
/// async fn sender(mailer: State<Mailer>) -> String { mailer.from.clone() }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mailer = State::new(Mailer { from: "shop@example.org".into() });
/// assert_eq!(sender.run(mailer).await, "shop@example.org");
/// # });
/// ```
pub struct State<T>(Arc<T>);

impl<T> State<T> {
    /// Wraps a value, for unit tests of tasks.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The shared pointer itself, to keep it beyond the run.
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T> From<Arc<T>> for State<T> {
    fn from(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for State<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&self.0).finish()
    }
}

/// A parameter of a task that comes from its [`Context`], not from its message.
///
/// `#[task]` takes a parameter whose type is written `State<…>` or `Context` this way; put `#[extract]` before
/// any other that implements this trait, and `#[arg]` before an argument of the message that merely has such a name.
///
/// ```
/// use queue_core::prelude::*;
/// use queue_core::task::FromContext;
///
/// struct Tenant(String);
///
/// impl FromContext for Tenant {
///     fn from_context(ctx: &Context) -> Result<Self, TaskError> {
///         let tenant = ctx.header::<String>("tenant")?;
///         tenant.map(Tenant).ok_or_else(|| TaskError::reject("the message has no header `tenant`"))
///     }
/// }
///
/// #[task]
/// async fn report(month: u32, #[extract] tenant: Tenant) -> String {
///     format!("{} {month}", tenant.0)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be extracted from a task's context",
    label = "not an extractor",
    note = "`State<T>` (of `queue_core`) and `Context` are extractors, and what implements `FromContext`",
    note = "if this is an argument of the task's message, write `#[arg]` before it"
)]
pub trait FromContext: Sized {
    /// Takes the value, or says why the run cannot start: that error is the run's outcome.
    ///
    /// # Errors
    ///
    /// Whatever the implementation says; it is treated like an error of the body.
    fn from_context(ctx: &Context) -> Result<Self, TaskError>;

    /// The worker's state it needs, checked when a worker starts.
    fn need() -> Option<StateNeed> {
        None
    }
}

impl FromContext for Context {
    fn from_context(ctx: &Context) -> Result<Self, TaskError> {
        Ok(ctx.clone())
    }
}

impl<T: Send + Sync + 'static> FromContext for State<T> {
    fn from_context(ctx: &Context) -> Result<Self, TaskError> {
        ctx.parts().state.get::<T>().map(Self).ok_or_else(|| {
            let name = type_name::<T>();
            let error = TaskError::msg(format!("the worker has no state `{name}`; give it one with `.state(…)`"));
            TaskError { kind: ErrorKind::Fatal, ..error }
        })
    }

    fn need() -> Option<StateNeed> {
        Some(StateNeed { type_id: TypeId::of::<T>(), type_name: type_name::<T>() })
    }
}
