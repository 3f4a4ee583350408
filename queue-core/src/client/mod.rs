//! Sends tasks and reads their results.
//!
//! A [`Client`] belongs to one store. `add.delay(2, 3)` uses [`Client::current`]; `call.send_with(&client)` and
//! `client.send(call)` name theirs. What comes back is a [`JobHandle`], which waits for the result.

mod current;
pub(crate) mod deliver;
mod error;
mod first;
mod group;
mod handle;
mod numbers;
mod time;
mod told;
mod tries;

use std::sync::Arc;
use std::time::Duration;

use self::numbers::Numbers;
use self::time::StoreTime;
use crate::canvas::{Call, Canvas, Sending, SendingMany, Setting};
use crate::clock::Timestamp;
use crate::events::Lamport;
use crate::names::{QueueName, TaskId};
use crate::result::ResultMeta;
use crate::store::{ConnectError, QUEUE_RESULT_URL, Store, StoreError, StoreOptions, connect_with};

pub use self::current::InstallError;
pub use self::error::{JobError, SendError};
pub use self::first::FirstSend;
pub use self::group::{AnyHandle, GroupHandle};
pub use self::handle::JobHandle;

/// The environment's variable with the store's URL.
pub const QUEUE_URL: &str = "QUEUE_URL";

/// The store used where nothing else is said: a file in the working directory.
pub const DEFAULT_URL: &str = "sqlite:queue.db";

/// How long a store remembers a revocation by default: a day.
const REVOKED_FOR: Duration = Duration::from_secs(24 * 3600);

/// How long results are kept by default: a day, as Celery's.
const RESULT_TTL: Duration = Duration::from_secs(24 * 3600);

/// For how long a send is tried again by default: a restart of the store passes in it, and nobody waits for ever.
const RETRY_FOR: Duration = Duration::from_secs(5);

/// Sends tasks to one store and reads their results. Cheap to clone.
///
/// Several runtimes may share one, at once or one after the other (a program that begins a runtime for each request, tests with a
/// client in a `static`): whichever of them ends takes nothing along that the others need. A current-thread runtime that is not
/// within `block_on` does not run; while others use the client it must run, or be gone.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    options: ClientOptions,
    lamport: Lamport,
    numbers: Numbers,
    time: StoreTime,
}

/// How a client sends, where calls and tasks do not say.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Where calls go whose task names no queue. Default `celery`.
    pub default_queue: QueueName,
    /// How long results are kept that a worker of this program stores; `None` is for ever. Default one day.
    pub result_ttl: Option<Duration>,
    /// How long a revocation is remembered: longer than the revoked job may wait. Default one day.
    pub revoked_for: Duration,
    /// For how long a send is tried again after an error that may pass; zero is not at all. See [`Client::send`]. Default 5 s.
    pub retry_for: Duration,
    /// Whether every send can be tried again when a connection is cut in the middle of it. Otherwise a single call without an
    /// idempotency key, to be started at once, cannot: a store would have to take notes of each, which costs a Redis server 4 us
    /// more, where the push itself takes less than one. Default no.
    pub numbered: bool,
    /// Whether to tell monitors of each task that is sent (`task-sent` events). Costs a round trip more. Default no.
    pub task_sent_events: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            default_queue: QueueName::celery(),
            result_ttl: Some(RESULT_TTL),
            revoked_for: REVOKED_FOR,
            retry_for: RETRY_FOR,
            numbered: false,
            task_sent_events: false,
        }
    }
}

impl Client {
    /// A client of an open store, whose default queue is `celery`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self::with_options(store, ClientOptions::default())
    }

    /// A client of an open store.
    pub fn with_options(store: Arc<dyn Store>, options: ClientOptions) -> Self {
        let (lamport, numbers, time) = Default::default();
        Self { inner: Arc::new(Inner { store, options, lamport, numbers, time }) }
    }

    /// Opens the store at `url`: `sqlite:queue.db`, `sqlite::memory:`, `redis://localhost:6379/0`, `rediss://…`.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the URL is wrong or the store cannot be used.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, StoreOptions::default(), ClientOptions::default()).await
    }

    /// As [`Client::connect`], with options of the store and of the client.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    pub async fn connect_with(url: &str, store: StoreOptions, options: ClientOptions) -> Result<Self, ConnectError> {
        Ok(Self::with_options(connect_with(url, store).await?, options))
    }

    /// Opens the store at `$QUEUE_URL`, or `sqlite:queue.db` where that is not set; with the results at `$QUEUE_RESULT_URL`
    /// where that is set (see [`StoreOptions::results`]).
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    pub async fn from_env() -> Result<Self, ConnectError> {
        let url = std::env::var(QUEUE_URL).unwrap_or_else(|_| DEFAULT_URL.to_owned());
        let store = StoreOptions::with_results(std::env::var(QUEUE_RESULT_URL).ok());
        Self::connect_with(&url, store, ClientOptions::default()).await
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Numbers what this client sends of events and requests; shared by all its clones.
    pub fn lamport(&self) -> &Lamport {
        &self.inner.lamport
    }

    /// Its options.
    pub fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// Where calls go whose task names no queue.
    pub fn default_queue(&self) -> &QueueName {
        &self.inner.options.default_queue
    }

    fn numbers(&self) -> &Numbers {
        &self.inner.numbers
    }

    /// Now, by the store's clock, which is asked once a minute at most.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it has to be asked and does not answer.
    pub async fn store_time(&self) -> Result<Timestamp, StoreError> {
        self.inner.time.now(&**self.store()).await
    }

    /// Asks the store for its time now, as after an outage: another server may have another clock.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it does not answer.
    pub async fn ask_store_time(&self) -> Result<Timestamp, StoreError> {
        self.inner.time.ask(&**self.store()).await
    }

    /// Now, by the store's clock as far as [`Client::store_time`] has learned it; else by this host's.
    pub fn guess_time(&self) -> Timestamp {
        self.inner.time.guess(&**self.store())
    }

    /// What sending a workflow needs to know.
    pub(crate) fn setting(&self, now: Timestamp) -> Setting {
        let setting = Setting::of_client(self.default_queue().clone(), now, self.options().result_ttl);
        setting.beside_celery(self.store().has_celery())
    }

    /// Sends a call, a workflow, a group or a signature; when this returns `Ok`, it survives any crash of this process.
    ///
    /// Every way to send is the same: awaited, it gives a [`JobHandle`] (of a group a [`GroupHandle`]), or [`SendError`] when the call is wrong or the
    /// store refuses it.
    ///
    /// It never hangs and never lies. An error that may pass (the store restarts, is full, fails over) is tried again for
    /// [`ClientOptions::retry_for`]; each try waits for a connection twice [`StoreOptions::connect_timeout`] at most (again when one was idle), and for
    /// the answer [`StoreOptions::response_timeout`]. What comes of it is `Ok`, or an error whose
    /// [`outcome_unknown`](SendError::outcome_unknown) says whether it may have arrived all the same. A try whose outcome is
    /// unknown is followed by another only where that cannot enqueue twice: of batches, workflows, what is due later, what
    /// has an [idempotency key](Call::idempotency_key), and of all others with [`ClientOptions::numbered`].
    pub fn send<C: Canvas>(&self, canvas: C) -> Sending<C::Handle> {
        canvas.sending(Some(self.clone()), None)
    }

    /// Sends many calls, in order, with one round trip for each thousand of them or 4 MiB. The handles come in the same
    /// order.
    ///
    /// The calls are taken from the iterator before this returns. A wrong one among them means that none is sent;
    /// [`SendError::Partly`] says how many were, when the store refuses on the way. Each idempotency key is its call's own;
    /// [`SendError::KeyTaken`] of one comes when the others are sent.
    pub fn send_many<Out: 'static>(&self, calls: impl IntoIterator<Item = Call<Out>>) -> SendingMany<Out> {
        SendingMany::new(self.clone(), calls)
    }

    /// What is stored as the result of `id`; `None` when nothing is, or not any more.
    ///
    /// # Errors
    ///
    /// [`JobError::Store`], and [`JobError::Decode`] when what is stored is no result.
    pub async fn result(&self, id: &TaskId) -> Result<Option<ResultMeta>, JobError> {
        let found = self.store().get_results(std::slice::from_ref(id)).await?;
        match found.into_iter().next().flatten() {
            Some(bytes) => Ok(Some(ResultMeta::decode(&bytes)?)),
            None => Ok(None),
        }
    }

    /// A handle of a job that was sent elsewhere, which returns an `Out`.
    pub fn job<Out: 'static>(&self, id: TaskId) -> JobHandle<Out> {
        JobHandle::new(self.clone(), id, false)
    }

    /// Keeps jobs that have not started from being started; their results become REVOKED when a worker meets them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store refuses.
    pub async fn revoke(&self, ids: &[TaskId]) -> Result<(), StoreError> {
        self.store().revoke(ids, self.options().revoked_for).await
    }
}
