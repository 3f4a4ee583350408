//! What a task's body returned, as the worker wants it: JSON text, or a [`TaskError`].

use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// What a message can carry as an argument: a type that owns its data and that serde reads and writes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a task",
    label = "serde cannot read and write it",
    note = "write `#[derive(serde::Serialize, serde::Deserialize)]` before the type",
    note = "if the worker is to provide it, take a `State<…>`, or write `#[extract]` before the parameter"
)]
pub trait Argument: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Argument for T {}

/// What a task can return: a type that serde writes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a task",
    label = "serde cannot write it",
    note = "write `#[derive(serde::Serialize)]` before the type"
)]
pub trait Returned: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Returned for T {}

/// What a task can fail with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a task",
    label = "neither an error nor a text",
    note = "implement `std::error::Error` for it, or return `TaskResult<…>`"
)]
pub trait Failure: Into<BoxError> {}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> Failure for E {}

/// One argument in `s`: the compiler says where its type is written, if serde cannot write it.
pub fn arg<T: Argument>(value: &T) -> impl Serialize {
    value
}

/// A plain return value as JSON.
///
/// # Errors
///
/// A fatal [`TaskError`] when it has no JSON form.
pub fn value<T: Returned>(ctx: &Context, value: &T) -> Result<Json, TaskError> {
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
    R: ResultLike<Ok: Returned, Err: Failure>,
{
    match result.into_result() {
        Ok(ok) => value(ctx, &ok),
        Err(error) => Err(TaskError::from_any(error)),
    }
}
