//! Calls on their way: futures that own all they need, so they may be spawned.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as PollContext, Poll};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle as Runtime;

use super::{Call, Flow, Group, ResultNode, Signature};
use crate::client::{AnyHandle, Client, GroupHandle, JobHandle, SendError, deliver};
use crate::task::{Context, Lineage};

/// A call or workflow on its way, which gives a handle of what was sent. Await it: nothing is sent before, and it may be given
/// to `tokio::spawn`.
///
/// What it belongs to (the running task, the client of the scope) is decided where it is made, not where it is awaited.
#[must_use = "nothing is sent until it is awaited"]
pub struct Sending<Handle>(BoxFuture<'static, Result<Handle, SendError>>);

/// What can be sent: a [`Call`], a [`Flow`], a [`Group`], a [`Signature`].
pub trait Canvas {
    /// What waits for its results.
    type Handle: Send + 'static;
    /// Sends it: with `client` where one is given, as a child of `run` where that is given.
    #[doc(hidden)]
    fn sending(self, client: Option<Client>, run: Option<Context>) -> Sending<Self::Handle>;
}

impl<Out: 'static> Canvas for Call<Out> {
    type Handle = JobHandle<Out>;
    fn sending(self, client: Option<Client>, run: Option<Context>) -> Sending<JobHandle<Out>> {
        let (client, run) = surroundings(client, run);
        let spec = self.spec;
        let lineage: Option<Lineage> = run.as_ref().map(|run| run.next_lineage(spec.id.clone()));
        Sending(Box::pin(async move {
            let client = chosen(client).await?;
            let (job, ignored) = deliver::one(&client, spec, lineage).await?;
            run.iter().for_each(|run| run.add_job(&job));
            Ok(JobHandle::new(client, job, ignored))
        }))
    }
}

impl<Out: 'static> Canvas for Flow<Out> {
    type Handle = JobHandle<Out>;
    fn sending(self, client: Option<Client>, run: Option<Context>) -> Sending<JobHandle<Out>> {
        expanded(self.into(), client, run, |client, node| JobHandle::of_node(client, &node))
    }
}

impl<T: 'static> Canvas for Group<T> {
    type Handle = GroupHandle<T>;
    fn sending(self, client: Option<Client>, run: Option<Context>) -> Sending<GroupHandle<T>> {
        expanded(self.into(), client, run, GroupHandle::of_node)
    }
}

impl Canvas for Signature {
    type Handle = AnyHandle;
    fn sending(self, client: Option<Client>, run: Option<Context>) -> Sending<AnyHandle> {
        expanded(self, client, run, AnyHandle::of_node)
    }
}

fn surroundings(client: Option<Client>, run: Option<Context>) -> (Option<Client>, Option<Context>) {
    let run = run.or_else(Context::current);
    let client = client.or_else(|| Client::of_scope(run.as_ref()));
    (client, run)
}

async fn chosen(client: Option<Client>) -> Result<Client, SendError> {
    match client {
        Some(client) => Ok(client),
        // Boxed, since it may have to connect: every call would have room for that, which is more than for all else.
        None => Ok(Box::pin(Client::current()).await?),
    }
}

fn expanded<H: Send + 'static>(
    sig: Signature,
    client: Option<Client>,
    run: Option<Context>,
    handle: impl FnOnce(Client, ResultNode) -> Result<H, SendError> + Send + 'static,
) -> Sending<H> {
    let (client, run) = surroundings(client, run);
    let seed = run.as_ref().map(Context::next_seed);
    Sending(Box::pin(async move {
        let client = chosen(client).await?;
        let sent = deliver::canvas(&client, sig, run.as_ref().zip(seed)).await?;
        if let Some(run) = run {
            run.add_child(sent.first);
        }
        handle(client, sent.result)
    }))
}

impl<Handle> Sending<Handle> {
    /// Sends it and waits for that, from the body of a blocking task (a plain `fn`).
    ///
    /// # Errors
    ///
    /// As awaiting it.
    ///
    /// # Panics
    ///
    /// Called from asynchronous code, or on a thread without a Tokio runtime: mistakes in the program.
    pub fn wait(self) -> Result<Handle, SendError> {
        Runtime::current().block_on(self)
    }
}

impl<Handle> Future for Sending<Handle> {
    type Output = Result<Handle, SendError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut PollContext<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<Handle> fmt::Debug for Sending<Handle> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sending")
    }
}

/// Many calls on their way; made by [`Client::send_many`].
#[must_use = "nothing is sent until it is awaited"]
pub struct SendingMany<Out>(BoxFuture<'static, Result<Vec<JobHandle<Out>>, SendError>>);

impl<Out: 'static> SendingMany<Out> {
    pub(crate) fn new(client: Client, calls: impl IntoIterator<Item = Call<Out>>) -> Self {
        let run = Context::current();
        let item = |call: Call<Out>| {
            let lineage = run.as_ref().map(|run| run.next_lineage(call.spec.id.clone()));
            (call.spec, lineage)
        };
        let items: Vec<deliver::Item> = calls.into_iter().map(item).collect();
        Self(Box::pin(async move {
            let jobs = deliver::all(&client, items, run.as_ref()).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// It is made and moved for each call: what few of them need is boxed. Beyond a kilobyte malloc has no block of its size at hand.
    #[tokio::test]
    async fn a_call_on_its_way_is_small() {
        let sending = Call::named("t").sending(None, None);
        let bytes = std::mem::size_of_val(&*sending.0);
        assert!(bytes <= 1024, "{bytes}");
    }

    /// Nobody could take it: our worker would set it aside as no message.
    #[tokio::test]
    async fn a_call_of_no_task_is_refused() {
        let client = Client::connect("sqlite::memory:").await.unwrap();
        let told = |error: SendError| format!("{error:?}");
        let alone = told(client.send(Call::named("")).await.unwrap_err());
        let step = Signature::chain([Call::named("t").into(), Call::named("").into()]);
        let within = told(client.send(step).await.unwrap_err());
        let of_many = told(client.send_many([Call::named("t"), Call::named("")]).await.unwrap_err());
        for error in [alone, within, of_many] {
            assert!(error.contains("NoTask"), "{error}");
        }
    }
}
