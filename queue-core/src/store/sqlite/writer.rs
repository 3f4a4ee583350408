//! The one thread of this process that writes, and its connection.
//!
//! Requests that queued up while a transaction was committed, or while another process had its turn, go into the next one
//! together (group commit): the disk is asked to sync once for all of them, after the turn and before the answers. Each
//! runs under a savepoint, so that one that fails leaves its neighbours alone; when the transaction as a whole fails, each
//! is tried again in one of its own.
//!
//! A caller that goes away (a dropped future) does not stop its request.

mod request;
mod thread;
mod transaction;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::request::{Call, Request};
use self::thread::Thread;
use super::fault::{Fault, Outcome};
use super::hub::Hub;
use super::log::Log;
use super::presence::Watched;
use super::threads::{Alive, Threads};
use super::turn::Gate;
use super::tx::Tx;
use crate::clock::Clock;
use crate::store::StoreError;

#[cfg(test)]
mod tests;

/// What the thread stands on.
pub(super) struct Setup {
    /// The first to end: of two connections that are closed at the same time neither is the last, and the log stays.
    #[expect(dead_code, reason = "it waits when it is dropped")]
    pub(super) others: Threads,
    pub(super) connection: Watched,
    /// What this process syncs; without it SQLite does.
    pub(super) log: Option<Log>,
    pub(super) url: Arc<str>,
    pub(super) clock: Clock,
    pub(super) hub: Arc<Hub>,
    pub(super) gate: Option<Gate>,
    /// How long to try for the lock.
    pub(super) patience: Duration,
    /// The last of all: what is above is closed before.
    #[expect(dead_code, reason = "its end is what it tells")]
    pub(super) alive: Alive,
}

/// Sends requests to the thread. The thread ends when the last clone is gone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    inbox: Sender<Box<dyn Request>>,
    url: Arc<str>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(setup: Setup) -> std::io::Result<Self> {
        let (inbox, requests) = channel();
        let url = Arc::clone(&setup.url);
        let thread = Thread::new(setup, requests);
        std::thread::Builder::new().name("queue-sqlite-write".into()).spawn(move || thread.run())?;
        Ok(Self { inbox, url })
    }

    /// Runs `work` in a transaction; answers when it is committed and on the disk.
    pub(super) async fn call<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Tx<'_>) -> Outcome<T> + Send + 'static,
    {
        self.call_then(work, |_| ()).await
    }

    /// As [`Writer::call`]; the thread runs `done` right after the commit, before any later transaction.
    pub(super) async fn call_then<T, W, D>(&self, work: W, done: D) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Tx<'_>) -> Outcome<T> + Send + 'static,
        D: FnOnce(&mut T) + Send + 'static,
    {
        self.send(true, work, done).await
    }

    /// As [`Writer::call_then`], for what concerns only workers that run (leases, heartbeats): the commit survives
    /// their death, but is not waited for on the disk. When the power fails the workers end too, and a lease undone is
    /// one given back. The next synced commit takes it along, so the order of commits is kept.
    pub(super) async fn call_unsynced<T, W, D>(&self, work: W, done: D) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Tx<'_>) -> Outcome<T> + Send + 'static,
        D: FnOnce(&mut T) + Send + 'static,
    {
        self.send(false, work, done).await
    }

    async fn send<T, W, D>(&self, synced: bool, work: W, done: D) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Tx<'_>) -> Outcome<T> + Send + 'static,
        D: FnOnce(&mut T) + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let sent =
            self.inbox.send(Box::new(Call { work, done: Some(done), synced, asked: Instant::now(), out: None, reply }));
        match sent {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(Fault::Gone.tell(&self.url, true))),
            Err(_) => Err(Fault::Gone.tell(&self.url, false)),
        }
    }
}
