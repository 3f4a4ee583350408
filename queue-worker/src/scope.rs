//! Runs bodies inside their context.

use std::future::Future;

use queue_core::task::Context;

/// Polls `body` inside `context`.
pub(crate) async fn enter<F: Future>(_context: Context, body: F) -> F::Output {
    body.await
}

/// Calls `body` inside `context`.
pub(crate) fn enter_sync<T>(_context: &Context, body: impl FnOnce() -> T) -> T {
    body()
}
