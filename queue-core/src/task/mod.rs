//! What a task is: its definition, its options, its context, its error, and the registry of all tasks of a binary.

mod bind;
mod cancel;
mod context;
mod def;
mod error;
pub(crate) mod output;
pub(crate) mod overrides;
mod retry;
mod state;

pub use self::bind::{Arguments, Param};
pub use self::cancel::Cancel;
pub(crate) use self::context::Lineage;
pub use self::context::{Context, ContextParts, ProgressSink};
pub use self::def::{Body, RunFuture, StateNeed, Task, TaskDef, TaskOptions, definition, registered};
pub use self::error::{Again, ErrorKind, Exception, TaskError, TaskResult};
pub use self::overrides::{MAX_RETRIES, Overrides, UNKNOWN_HERE};
pub use self::retry::Retry;
pub use self::state::{FromContext, State, StateMap};
