//! What the code that `#[task]` writes needs. Not for others: it may change in any version.

pub use inventory;

use std::marker::PhantomData;

pub use crate::canvas::{Call, Immutable, Sending};
pub use crate::client::JobHandle;
pub use crate::message::Json;
pub use crate::names::Priority;
pub use crate::task::output::{Argument, Failure, ResultLike, Returned, arg, result, value};
pub use crate::task::{
    Arguments, Body, Context, FromContext, Param, RunFuture, StateNeed, Task, TaskDef, TaskError, TaskOptions,
};

/// Tells whether a type is a `Result`, in a constant: the inherent one is found first.
#[derive(Debug)]
pub struct IsResult<T>(PhantomData<T>);

/// The answer for all other types.
pub trait NotResult {
    /// It is none.
    const IS_RESULT: bool = false;
}

impl<T> NotResult for IsResult<T> {}

impl<T, E> IsResult<Result<T, E>> {
    /// It is one.
    pub const IS_RESULT: bool = true;
}

/// The length of [`dotted`].
pub const fn dotted_len(path: &str) -> usize {
    let bytes = path.as_bytes();
    let mut colons = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b':' {
            colons += 1;
        }
        at += 1;
    }
    bytes.len() - colons / 2
}

/// A Rust path with dots: `shop::mail::welcome` is `shop.mail.welcome`.
pub const fn dotted<const N: usize>(path: &str) -> [u8; N] {
    let bytes = path.as_bytes();
    let mut out = [b'.'; N];
    let (mut at, mut to) = (0, 0);
    while at < bytes.len() {
        if bytes[at] == b':' {
            at += 1;
        } else {
            out[to] = bytes[at];
        }
        at += 1;
        to += 1;
    }
    out
}
