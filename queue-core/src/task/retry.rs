//! A retry that a running task asks for, with other arguments if it likes.

use std::time::Duration;

use serde::Serialize;

use super::error::Again;
use super::{Context, ErrorKind, TaskError};
use crate::clock::Timestamp;
use crate::message::Json;
use crate::store::BoxError;

/// A retry being described; made by [`Context::retry`], returned as the task's error.
#[derive(Debug)]
#[must_use = "return it as the task's error: `return Err(ctx.retry().into())`"]
pub struct Retry {
    error: TaskError,
    again: Again,
    now: Timestamp,
    /// What is wrong with it: said whatever else it says.
    fault: Option<TaskError>,
}

impl Context {
    /// To be returned as the task's error: runs it again, as Celery's `self.retry(…)`. Without more, after its backoff, with its
    /// own arguments, if it has retries left (3 where the task does not say).
    ///
    /// ```
    /// # use queue_core::prelude::*;
    /// #[task(max_retries = 5)]
    /// async fn poll(url: String, round: u32, ctx: Context) -> TaskResult<u32> {
    ///     if round < 3 {
    ///         return Err(ctx.retry().after(seconds(10)).args((url, round + 1)).into());
    ///     }
    ///     Ok(round)
    /// }
    /// ```
    pub fn retry(&self) -> Retry {
        let now = self.client().guess_time();
        Retry { error: TaskError::retry(), again: Again::default(), now, fault: None }
    }
}

impl Retry {
    /// After this long.
    pub fn after(mut self, wait: Duration) -> Self {
        self.error.kind = ErrorKind::Retry(Some(wait));
        self
    }

    /// Not before this instant.
    pub fn eta(self, at: Timestamp) -> Self {
        let wait = self.now.until(at);
        self.after(wait)
    }

    /// With these positional arguments instead: a tuple, or whatever serde writes as an array.
    pub fn args(mut self, args: impl Serialize) -> Self {
        match Json::from_value(&args) {
            Ok(args) if args.as_str().starts_with('[') => self.again.args = Some(args),
            Ok(other) => self.fault = Some(wrong(format!("expected an array, got {}", other.preview(60)))),
            Err(why) => self.fault = Some(wrong(why.to_string())),
        }
        self
    }

    /// With these keyword arguments instead: whatever serde writes as an object.
    pub fn kwargs(mut self, kwargs: impl Serialize) -> Self {
        match Json::from_value(&kwargs) {
            Ok(kwargs) if kwargs.as_str().starts_with('{') => self.again.kwargs = Some(kwargs),
            Ok(other) => self.fault = Some(wrong(format!("expected an object, got {}", other.preview(60)))),
            Err(why) => self.fault = Some(wrong(why.to_string())),
        }
        self
    }

    /// With this limit of retries instead of the task's.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.again.max_retries = Some(retries);
        self
    }

    /// Says why: what the result and the logs say meanwhile, and in the end when no retry is left.
    pub fn because<E: Into<BoxError>>(mut self, cause: E) -> Self {
        self.error = self.error.because(cause);
        self
    }
}

/// A mistake in the program: failing says so, a retry would repeat it.
fn wrong(why: String) -> TaskError {
    TaskError::fatal(format!("the arguments of a retry cannot be written: {why}"))
}

impl From<Retry> for TaskError {
    fn from(retry: Retry) -> Self {
        retry.fault.unwrap_or(Self { again: Some(Box::new(retry.again)), ..retry.error })
    }
}
