//! The bench: one open store with a clock of its own, and names that no other test uses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use queue_core::store::{
    ConnectError, Cursor, JobState, Orphan, Outgoing, Page, QueueCounts, Store, StoreOptions, WorkerSpec,
};
use queue_core::{Clock, QueueName, TaskId, Timestamp};
use tempfile::TempDir;

use crate::driver::open;
use crate::{Driver, PATIENCE, SECOND, TestWorker, message};

/// One open store, its clock, and names that no other test uses. A clone is the same one.
#[derive(Clone)]
pub struct Bench {
    /// Which driver.
    pub driver: Driver,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The store's clock; it runs, and jumps when told to.
    pub clock: Clock,
    options: StoreOptions,
    url: String,
    prefix: String,
    dir: Option<Arc<TempDir>>,
}

impl Bench {
    /// A fresh store.
    pub async fn open(driver: Driver) -> Self {
        Self::with(driver, |_| ()).await
    }

    /// A fresh store with other options.
    pub async fn with(driver: Driver, change: impl FnOnce(&mut StoreOptions)) -> Self {
        let (url, dir) = driver.place();
        Self { dir: dir.map(Arc::new), ..Self::at(driver, &url, change).await }
    }

    /// The store at `url`, with names of this bench's own.
    pub async fn at(driver: Driver, url: &str, change: impl FnOnce(&mut StoreOptions)) -> Self {
        let mut options = StoreOptions { clock: Clock::system(), ..StoreOptions::with_results(driver.results()) };
        change(&mut options);
        let store = open(url, options.clone()).await.unwrap_or_else(|why| panic!("cannot open {url}: {why:?}"));
        Self::of(driver, url, options, store)
    }

    /// The store at `url` with little patience: so much for an answer, and twice as much for a connection. It is open once the
    /// host has found the time to answer within that.
    pub async fn hasty(driver: Driver, url: &str, patience: Duration) -> Self {
        let options = StoreOptions {
            clock: Clock::system(),
            connect_timeout: 2 * patience,
            response_timeout: patience,
            ..StoreOptions::with_results(driver.results())
        };
        let began = Instant::now();
        let store = loop {
            match open(url, options.clone()).await {
                Ok(store) => break store,
                Err(why) => assert!(began.elapsed() < PATIENCE, "cannot open {url}: {why:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Self::of(driver, url, options, store)
    }

    fn of(driver: Driver, url: &str, options: StoreOptions, store: Arc<dyn Store>) -> Self {
        let prefix = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
        Self { driver, store, clock: options.clock.clone(), options, url: url.to_owned(), prefix, dir: None }
    }

    /// The store's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The Redis server's own URL of where its results are, and what their keys begin with; `None` without Redis.
    pub fn results(&self) -> Option<(String, &'static str)> {
        let place = self.options.results.as_ref().unwrap_or(&self.url);
        let (url, _) = place.split_once('?').unwrap_or((place, ""));
        match self.driver {
            Driver::SqliteMemory | Driver::SqliteFile => None,
            Driver::Redis | Driver::RedisTwo => Some((url.to_owned(), "")),
            Driver::RedisNamed | Driver::RedisDatabase => Some((url.to_owned(), "res_")),
        }
    }

    /// The options it was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// The directory of the SQLite file.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.as_ref().expect("only a bench on a file has a directory").path()
    }

    /// Another store on the same data, as another process would have it; the same one where there can be only one.
    pub async fn other_store(&self) -> Arc<dyn Store> {
        match self.driver.is_shared() {
            true => self.reopen(&self.url).await.unwrap(),
            false => Arc::clone(&self.store),
        }
    }

    /// Another store at `url` with the same options and clock.
    pub async fn reopen(&self, url: &str) -> Result<Arc<dyn Store>, ConnectError> {
        open(url, self.options.clone()).await
    }

    /// This bench's queue of that name.
    pub fn queue(&self, name: &str) -> QueueName {
        QueueName::new(format!("{}.{name}", self.prefix)).unwrap()
    }

    /// The id of the message with that label.
    pub fn id(&self, label: &str) -> TaskId {
        TaskId::new(format!("{}.{label}", self.prefix)).unwrap()
    }

    /// A message, ready at once.
    pub fn message(&self, queue: &str, label: &str) -> Outgoing {
        message(&self.queue(queue), &self.id(label))
    }

    /// A message, due after `wait`.
    pub async fn message_in(&self, wait: Duration, queue: &str, label: &str) -> Outgoing {
        let now = self.store.now().await.unwrap();
        Outgoing { due: Some(now.after(wait)), ..self.message(queue, label) }
    }

    /// Enqueues messages with these labels, in one call.
    pub async fn enqueue(&self, queue: &str, labels: &[&str]) {
        let messages: Vec<_> = labels.iter().map(|label| self.message(queue, label)).collect();
        self.store.enqueue(&messages).await.unwrap();
    }

    /// Enqueues one message, due after `wait`.
    pub async fn enqueue_in(&self, wait: Duration, queue: &str, label: &str) {
        let message = self.message_in(wait, queue, label).await;
        self.store.enqueue(&[message]).await.unwrap();
    }

    /// A fresh worker on this bench's store.
    pub async fn worker(&self, letter: &str, queues: &[&str]) -> TestWorker {
        self.worker_on(&self.store, letter, queues).await
    }

    /// A fresh worker on some store.
    pub async fn worker_on(&self, store: &Arc<dyn Store>, letter: &str, queues: &[&str]) -> TestWorker {
        let queues: Vec<_> = queues.iter().map(|name| self.queue(name)).collect();
        let incarnation: Arc<str> = uuid::Uuid::new_v4().simple().to_string().into();
        let spec = WorkerSpec {
            incarnation: Arc::clone(&incarnation),
            hostname: format!("{letter}@{}", self.prefix),
            pid: std::process::id(),
            concurrency: 4,
            queues: queues.clone(),
        };
        TestWorker::new(store.consumer(spec).await.unwrap(), incarnation, queues)
    }

    /// Moves the store's clock; nobody beats meanwhile.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Moves the store's clock on to so long after `then`; not at all where that much time has passed by itself.
    pub fn advance_to(&self, then: Timestamp, by: Duration) {
        self.advance(self.clock.now().until(then.after(by)));
    }

    /// Lets `time` pass while these workers live: they beat every two seconds. What the calls take is part of that time, so that
    /// a host that is busy for a second or two does not make a silence of it.
    pub async fn live(&self, time: Duration, workers: &[&TestWorker]) -> usize {
        let (began, mut passed, mut reclaimed) = (self.clock.now(), Duration::ZERO, 0);
        while passed < time {
            passed += 2 * SECOND;
            self.advance_to(began, passed);
            for worker in workers {
                reclaimed += worker.pulse().await.reclaimed;
            }
        }
        reclaimed
    }

    /// Lets so much time pass that whoever is not among `survivors` is dead and what it held is taken back.
    pub async fn bury(&self, survivors: &[&TestWorker]) -> usize {
        self.live(self.options.lease + self.options.grace + 5 * SECOND, survivors).await
    }

    /// Counts of this bench's queue.
    pub async fn counts(&self, queue: &str) -> QueueCounts {
        self.store.counts(&self.queue(queue)).await.unwrap()
    }

    /// The first page of a queue's jobs.
    pub async fn page(&self, queue: &str, state: JobState, limit: usize) -> Page {
        self.store.page(&self.queue(queue), state, None, limit).await.unwrap()
    }

    /// What is left over in the whole store, by all steps of the search.
    pub async fn all_orphans(&self) -> Vec<Orphan> {
        let (mut orphans, mut cursor) = (Vec::new(), None::<Cursor>);
        for _ in 0..100_000 {
            let page = self.store.orphans(cursor.as_ref()).await.unwrap();
            orphans.extend(page.orphans);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return orphans,
            }
        }
        panic!("the search has no end");
    }

    /// The same, of a server that others use too only what concerns this bench.
    pub async fn orphans(&self) -> Vec<Orphan> {
        let mark = self.prefix.as_str();
        let own = matches!(self.driver, Driver::SqliteMemory | Driver::SqliteFile);
        let mut orphans = self.all_orphans().await;
        orphans.retain(|orphan| own || orphan.key.contains(mark) || orphan.why.contains(mark));
        orphans
    }

    /// What is stored as the result of the task with that label.
    pub async fn result(&self, label: &str) -> Option<Bytes> {
        self.store.get_results(&[self.id(label)]).await.unwrap().remove(0)
    }
}
