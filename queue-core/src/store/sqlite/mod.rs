//! The SQLite driver: one file, shared by any number of processes of one host, or a database in memory.
//!
//! Each open store has one thread that writes (`writer`), one that reads (`reader`) and one that notices what
//! other processes did (`poller`); the runtime is never blocked. The operations are one file each, the statements
//! are in `sql/`, the tables and what their columns mean in `migrations/`.
//!
//! | file | what |
//! |---|---|
//! | `place`, `connection`, `migrations`, `network`, `presence` | which file it is, and whether it is ours |
//! | `writer`, `turn`, `log`, `tx` | transactions: group commit, turns among processes, the disk, what follows a commit |
//! | `enqueue`, `lease`, `settle`, `chord`, `beat`, `results`, `revoked`, `look`, `mend` | the operations |
//! | `identity`, `consumer` | a worker: its incarnation, and what it holds |
//! | `bus` | posts to whoever listens, and replies |
//! | `hub`, `poller` | who waits, and who wakes them |
//! | `threads` | the end of those that have a connection |

mod beat;
mod bus;
mod chord;
mod connection;
mod consumer;
mod enqueue;
mod fault;
mod hub;
mod identity;
mod inspect;
mod lease;
mod log;
mod look;
mod mend;
mod migrations;
mod network;
mod orphans;
mod place;
mod poller;
mod presence;
mod reader;
mod results;
mod revoked;
mod settle;
mod sql;
mod threads;
mod turn;
mod tx;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use self::fault::Outcome;
use self::hub::Hub;
use self::log::Log;
use self::place::Place;
use self::presence::{Presence, Watched};
use self::reader::Reader;
use self::threads::{Threads, threads};
use self::turn::Gate;
use self::tx::Tx;
use self::writer::{Setup, Writer};
use super::{
    Broker, ChordParts, ChordStart, Chords, Consumer, Durability, Outgoing, Parcel, Ready, Results, SendNumber,
    StoreError, StoreOptions, StoredResult, WorkerSpec,
};
use crate::clock::{Clock, Timestamp};
use crate::names::TaskId;

/// A store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    core: Arc<Core>,
}

/// What a store and its workers share.
#[derive(Debug)]
struct Core {
    url: Arc<str>,
    in_memory: bool,
    options: StoreOptions,
    writer: Writer,
    reader: Reader,
    hub: Arc<Hub>,
    marks: revoked::Copy,
    /// The last of all: see [`Threads`].
    _threads: Threads,
}

impl Drop for Core {
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl SqliteStore {
    /// Opens the file, made if missing; `None` is a database in memory.
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`] for a file that is not a store, or one of a newer version, which stays as it is;
    /// [`StoreError::ReadOnly`], [`StoreError::Full`] or [`StoreError::Locked`] when it cannot be made.
    pub async fn open(path: Option<PathBuf>, options: StoreOptions) -> Result<Self, StoreError> {
        let url: Arc<str> = super::StoreUrl::Sqlite(path.clone()).masked().into();
        let failed = Arc::clone(&url);
        let opened = tokio::task::spawn_blocking(move || Core::open(path.as_deref(), url, options)).await;
        let core = opened.map_err(|gone| StoreError::Refused { url: failed.to_string(), source: gone.into() })??;
        Ok(Self { core: Arc::new(core) })
    }
}

/// A database with what stands beside its file.
struct Opened {
    connection: rusqlite::Connection,
    gate: Option<Gate>,
    log: Option<Log>,
    read_only: bool,
}

impl Opened {
    fn of(path: Option<&Path>, url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let tell = |path: &Path, error| fault::tell_io(url, path, error);
        let gate = |path: &Path| Gate::open(path, options.response_timeout).map_err(|error| tell(path, error));
        // For a new file the gate comes first: the system says why it cannot be made, SQLite does not.
        let new = path.filter(|path| !path.exists() && connection::folder_exists(path)).map(gate).transpose()?;
        let connection = connection::open_writer(path, url, options)?;
        let read_only = connection.is_readonly("main").unwrap_or(false);
        let gate = match new {
            None => path.filter(|_| !read_only).map(gate).transpose()?,
            opened => opened,
        };
        let log = path.filter(|_| !read_only).map(|path| Log::take_over(path, &connection));
        let log = log.transpose().map_err(|fault| fault.tell(url, false))?;
        Ok(Self { connection, gate, log, read_only })
    }
}

impl Core {
    fn open(path: Option<&Path>, url: Arc<str>, options: StoreOptions) -> Result<Self, StoreError> {
        // Dropped after all that the threads are asked through, also where something fails below.
        let ((threads, alive), (others, looking)) = (threads(path.is_none()), threads(path.is_none()));
        let place = path.map(Place::of);
        let path = place.as_ref().map(|place| &*place.file);
        let Opened { connection, gate, log, read_only } = Opened::of(path, &url, &options)?;
        let presence = place.as_ref().map(|place| Arc::new(Presence::at(place, read_only)));
        let watched = |connection| Watched::new(connection, presence.clone());
        let hub = Arc::new(Hub::default());
        let writer = Writer::start(Setup {
            others,
            connection: watched(connection),
            log,
            url: Arc::clone(&url),
            clock: options.clock.clone(),
            hub: Arc::clone(&hub),
            gate,
            patience: options.response_timeout,
            alive,
        });
        let thread = |error: std::io::Error| StoreError::Refused { url: url.to_string(), source: error.into() };
        let writer = writer.map_err(thread)?;
        let reading = || {
            path.map(connection::open_reader)
                .transpose()
                .map(|opened| opened.map(watched))
                .map_err(|fault| fault.tell(&url, false))
        };
        let reader = match reading()? {
            Some(connection) => Reader::start(connection, Arc::clone(&url), looking.clone()).map_err(thread)?,
            None => Reader::Shared(writer.clone()),
        };
        poller::start(reading()?, Arc::clone(&hub), options.clock.clone(), looking).map_err(thread)?;
        let (marks, in_memory) = (revoked::Copy::default(), path.is_none());
        Ok(Self { url, in_memory, options, writer, reader, hub, marks, _threads: threads })
    }

    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Does it within a bounded time: a request waits for the lock as long as others may hold it, and for those before it as
    /// long again; beyond that the disk itself does not answer.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.within(self.options.response_timeout.saturating_mul(3), work).await
    }

    async fn within<T>(
        &self,
        longest: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(longest, work).await {
            Ok(done) => done,
            Err(late) => {
                Err(StoreError::Unreachable { url: self.url.to_string(), unknown: true, source: Box::new(late) })
            }
        }
    }

    /// Writes for a client, in time.
    async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Tx<'_>) -> Outcome<T> + Send + 'static,
    {
        self.in_time(self.writer.call(work)).await
    }

    /// Reads for a client, in time. Nothing changes by it, whatever becomes of its answer.
    async fn look<T, L>(&self, look: L) -> Result<T, StoreError>
    where
        T: Send + 'static,
        L: FnMut(&rusqlite::Connection) -> Outcome<T> + Send + 'static,
    {
        self.in_time(self.reader.look(look)).await.map_err(StoreError::of_known_outcome)
    }

    /// Deletes the next slices of what has expired, each in a transaction of its own, between others' requests.
    fn tidy(&self) {
        let writer = self.writer.clone();
        tokio::spawn(async move { while matches!(writer.call(|tx| beat::tidy(tx)).await, Ok(true)) {} });
    }

    /// Which of `ids` were revoked, reading the marks that are new.
    async fn revoked(&self, ids: &[&TaskId]) -> Result<Vec<bool>, StoreError> {
        let (known, newest, now) = (self.marks.version(), self.hub.revocations(), self.now());
        if newest > known {
            let marks = self.reader.look(move |connection| revoked::since(connection, known, now)).await?;
            self.marks.add(marks, newest, now);
        }
        Ok(self.marks.has(ids, now))
    }
}

#[async_trait]
impl Broker for SqliteStore {
    async fn enqueue(&self, messages: &[Outgoing]) -> Result<(), StoreError> {
        enqueue::check_size(messages, self.core.options.max_payload)?;
        if messages.is_empty() {
            return Ok(());
        }
        let messages = messages.to_vec();
        self.core.write(move |tx| enqueue::enqueue(tx, &messages)).await
    }

    async fn enqueue_once(
        &self,
        parcels: &[Parcel],
        number: Option<&SendNumber>,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let messages = parcels.iter().flat_map(|parcel| &parcel.messages);
        enqueue::check_size(messages, self.core.options.max_payload)?;
        let (parcels, number) = (parcels.to_vec(), number.cloned());
        self.core.write(move |tx| enqueue::enqueue_once(tx, &parcels, number.as_ref())).await
    }

    async fn consumer(&self, worker: WorkerSpec) -> Result<Arc<dyn Consumer>, StoreError> {
        let worker = worker.with_each_queue_once();
        Ok(Arc::new(consumer::SqliteConsumer::sign_on(Arc::clone(&self.core), worker).await?))
    }

    async fn revoke(&self, ids: &[TaskId], keep: Duration) -> Result<(), StoreError> {
        let ids = ids.to_vec();
        self.core.write(move |tx| revoked::revoke(tx, &ids, tx.now.after(keep))).await
    }

    async fn revocations(&self, limit: usize) -> Result<Vec<TaskId>, StoreError> {
        let (now, limit) = (self.core.now(), i64::try_from(limit).unwrap_or(i64::MAX));
        self.core.look(move |connection| revoked::list(connection, now, limit)).await
    }

    async fn durability(&self) -> Result<Durability, StoreError> {
        let summary = match self.core.in_memory {
            true => "SQLite in memory: everything ends with this process",
            false => "SQLite, synced before each answer: what was accepted survives kill -9 and power loss",
        };
        let version = format!("SQLite {}", rusqlite::version());
        Ok(Durability { version, summary: summary.to_owned(), warnings: Vec::new() })
    }

    fn clock(&self) -> &Clock {
        &self.core.options.clock
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.core.now())
    }

    fn display_url(&self) -> &str {
        &self.core.url
    }
}

#[async_trait]
impl Results for SqliteStore {
    async fn put_results(&self, results: &[StoredResult]) -> Result<(), StoreError> {
        let results = results.to_vec();
        self.core.write(move |tx| results::put(tx, &results)).await
    }

    async fn get_results(&self, ids: &[TaskId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let (ids, now) = (ids.to_vec(), self.core.now());
        let look = move |connection: &rusqlite::Connection| {
            ids.iter().map(|id| Ok(results::get(connection, id, now)?)).collect()
        };
        self.core.look(look).await
    }

    async fn wait_result(&self, id: &TaskId, ready: Ready, timeout: Duration) -> Result<Option<Bytes>, StoreError> {
        results::wait(&self.core, id, ready, timeout).await
    }

    async fn forget(&self, ids: &[TaskId]) -> Result<Vec<bool>, StoreError> {
        let ids = ids.to_vec();
        self.core.write(move |tx| ids.iter().map(|id| results::forget(tx, id)).collect()).await
    }
}

#[async_trait]
impl Chords for SqliteStore {
    async fn begin_chords(&self, chords: &[ChordStart]) -> Result<(), StoreError> {
        let chords = chords.to_vec();
        self.core.write(move |tx| chords.iter().try_for_each(|start| chord::begin(tx, start))).await
    }

    async fn chord_parts(&self, group: &str) -> Result<ChordParts, StoreError> {
        let (group, now) = (group.to_owned(), self.core.now());
        self.core.look(move |connection| chord::parts(connection, &group, now)).await
    }

    async fn put_group(&self, group: &StoredResult) -> Result<(), StoreError> {
        let group = group.clone();
        self.core.write(move |tx| chord::put_group(tx, &group)).await
    }

    async fn get_group(&self, group: &TaskId) -> Result<Option<Bytes>, StoreError> {
        let (group, now) = (group.clone(), self.core.now());
        self.core.look(move |connection| chord::group_meta(connection, group.as_str(), now)).await
    }

    async fn forget_group(&self, group: &TaskId) -> Result<bool, StoreError> {
        let group = group.clone();
        self.core.write(move |tx| chord::forget_group(tx, &group)).await
    }
}
