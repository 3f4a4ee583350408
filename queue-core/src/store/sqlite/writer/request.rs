//! A request on its way through the writing thread: asked, run, committed, answered.

use std::time::Instant;

use tokio::sync::oneshot;

use super::super::fault::Outcome;
use super::super::tx::Tx;
use crate::store::StoreError;

/// A request as the thread sees it.
pub(super) trait Request: Send {
    /// Whether its answer waits for the disk.
    fn synced(&self) -> bool;
    /// When it was asked for.
    fn asked(&self) -> Instant;
    /// Does it, inside a transaction. May be called again after a rollback.
    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome<()>;
    /// It is committed: the process knows of it before any later transaction.
    fn committed(&mut self);
    /// It is committed, and on the disk if it waits for that.
    fn answer(self: Box<Self>);
    /// It was rolled back, or is not known to be on the disk.
    fn failed(self: Box<Self>, error: StoreError);
}

/// Requests that share a transaction.
pub(super) type Group = Vec<Box<dyn Request>>;

impl std::fmt::Debug for Box<dyn Request> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request")
    }
}

/// What a caller wants done, and where it waits.
pub(super) struct Call<T, W, D> {
    pub(super) work: W,
    /// Runs after the commit.
    pub(super) done: Option<D>,
    pub(super) synced: bool,
    pub(super) asked: Instant,
    pub(super) out: Option<T>,
    pub(super) reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W, D> Request for Call<T, W, D>
where
    T: Send,
    W: FnMut(&mut Tx<'_>) -> Outcome<T> + Send,
    D: FnOnce(&mut T) + Send,
{
    fn synced(&self) -> bool {
        self.synced
    }

    fn asked(&self) -> Instant {
        self.asked
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome<()> {
        self.out = None;
        self.out = Some((self.work)(tx)?);
        Ok(())
    }

    fn committed(&mut self) {
        if let (Some(done), Some(out)) = (self.done.take(), &mut self.out) {
            done(out);
        }
    }

    fn answer(self: Box<Self>) {
        let Self { out, reply, .. } = *self;
        if let Some(out) = out {
            // Nobody waits any more: what the answer holds looks after itself when it is dropped.
            drop(reply.send(Ok(out)));
        }
    }

    fn failed(self: Box<Self>, error: StoreError) {
        drop(self.reply.send(Err(error)));
    }
}
