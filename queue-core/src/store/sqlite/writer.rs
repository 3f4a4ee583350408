//! The one thread of this process that writes, and its connection.
//!
//! Requests that queued up while a transaction was committed go into the next one together (group commit): the disk
//! is asked to sync once for all of them. Each runs under a savepoint, so that one that fails leaves its neighbours
//! alone; when the transaction as a whole fails, each is tried again in one of its own.
//!
//! A caller that goes away (a dropped future) does not stop its request.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::{Fault, Outcome};
use super::hub::Hub;
use super::presence::Presence;
use super::turn::{Gate, Turn};
use super::tx::{Effects, Meta, Queues, Tx, write_tally};
use crate::clock::Clock;
use crate::failpoint;
use crate::store::StoreError;

#[cfg(test)]
mod tests;

/// How many requests share a transaction at most.
const GROUP: usize = 256;

/// A request as the thread sees it.
trait Request: Send {
    /// Whether its commit must reach the disk.
    fn synced(&self) -> bool;
    /// When it was asked for.
    fn asked(&self) -> Instant;
    /// Does it, inside a transaction. May be called again after a rollback.
    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome<()>;
    /// It is committed.
    fn committed(self: Box<Self>);
    /// It was rolled back.
    fn failed(self: Box<Self>, error: StoreError);
}

struct Call<T, W, D> {
    work: W,
    done: D,
    synced: bool,
    asked: Instant,
    out: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
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

    fn committed(self: Box<Self>) {
        let Self { done, out, reply, .. } = *self;
        if let Some(mut out) = out {
            done(&mut out);
            // Nobody waits any more: what the answer holds looks after itself when it is dropped.
            drop(reply.send(Ok(out)));
        }
    }

    fn failed(self: Box<Self>, error: StoreError) {
        drop(self.reply.send(Err(error)));
    }
}

/// What the thread stands on.
pub(super) struct Setup {
    pub(super) connection: Connection,
    pub(super) url: Arc<str>,
    pub(super) clock: Clock,
    pub(super) hub: Arc<Hub>,
    pub(super) gate: Option<Gate>,
    pub(super) presence: Option<Presence>,
    /// How long to try for the lock.
    pub(super) patience: Duration,
}

/// Sends requests to the thread. The thread ends when the last clone is gone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    inbox: Sender<Box<dyn Request>>,
    url: Arc<str>,
}

impl std::fmt::Debug for Box<dyn Request> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request")
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(setup: Setup) -> std::io::Result<Self> {
        let (inbox, requests) = channel();
        let url = Arc::clone(&setup.url);
        let thread = Thread { setup, queues: Queues::default(), synced: true };
        std::thread::Builder::new().name("queue-sqlite-write".into()).spawn(move || thread.run(&requests))?;
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
        let sent = self.inbox.send(Box::new(Call { work, done, synced, asked: Instant::now(), out: None, reply }));
        match sent {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(Fault::Gone.tell(&self.url, true))),
            Err(_) => Err(Fault::Gone.tell(&self.url, false)),
        }
    }
}

struct Thread {
    setup: Setup,
    queues: Queues,
    /// Whether the connection waits for the disk just now.
    synced: bool,
}

type Group = Vec<Box<dyn Request>>;

impl Thread {
    fn run(mut self, requests: &Receiver<Box<dyn Request>>) {
        while let Ok(first) = requests.recv() {
            let mut group = vec![first];
            group.extend(std::iter::from_fn(|| requests.try_recv().ok()).take(GROUP - 1));
            self.serve(group);
        }
    }

    fn serve(&mut self, group: Group) {
        let group = self.in_time(group);
        if group.len() <= 1 {
            return self.serve_each(group);
        }
        match self.together(group) {
            Ok(()) => (),
            // Which of them it was shows when each runs alone.
            Err(group) => self.serve_each(group),
        }
    }

    /// Refuses what has waited for longer than one may wait for the lock; the rest.
    fn in_time(&self, group: Group) -> Group {
        let (late, rest): (Group, Group) =
            group.into_iter().partition(|request| request.asked().elapsed() > self.setup.patience);
        for request in late {
            let waited = request.asked().elapsed();
            request.failed(Fault::Locked(waited).tell(&self.setup.url, false));
        }
        rest
    }

    fn serve_each(&mut self, group: Group) {
        for request in group {
            let Some(request) = self.in_time(vec![request]).pop() else { continue };
            if let Err(mut alone) = self.transact(vec![request]) {
                let (fault, unknown) = alone.cause;
                for request in alone.group.drain(..) {
                    request.failed(fault.clone().tell(&self.setup.url, unknown));
                }
            }
        }
    }

    /// A transaction for all; what could not begin fails for all, what could not end is handed back.
    fn together(&mut self, group: Group) -> Result<(), Group> {
        match self.transact(group) {
            Ok(()) => Ok(()),
            Err(Failed { group, cause: (fault, false), began: false }) => {
                for request in group {
                    request.failed(fault.clone().tell(&self.setup.url, false));
                }
                Ok(())
            }
            // A commit whose outcome is unknown must not be repeated.
            Err(Failed { group, cause: (fault, true), .. }) => {
                for request in group {
                    request.failed(fault.clone().tell(&self.setup.url, true));
                }
                Ok(())
            }
            Err(failed) => Err(failed.group),
        }
    }

    /// Whether the next commit waits for the disk. One that does takes all earlier ones along.
    fn wait_for_disk(&mut self, synced: bool) -> Outcome<()> {
        if self.synced != synced {
            let level = if synced { "PRAGMA synchronous = full" } else { "PRAGMA synchronous = normal" };
            self.setup.connection.execute_batch(level)?;
            self.synced = synced;
        }
        Ok(())
    }

    fn transact(&mut self, group: Group) -> Result<(), Failed> {
        if let Err(fault) = self.wait_for_disk(group.iter().any(|request| request.synced())) {
            return Err(Failed { group, cause: (fault, false), began: false });
        }
        let setup = &self.setup;
        let _turn = match begin(setup) {
            Ok(turn) => turn,
            Err(fault) => return Err(Failed { group, cause: (fault, false), began: false }),
        };
        let connection = &setup.connection;
        let ended = run_group(connection, &mut self.queues, &setup.clock, group).and_then(|done| {
            failpoint::hit("commit.before");
            match connection.execute_batch("COMMIT") {
                Ok(()) => Ok(done),
                Err(error) => Err(done.not_committed(error.into())),
            }
        });
        match ended {
            Ok(done) => {
                failpoint::hit("commit.after");
                finish(setup, done);
                failpoint::hit("commit.told");
            }
            Err(failed) => {
                roll_back(connection);
                self.queues.clear();
                return Err(failed);
            }
        }
        Ok(())
    }
}

/// A transaction that did not happen.
struct Failed {
    group: Group,
    /// Why, and whether it may have happened all the same.
    cause: (Fault, bool),
    /// Whether it got the lock.
    began: bool,
}

/// A transaction that ran and is to be committed.
struct Done {
    group: Group,
    refused: Vec<(Box<dyn Request>, Fault)>,
    effects: Effects,
    meta: Meta,
}

/// Takes this process's turn and SQLite's lock.
fn begin(setup: &Setup) -> Outcome<Option<Turn<'_>>> {
    if let Some(presence) = &setup.presence {
        presence.check()?;
    }
    let start = Instant::now();
    let turn = setup.gate.as_ref().map(Gate::enter);
    loop {
        let Err(error) = setup.connection.execute_batch("BEGIN IMMEDIATE") else { return Ok(turn) };
        let fault = Fault::from(error);
        match fault.is_busy() {
            true if start.elapsed() < setup.patience => {
                std::thread::sleep(Duration::from_micros(fastrand::u64(200..2000)));
            }
            true => return Err(Fault::Locked(start.elapsed())),
            false => return Err(fault),
        }
    }
}

fn roll_back(connection: &Connection) {
    // SQLite has rolled back by itself when the disk was full.
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::warn!(%error, "a transaction could not be rolled back");
    }
}

/// Runs each request of a group. An error means that the whole transaction is lost.
fn run_group(connection: &Connection, queues: &mut Queues, clock: &Clock, group: Group) -> Result<Done, Failed> {
    let lost = |group, fault| Failed { group, cause: (fault, false), began: true };
    let meta = match Meta::read(connection) {
        Ok(meta) => meta,
        Err(error) => return Err(lost(group, error.into())),
    };
    let before = meta;
    let mut done = Done { group: Vec::new(), refused: Vec::new(), effects: Effects::default(), meta };
    let alone = group.len() == 1;
    let mut waiting = group.into_iter();
    while let Some(mut request) = waiting.next() {
        let mut tx = Tx::new(connection, queues, done.meta, clock.now());
        let run = if alone { request.run(&mut tx) } else { run_guarded(connection, &mut *request, &mut tx) };
        match run {
            Ok(()) => {
                done.meta = tx.meta;
                done.effects.merge(tx.effects);
                done.group.push(request);
            }
            Err(fault) if alone => return Err(lost(vec![request], fault)),
            Err(fault) => {
                queues.clear();
                done.refused.push((request, fault));
                if connection.is_autocommit() {
                    return Err(lost(done.into_group(waiting), Fault::Gone));
                }
            }
        }
    }
    let written = write_tally(connection, &done.effects)
        .and_then(|()| if done.meta == before { Ok(()) } else { done.meta.write(connection) });
    match written {
        Ok(()) => Ok(done),
        Err(error) => Err(lost(done.into_group(std::iter::empty()), error.into())),
    }
}

impl Done {
    /// A full disk or a lock is found before anything is final; an I/O error is not that clear.
    fn not_committed(self, fault: Fault) -> Failed {
        let unknown = matches!(fault, Fault::Sql { code, .. } if code & 0xff == rusqlite::ffi::SQLITE_IOERR);
        Failed { group: self.into_group(std::iter::empty()), cause: (fault, unknown), began: true }
    }

    /// Everybody, to be tried again.
    fn into_group(self, rest: impl Iterator<Item = Box<dyn Request>>) -> Group {
        self.group.into_iter().chain(self.refused.into_iter().map(|(request, _)| request)).chain(rest).collect()
    }
}

/// Runs a request so that its failure undoes its own writes only.
fn run_guarded(connection: &Connection, request: &mut dyn Request, tx: &mut Tx<'_>) -> Outcome<()> {
    connection.prepare_cached("SAVEPOINT request")?.execute([])?;
    match request.run(tx) {
        Ok(()) => connection.prepare_cached("RELEASE request")?.execute([]).map(drop).map_err(Fault::from),
        Err(fault) => {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK TO request; RELEASE request")?;
            }
            Err(fault)
        }
    }
}

/// After the commit: what the process knows, then those who asked, then those who wait.
fn finish(setup: &Setup, done: Done) {
    setup.hub.know_revocations(done.meta.revocations);
    for request in done.group {
        request.committed();
    }
    for (request, fault) in done.refused {
        request.failed(fault.tell(&setup.url, false));
    }
    setup.hub.apply(&done.effects);
    for identity in &done.effects.reconcile {
        if let Err(error) = identity.reconcile(&setup.connection) {
            tracing::warn!(%error, worker = %identity.spec().hostname, "what this worker holds could not be checked");
        }
    }
}
