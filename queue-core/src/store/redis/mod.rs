//! The Redis driver: queues are kombu's lists, every transition is one Lua script.
//!
//! `keys` spells every key, `scripts` holds the atomic steps (one file each in `lua/`), `link` is a connection that is
//! remade after it broke. Each other file is one group of operations, and the trait impls here only delegate.

mod arm;
mod beat;
mod bus;
mod chord;
mod client;
mod close;
mod consumer;
mod durability;
mod elsewhere;
mod enqueue;
mod errors;
mod find;
mod growing;
mod held;
mod hub;
mod inner;
mod keys;
mod known_queues;
mod lease;
mod ledger;
mod lines;
mod link;
mod look;
mod mend;
mod options;
mod orphans;
mod pace;
pub(crate) mod place;
mod plain;
mod refusals;
mod results;
mod revoked;
mod scripts;
mod sentinel;
mod settle;
mod shared;
mod switch;
mod times;
mod tls;
mod two_servers;
mod wait;
mod window;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use self::consumer::RedisConsumer;
use self::elsewhere::Elsewhere;
use self::hub::Hub;
use self::inner::Inner;
use self::keys::Keys;
use self::known_queues::KnownQueues;
use self::link::Connector;
pub use self::options::RedisOptions;
use self::place::Place;
use self::scripts::Scripts;
use super::url::mask;
use super::{
    Broker, ChordParts, ChordStart, Chords, Consumer, Cursor, Durability, Inspect, Job, JobKey, JobState, Orphan,
    OrphanPage, Outgoing, Page, Parcel, QueueCounts, Ready, Results, SendNumber, StoreError, StoreOptions,
    StoredResult, WorkerInfo, WorkerSpec,
};
use crate::clock::{Clock, Timestamp};
use crate::names::{QueueName, TaskId};

/// A store on a Redis server of version 6.2 or later.
#[derive(Debug, Clone)]
pub struct RedisStore(Arc<Inner>);

impl RedisStore {
    /// Connects to the server at `url` (`redis://user:password@host:6379/0`, `rediss://` for TLS), or to the master that
    /// sentinels name (`redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0`, `rediss+sentinel://`). Its
    /// parameters are [`RedisOptions`], and stand before those of `options`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the server cannot be reached, refuses us, or is too old.
    pub async fn connect(url: &str, options: StoreOptions) -> Result<Self, StoreError> {
        let masked = mask(url);
        let unusable = |why: String| StoreError::Foreign { url: masked.clone(), why };
        let Place { client, sentinels, mut named } = Place::of(url, options.redis.clone()).map_err(unusable)?;
        let connector = Connector {
            client,
            sentinels: sentinels.map(Arc::new),
            url: masked.clone(),
            connect_timeout: options.connect_timeout,
            response_timeout: options.response_timeout,
            lines: Arc::default(),
            broken: Arc::default(),
        };
        let elsewhere = match &options.results {
            Some(url) => Elsewhere::new(url, &connector, &mut named)?,
            None => None,
        };
        let keys = Keys::new(&named);
        let inner = Inner {
            link: connector.link(),
            hub: Hub::new(connector.clone(), &keys.result("*")),
            connector,
            scripts: Scripts::new(),
            keys,
            elsewhere,
            options,
            known_queues: KnownQueues::default(),
        };
        read(durability::check_version(&inner).await)?;
        // A script that is known twice is known.
        read(inner.load_scripts().await)?;
        Ok(Self(Arc::new(inner)))
    }
}

/// What only looks changes nothing, whatever becomes of its answer.
fn read<T>(answer: Result<T, StoreError>) -> Result<T, StoreError> {
    answer.map_err(StoreError::of_known_outcome)
}

#[async_trait]
impl Broker for RedisStore {
    async fn enqueue(&self, messages: &[Outgoing]) -> Result<(), StoreError> {
        self.0.check_queues(messages.iter().map(|message| &message.queue))?;
        enqueue::enqueue(&self.0, messages).await
    }

    async fn enqueue_once(
        &self,
        parcels: &[Parcel],
        number: Option<&SendNumber>,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let messages = parcels.iter().flat_map(|parcel| &parcel.messages);
        self.0.check_queues(messages.map(|message| &message.queue))?;
        enqueue::enqueue_once(&self.0, parcels, number).await
    }

    async fn consumer(&self, worker: WorkerSpec) -> Result<Arc<dyn Consumer>, StoreError> {
        self.0.check_queues(&worker.queues)?;
        Ok(Arc::new(RedisConsumer::sign_on(self.0.clone(), worker.with_each_queue_once()).await?))
    }

    async fn revoke(&self, ids: &[TaskId], keep: Duration) -> Result<(), StoreError> {
        revoked::revoke(&self.0, ids, keep).await
    }

    async fn revocations(&self, limit: usize) -> Result<Vec<TaskId>, StoreError> {
        read(revoked::list(&self.0, limit).await)
    }

    async fn durability(&self) -> Result<Durability, StoreError> {
        read(durability::durability(&self.0).await)
    }

    fn clock(&self) -> &Clock {
        &self.0.options.clock
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        read(self.0.now_ms(&self.0.link).await.map(Timestamp::from_millis))
    }

    fn has_celery(&self) -> bool {
        true
    }

    fn display_url(&self) -> &str {
        &self.0.connector.url
    }
}

#[async_trait]
impl Results for RedisStore {
    async fn put_results(&self, results: &[StoredResult]) -> Result<(), StoreError> {
        results::put(&self.0, results).await
    }

    async fn get_results(&self, ids: &[TaskId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        read(results::get(&self.0, ids).await)
    }

    async fn wait_result(&self, id: &TaskId, ready: Ready, timeout: Duration) -> Result<Option<Bytes>, StoreError> {
        read(results::wait(&self.0, id, ready, timeout).await)
    }

    async fn forget(&self, ids: &[TaskId]) -> Result<Vec<bool>, StoreError> {
        results::forget(&self.0, ids).await
    }
}

#[async_trait]
impl Inspect for RedisStore {
    async fn queues(&self) -> Result<Vec<QueueName>, StoreError> {
        read(look::queues(&self.0).await)
    }

    async fn counts(&self, queue: &QueueName) -> Result<QueueCounts, StoreError> {
        read(look::counts(&self.0, queue).await)
    }

    async fn page(
        &self,
        queue: &QueueName,
        state: JobState,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        read(look::page(&self.0, queue, state, cursor, limit).await)
    }

    async fn find(&self, id: &TaskId) -> Result<Vec<Job>, StoreError> {
        read(find::find(&self.0, id).await)
    }

    async fn delete(&self, keys: &[JobKey]) -> Result<u64, StoreError> {
        mend::delete(&self.0, keys).await
    }

    async fn purge(&self, queue: &QueueName, state: JobState) -> Result<u64, StoreError> {
        mend::purge(&self.0, queue, state).await
    }

    async fn retry_dead(&self, jobs: &[(JobKey, Bytes)]) -> Result<u64, StoreError> {
        mend::retry_dead(&self.0, jobs).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        read(look::workers(&self.0).await)
    }

    async fn orphans(&self, cursor: Option<&Cursor>) -> Result<OrphanPage, StoreError> {
        read(orphans::step(&self.0, cursor).await)
    }

    async fn orphans_again(&self, found: &[Orphan]) -> Result<Vec<Orphan>, StoreError> {
        read(orphans::again(&self.0, found).await)
    }
}

#[async_trait]
impl Chords for RedisStore {
    async fn begin_chords(&self, chords: &[ChordStart]) -> Result<(), StoreError> {
        chord::begin(&self.0, chords, None).await
    }

    async fn chord_parts(&self, group: &str) -> Result<ChordParts, StoreError> {
        // For a worker, which tells by the unknown outcome that a line broke, and no more.
        chord::parts(&self.0, group).await
    }

    async fn put_group(&self, group: &StoredResult) -> Result<(), StoreError> {
        chord::put_group(&self.0, group).await
    }

    async fn get_group(&self, group: &TaskId) -> Result<Option<Bytes>, StoreError> {
        read(chord::get_group(&self.0, group).await)
    }

    async fn forget_group(&self, group: &TaskId) -> Result<bool, StoreError> {
        chord::forget_group(&self.0, group).await
    }
}
