//! What a running task knows of itself.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::message::{Json, Message};
use crate::store::StoreError;

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
    pub queue: String,
    /// `name@host` of the worker.
    pub worker: String,
    /// True when an earlier run of it was cut off.
    pub redelivered: bool,
    /// Cancelled at the soft time limit, at a revocation with terminate, and when the grace period of a shutdown ends.
    pub cancel: CancellationToken,
    /// The worker's states.
    pub state: Arc<StateMap>,
    /// Sends messages to the worker's own store.
    pub client: Client,
    /// Takes custom states.
    pub progress: Arc<dyn ProgressSink>,
}

/// What a running task knows of itself. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<ContextParts>);

impl Context {
    /// For the worker, and for unit tests of tasks.
    pub fn new(parts: ContextParts) -> Self {
        Self(Arc::new(parts))
    }

    /// What the worker put in.
    pub fn parts(&self) -> &ContextParts {
        &self.0
    }
}
