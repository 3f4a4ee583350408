//! One blocking wait on one list: a connection of its own on which the server moves the next message straight into
//! what this worker holds, so that it is leased before the reply leaves the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::client::Connection;
use super::errors::map_error;
use super::lines::Rest;
use super::settle;
use super::shared::{Lane, Shared};
use super::times::ms;
use crate::store::StoreError;

/// How long the server lets one wait block, in seconds.
const BLOCK_S: u64 = 25;
/// How much longer the answer may take before the connection counts as dead.
const SLACK: Duration = Duration::from_secs(10);
/// How long whoever signs off waits for its end.
const AT_MOST: Duration = Duration::from_secs(1);

/// See the module. The task behind it starts when it is first armed and ends with its consumer.
#[derive(Debug)]
pub(super) struct Arm {
    lane: usize,
    signal: Arc<Signal>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Signal {
    armed: AtomicBool,
    wake: Notify,
    stop: AtomicBool,
    stopped: Notify,
    /// The connection is not to be trusted any more.
    reset: Notify,
}

/// A connection, how often there had been doubt when it was made, and as whom it has registered.
struct Line {
    doubts: u64,
    connection: Connection,
    registered: Option<Arc<str>>,
}

impl Arm {
    pub(super) fn new(_shared: &Arc<Shared>, lane: usize) -> Self {
        Self { lane, signal: Arc::default(), task: Mutex::default() }
    }

    /// Which lane it waits on.
    pub(super) fn lane(&self) -> usize {
        self.lane
    }

    /// Lets one wait begin, unless one is under way.
    pub(super) fn arm(&self, shared: &Arc<Shared>) {
        self.signal.armed.store(true, Ordering::Release);
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &*task {
            Some(_) => self.signal.wake.notify_one(),
            None if self.signal.stop.load(Ordering::Acquire) => {}
            None => *task = Some(tokio::spawn(run(Arc::downgrade(shared), self.lane, self.signal.clone()))),
        }
    }

    /// Drops the connection and waits on another: what the server moves for the old one all the same is found by
    /// comparing.
    pub(super) fn reset(&self) {
        self.signal.reset.notify_one();
    }

    /// Ends the task; a message that the server moves all the same stays where the tombstone or the next sweep finds it.
    pub(super) fn stop(&self) {
        self.signal.stop.store(true, Ordering::Release);
        self.signal.wake.notify_one();
        self.signal.stopped.notify_one();
    }

    /// Ends the task, as [`stop`](Self::stop) does, and waits until it has, [`AT_MOST`]: from then on it registers nobody any more.
    pub(super) async fn end(&self) {
        self.stop();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            // An error says that it was aborted, or that a blocked thread has it next in line: signing off does not wait for that.
            let _ = tokio::time::timeout(AT_MOST, task).await;
        }
    }
}

async fn run(weak: Weak<Shared>, lane: usize, signal: Arc<Signal>) {
    let (mut line, mut rest) = (None, Rest::default());
    while !signal.stop.load(Ordering::Acquire) {
        if !signal.armed.swap(false, Ordering::AcqRel) {
            signal.wake.notified().await;
            continue;
        }
        let outcome = tokio::select! {
            outcome = wait_once(&weak, lane, &signal, &mut line) => outcome,
            () = signal.stopped.notified() => return,
        };
        let Some(shared) = weak.upgrade() else { return };
        match outcome {
            Ok(()) => rest.reset(),
            Err(error) => {
                tracing::debug!(%error, list = %shared.lanes[lane].keys.list, "waiting for messages failed");
                // The move may have happened although its answer never came.
                shared.dirty.store(true, Ordering::Release);
                shared.news.notify_one();
                line.take().iter().for_each(|_| shared.store.connector.note_broken());
                let lines = Arc::clone(&shared.store.connector.lines);
                drop(shared);
                rest.take(&lines).await;
            }
        }
    }
}

/// One `BLMOVE`. What it brings goes to the wait in progress, or back where it came from.
async fn wait_once(
    weak: &Weak<Shared>,
    lane: usize,
    signal: &Signal,
    line: &mut Option<Line>,
) -> Result<(), StoreError> {
    let Some(shared) = weak.upgrade() else { return Ok(()) };
    let lane = &shared.lanes[lane];
    let lines = &shared.store.connector.lines;
    // Listens before it looks at the count, so that no doubt falls in between. While nobody waited nobody listened.
    let doubted = lines.doubted();
    if line.take_if(|line| line.doubts != lines.doubts()).is_some() {
        shared.store.connector.note_broken();
    }
    if line.is_none() {
        let doubts = lines.doubts();
        *line = Some(Line { doubts, connection: accepted(&shared).await?, registered: None });
    }
    let Some(Line { connection: open, registered, .. }) = line.as_mut() else { return Ok(()) };
    let name = lane.incarnation();
    // Registered before it may hold anything: after a renewal, or on a server that forgot, no heartbeat has done it yet.
    let ends = shared.store_now().saturating_add(ms(shared.store.options.lease));
    let mut register = redis::cmd("ZADD");
    register.arg(&lane.keys.workers).arg("NX").arg(ends).arg(&*name);
    let mut block = redis::pipe();
    block.add_command(register.clone()).ignore();
    block.cmd("BLMOVE").arg(&*lane.keys.list).arg(lane.keys.held(&name)).arg("RIGHT").arg("LEFT").arg(BLOCK_S);
    let answer = async {
        // The server waits also where it refused what came before; so the first time that is asked by itself.
        if registered.as_ref() != Some(&name) {
            register.query_async::<()>(open).await?;
            *registered = Some(Arc::clone(&name));
        }
        block.query_async::<(Option<Vec<u8>>,)>(open).await
    };
    let answer = tokio::time::timeout(Duration::from_secs(BLOCK_S) + SLACK, answer);
    let answer = tokio::select! {
        answer = answer => answer,
        // Another line got no answer: this one may be dead too, and would say so only when the wait is over.
        () = doubted => {
            return Err(shared.store.connector.unreachable(std::io::Error::from(std::io::ErrorKind::TimedOut), true));
        }
        // Only here: what has arrived is dealt with to the end.
        () = signal.reset.notified() => {
            return Err(shared.store.connector.unreachable(std::io::Error::from(std::io::ErrorKind::NotConnected), true));
        }
    };
    match answer {
        Ok(Ok((None,))) => {
            rearm(&shared);
            Ok(())
        }
        Ok(Ok((Some(payload),))) => arrived(&shared, lane, &name, Bytes::from(payload)).await,
        Ok(Err(error)) => match map_error(&shared.store.connector.url, error, true) {
            StoreError::Foreign { .. } => refused(&shared, lane, &name).await,
            error => Err(error),
        },
        Err(elapsed) => Err(shared.store.connector.unreachable(elapsed, true)),
    }
}

/// A connection of which the server knows. Of one that it has not accepted yet it reads what was written after what this worker
/// writes to others later, its signing off among that.
async fn accepted(shared: &Shared) -> Result<Connection, StoreError> {
    let mut connection = shared.store.connector.open().await?;
    let asked = tokio::time::timeout(shared.store.connector.response_timeout, async {
        redis::cmd("PING").query_async::<redis::Value>(&mut connection).await
    });
    match asked.await {
        Ok(Ok(_)) => Ok(connection),
        Ok(Err(error)) => Err(map_error(&shared.store.connector.url, error, false)),
        Err(elapsed) => Err(shared.store.connector.unreachable(elapsed, false)),
    }
}

/// A key was of another type. Where that is the tombstone, the lane goes on under a fresh name and the dead one is taken off
/// the list it was just put on. Otherwise somebody else's value stands at the queue's key: nothing is waited for there until
/// it is gone, and what this worker holds must stay its own, and registered.
async fn refused(shared: &Shared, lane: &Lane, name: &str) -> Result<(), StoreError> {
    let kind: String = shared.store.link.query(redis::cmd("TYPE").arg(lane.keys.held(name))).await?;
    if kind != "string" {
        let registry: String = shared.store.link.query(redis::cmd("TYPE").arg(&lane.keys.workers)).await?;
        let registered = matches!(registry.as_str(), "zset" | "none");
        lane.bar(if registered { &lane.keys.list } else { &lane.keys.workers });
        // The server may have moved something all the same.
        shared.dirty.store(true, Ordering::Release);
        return Ok(());
    }
    let mut gone = redis::cmd("ZREM");
    shared.store.link.query::<()>(gone.arg(&lane.keys.workers).arg(name)).await?;
    if shared.renew(lane, name) {
        shared.news.notify_one();
    }
    Ok(())
}

/// Nothing came for a while: whoever still waits asks again, which arms again.
fn rearm(shared: &Shared) {
    if shared.room.load(Ordering::Acquire) > 0 {
        shared.news.notify_one();
    }
}

async fn arrived(shared: &Shared, lane: &Lane, name: &Arc<str>, payload: Bytes) -> Result<(), StoreError> {
    let Some(delivery) = shared.deliver(lane, name, payload, None, None) else { return Ok(()) };
    {
        let mut inbox = shared.inbox();
        if inbox.len() < shared.room.load(Ordering::Acquire) {
            inbox.push_back(delivery);
            drop(inbox);
            shared.news.notify_one();
            return Ok(());
        }
    }
    settle::return_unwanted(shared, &shared.store.link, &[delivery.tag]).await
}
