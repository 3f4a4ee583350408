//! Calls on their way: futures that own all they need, so they may be spawned.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as PollContext, Poll};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::Call;
use crate::client::{Client, JobHandle, SendError, deliver};
use crate::task::{Context, Lineage};

/// A call on its way. Await it: nothing is sent before, and it may be given to `tokio::spawn`.
///
/// What it belongs to (the running task, the client of the scope) is decided where it is made, not where it is awaited.
#[must_use = "nothing is sent until it is awaited"]
pub struct Sending<Out>(BoxFuture<'static, Result<JobHandle<Out>, SendError>>);

impl<Out: 'static> Sending<Out> {
    pub(crate) fn new(call: Call<Out>, client: Option<Client>, run: Option<Context>) -> Self {
        let run = run.or_else(Context::current);
        let client = client.or_else(|| Client::of_scope(run.as_ref()));
        let spec = *call.spec;
        let lineage: Option<Lineage> = run.map(|run| run.next_lineage(spec.id.clone()));
        Self(Box::pin(async move {
            let client = match client {
                Some(client) => client,
                None => Client::current().await?,
            };
            let (job, ignored) = deliver::one(&client, spec, lineage).await?;
            Ok(JobHandle::new(client, job, ignored))
        }))
    }

    /// Sends it and waits for that, from the body of a blocking task (a plain `fn`).
    ///
    /// # Errors
    ///
    /// As awaiting it.
    ///
    /// # Panics
    ///
    /// Called from asynchronous code, or on a thread without a Tokio runtime: mistakes in the program.
    pub fn wait(self) -> Result<JobHandle<Out>, SendError> {
        Handle::current().block_on(self)
    }
}

impl<Out> Future for Sending<Out> {
    type Output = Result<JobHandle<Out>, SendError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut PollContext<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<Out> fmt::Debug for Sending<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sending")
    }
}

/// Many calls on their way; made by [`Client::send_many`].
#[must_use = "nothing is sent until it is awaited"]
pub struct SendingMany<Out>(BoxFuture<'static, Result<Vec<JobHandle<Out>>, SendError>>);

impl<Out: 'static> SendingMany<Out> {
    pub(crate) fn new(client: Client, calls: impl IntoIterator<Item = Call<Out>>) -> Self {
        let batches = deliver::batches(&client, calls.into_iter().map(|call| *call.spec));
        Self(Box::pin(async move {
            let jobs = deliver::many(&client, batches?).await?;
            Ok(jobs.into_iter().map(|(id, ignored)| JobHandle::new(client.clone(), id, ignored)).collect())
        }))
    }
}

impl<Out> Future for SendingMany<Out> {
    type Output = Result<Vec<JobHandle<Out>>, SendError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut PollContext<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<Out> fmt::Debug for SendingMany<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendingMany")
    }
}
