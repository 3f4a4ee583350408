//! What a task's body returned, as the worker wants it: JSON text, or a [`TaskError`].

use serde::Serialize;

use super::{Context, ErrorKind, TaskError};
use crate::message::Json;
use crate::store::BoxError;

/// The two sides of a `Result`; `#[task]` asks for it where the return type is written `…Result<…>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "its name says `Result`, but it is none",
    note = "a return type is taken as a `Result` when its name is `Result`, or ends in it and has parameters; give this one an alias with another name"
)]
pub trait ResultLike {
    /// What the task returns when all went well.
    type Ok;
    /// What it returns otherwise.
    type Err;
    /// Itself, as the standard library's `Result`.
    #[expect(clippy::missing_errors_doc, reason = "it is the result itself")]
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> ResultLike for Result<T, E> {
    type Ok = T;
    type Err = E;
    fn into_result(self) -> Self {
        self
    }
}

/// A plain return value as JSON.
///
/// # Errors
///
/// A fatal [`TaskError`] when it has no JSON form.
pub fn value<T: Serialize>(ctx: &Context, value: &T) -> Result<Json, TaskError> {
    Json::from_value(value).map_err(|why| {
        let error = TaskError::msg(format!("task `{}`: its result cannot be written as JSON: {why}", ctx.task()));
        TaskError { kind: ErrorKind::Fatal, ..error }
    })
}

/// A returned `Result` as JSON, or its error.
///
/// # Errors
///
/// The body's error; or as [`value`].
pub fn result<R>(ctx: &Context, result: R) -> Result<Json, TaskError>
where
    R: ResultLike<Ok: Serialize, Err: Into<BoxError>>,
{
    match result.into_result() {
        Ok(ok) => value(ctx, &ok),
        Err(error) => Err(TaskError::from_any(error)),
    }
}
