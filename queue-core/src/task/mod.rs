//! What a task is: its definition, its options, its context, its error, and the registry of all tasks of a binary.

mod context;
mod def;
mod error;

pub use self::context::{Context, ContextParts, ProgressSink, StateMap};
pub use self::def::{Body, RunFuture, StateNeed, TaskDef, TaskOptions, registered};
pub use self::error::{ErrorKind, Exception, TaskError};
