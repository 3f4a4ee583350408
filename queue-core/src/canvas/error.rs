//! Why a canvas cannot be sent on.

use crate::names::NameError;

/// Why a signature, or a workflow of them, cannot be sent.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CanvasError {
    /// It does not say what a signature must say.
    #[error("{what}; found {found}")]
    Malformed {
        /// What is expected.
        what: String,
        /// The beginning of what was found.
        found: String,
    },
    /// Compositions are nested too deep.
    #[error("signatures are nested more than {0} levels deep")]
    TooDeep(usize),
    /// A chain without steps.
    #[error("a chain needs at least one step")]
    EmptyChain,
    /// A queue's name or a task's id that is none, or a task without a name.
    #[error("task `{task}` cannot be sent: {source}")]
    Name {
        /// Which task.
        task: String,
        /// What is wrong with the name.
        source: NameError,
    },
    /// An option with a value that is none of its kind.
    #[error("task `{task}`: option `{option}` cannot be {found}")]
    Option {
        /// Which task.
        task: String,
        /// The option.
        option: String,
        /// What was found.
        found: String,
    },
    /// The call itself is wrong: arguments without a JSON form, for one.
    #[error("task `{task}` cannot be sent: {why}")]
    Call {
        /// Which task.
        task: String,
        /// Why not.
        why: String,
    },
}
