//! One connection to the server, made when first used and remade after it broke.
//!
//! A [`Link`] never repeats a command by itself: whether that is safe only its caller knows. It
//! bounds every answer by a timeout and drops the connection when one passes, since what was asked may
//! still happen on the server.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::PubSub;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult};

use super::client::{self, Connection};
use super::errors::map_error;
use super::lines::Lines;
use super::pace::Pace;
use super::scripts::Script;
use super::sentinel::Sentinels;
use super::switch;
use crate::store::StoreError;

/// How much longer a call may wait once a newer connection has been answered.
const OUTLIVED: Duration = Duration::from_secs(1);

/// How links are made.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    /// With sentinels its host stands for the master.
    pub(super) client: redis::Client,
    pub(super) sentinels: Option<Arc<Sentinels>>,
    pub(super) url: String,
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
    /// Of all connections made here.
    pub(super) lines: Arc<Lines>,
    /// How many connections broke so far; clones count together.
    pub(super) broken: Arc<AtomicU64>,
}

impl Connector {
    /// A fresh connection, with no response timeout of its own; to the master, where there are sentinels.
    pub(super) async fn open(&self) -> Result<Connection, StoreError> {
        let opened = match &self.sentinels {
            Some(sentinels) => sentinels.connect(self).await.map(|(_, connection)| connection),
            None => self.connect(&self.client).await,
        };
        self.lines.tried(opened.is_ok());
        opened
    }

    /// The same, for subscriptions.
    pub(super) async fn open_subscribed(&self) -> Result<PubSub, StoreError> {
        let master = match &self.sentinels {
            Some(sentinels) => Some(sentinels.connect(self).await?.0),
            None => None,
        };
        let client = master.as_ref().unwrap_or(&self.client);
        match tokio::time::timeout(self.connect_timeout, client.get_async_pubsub()).await {
            Ok(opened) => opened.map_err(|error| map_error(&self.url, error, false)),
            Err(_elapsed) => Err(self.no_connection()),
        }
    }

    /// A connection to where `client` leads.
    pub(super) async fn connect(&self, client: &redis::Client) -> Result<Connection, StoreError> {
        match tokio::time::timeout(self.connect_timeout, client::open(client)).await {
            Ok(connection) => connection.map_err(|error| map_error(&self.url, error, false)),
            Err(_elapsed) => Err(self.no_connection()),
        }
    }

    /// The error for a server that lets nobody in for all this time.
    pub(super) fn no_connection(&self) -> StoreError {
        let why = format!("no connection within {:?}", self.connect_timeout);
        self.unreachable(io::Error::new(io::ErrorKind::TimedOut, why), false)
    }

    /// The error for a server that did not answer.
    pub(super) fn unreachable(
        &self,
        source: impl std::error::Error + Send + Sync + 'static,
        unknown: bool,
    ) -> StoreError {
        StoreError::Unreachable { url: self.url.clone(), unknown, source: Box::new(source) }
    }

    /// The same with shorter patience.
    pub(super) fn hasty(&self, patience: Duration) -> Self {
        let shorter = |usual: Duration| usual.min(patience);
        let (connect_timeout, response_timeout) = (shorter(self.connect_timeout), shorter(self.response_timeout));
        Self { connect_timeout, response_timeout, ..self.clone() }
    }

    /// A connection is of no more use.
    pub(super) fn note_broken(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }

    /// A link of its own, not yet connected.
    pub(super) fn link(&self) -> Link {
        Link {
            connector: self.clone(),
            current: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
            heard: Mutex::new(None),
            failed: Mutex::new(None),
            pace: Pace::default(),
        }
    }
}

/// A connection.
#[derive(Debug)]
struct Current {
    age: u64,
    /// How often there had been doubt when it was made.
    doubts: u64,
    connection: Connection,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    connector: Connector,
    current: Mutex<Option<Current>>,
    connecting: tokio::sync::Mutex<()>,
    /// When that was last asked which it answered.
    heard: Mutex<Option<Instant>>,
    /// When the last attempt to connect failed.
    failed: Mutex<Option<Instant>>,
    pace: Pace,
}

impl Link {
    /// The URL it leads to, secrets masked.
    pub(super) fn url(&self) -> &str {
        &self.connector.url
    }

    /// The error for an answer that did not come in time.
    pub(super) fn unanswered(&self) -> StoreError {
        self.connector.unreachable(io::Error::from(io::ErrorKind::TimedOut), true)
    }

    /// Asks whether the connection still stands, where nothing was asked for as long as an answer may take: one that broke
    /// meanwhile would leave the next command's outcome unknown.
    pub(super) async fn wake(&self, now: Instant) {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.is_some_and(|at| now.saturating_duration_since(at) > self.connector.response_timeout) {
            Box::pin(self.ping()).await;
        }
    }

    /// Asks for a sign of life, as long as an answer may take: a connection that gives none is made anew.
    pub(super) async fn ping(&self) {
        if let Err(error) = self.query::<redis::Value>(&redis::cmd("PING")).await {
            tracing::debug!(%error, "a connection gave no sign of life");
        }
    }

    /// Pushes a message into a list, `now`. What most sends are: put together once, and written from there.
    pub(super) async fn push(&self, list: &str, message: &[u8], now: Instant) -> Result<(), StoreError> {
        let (age, mut connection) = self.connection().await?;
        let answer = self.bounded(connection.push(list, message)).await;
        self.judge(age, answer, now)
    }

    /// Sends one command.
    pub(super) async fn query<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, StoreError> {
        let now = Instant::now();
        let (age, mut connection) = self.connection().await?;
        let answer = self.bounded(cmd.query_async(&mut connection)).await;
        self.judge(age, answer, now)
    }

    /// Sends several commands at once.
    pub(super) async fn pipe<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, StoreError> {
        let now = Instant::now();
        let (age, mut connection) = self.connection().await?;
        let answer = self.bounded(pipe.query_async(&mut connection)).await;
        self.judge(age, answer, now)
    }

    /// Sends several commands at once of which each is answered by itself: one that is refused says nothing of the others.
    pub(super) async fn each<T: FromRedisValue>(
        &self,
        mut pipe: Pipeline,
    ) -> Result<Vec<Result<T, StoreError>>, StoreError> {
        let now = Instant::now();
        let (age, mut connection) = self.connection().await?;
        let asked = pipe.ignore_errors().query_async::<Vec<RedisResult<T>>>(&mut connection);
        let answer = self.bounded(asked).await;
        let answers = self.judge(age, answer, now)?;
        Ok(answers.into_iter().map(|answer| answer.map_err(|error| self.refused(age, error))).collect())
    }

    /// Calls a script, loading it first where the server does not know it: a script it does not know it did not run.
    pub(super) async fn script<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> Result<T, StoreError> {
        self.script_by(script, call).await.map(|(_, answer)| answer)
    }

    /// As [`Link::script`], and the age of the connection that it went by.
    pub(super) async fn script_by<T: FromRedisValue>(
        &self,
        script: &Script,
        call: &Cmd,
    ) -> Result<(u64, T), StoreError> {
        let (age, connection) = self.connection().await?;
        Ok((age, self.run(age, connection, script, call).await?))
    }

    /// As [`Link::script`], on the connection of this `age`; `None`, and nothing was sent, when there is another by now.
    pub(super) async fn script_on<T: FromRedisValue>(
        &self,
        age: u64,
        script: &Script,
        call: &Cmd,
    ) -> Result<Option<T>, StoreError> {
        match self.peek() {
            Some((now, connection)) if now == age => self.run(age, connection, script, call).await.map(Some),
            _ => Ok(None),
        }
    }

    /// What tells the connection that there is now from all others.
    pub(super) fn age(&self) -> Option<u64> {
        self.peek().map(|(age, _)| age)
    }

    async fn run<T: FromRedisValue>(
        &self,
        age: u64,
        mut connection: Connection,
        script: &Script,
        call: &Cmd,
    ) -> Result<T, StoreError> {
        let now = Instant::now();
        let run = async {
            match call.query_async(&mut connection).await {
                Err(error) if error.code() == Some("NOSCRIPT") => {
                    script.load().query_async::<String>(&mut connection).await?;
                    call.query_async(&mut connection).await
                }
                answer => answer,
            }
        };
        let answer = self.bounded(run).await;
        self.judge(age, answer, now)
    }

    /// Waits for an answer; `None` when there is none in time.
    async fn bounded<T>(&self, call: impl Future<Output = Result<T, RedisError>>) -> Option<Result<T, RedisError>> {
        self.pace.keep();
        switch::watch(&self.connector);
        tokio::select! {
            biased;
            answer = tokio::time::timeout(self.connector.response_timeout, call) => {
                if answer.is_err() {
                    self.connector.lines.cast_doubt();
                }
                answer.ok()
            }
            () = self.outlived() => None,
        }
    }

    /// Another line got no answer, a new one does, and this call still waits: its own line is dead without knowing. A server that
    /// only slept answers all.
    async fn outlived(&self) {
        loop {
            self.connector.lines.doubted().await;
            if self.connection().await.is_ok() {
                tokio::time::sleep(OUTLIVED).await;
                return;
            }
        }
    }

    fn judge<T>(&self, age: u64, answer: Option<Result<T, RedisError>>, asked: Instant) -> Result<T, StoreError> {
        match answer {
            Some(Ok(value)) => {
                *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
                Ok(value)
            }
            Some(Err(error)) => Err(self.refused(age, error)),
            None => {
                self.drop_connection(age);
                Err(self.unanswered())
            }
        }
    }

    /// What an error means that came by the connection of this `age`, which may be of no more use.
    fn refused(&self, age: u64, error: RedisError) -> StoreError {
        let unusable = broken(&error);
        let error = map_error(&self.connector.url, error, true);
        if unusable || matches!(error, StoreError::ReadOnly { .. }) {
            self.drop_connection(age);
        }
        error
    }

    async fn connection(&self) -> Result<(u64, Connection), StoreError> {
        match self.peek() {
            Some(connection) => Ok(connection),
            // Boxed, since every command has room for it.
            None => Box::pin(self.connect()).await,
        }
    }

    async fn connect(&self) -> Result<(u64, Connection), StoreError> {
        let asked = Instant::now();
        let Ok(_one_at_a_time) = tokio::time::timeout(self.connector.connect_timeout, self.connecting.lock()).await
        else {
            return Err(self.connector.unreachable(io::Error::from(io::ErrorKind::TimedOut), false));
        };
        if let Some(connection) = self.peek() {
            return Ok(connection);
        }
        // Whoever queued behind an attempt that failed shares its failure, or a hundred callers would wait a hundred timeouts.
        if self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at > asked) {
            return Err(self.connector.unreachable(io::Error::from(io::ErrorKind::NotConnected), false));
        }
        let doubts = self.connector.lines.doubts();
        let opened = self.connector.open().await;
        if opened.is_err() {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        let (age, connection) = (fastrand::u64(..), opened?);
        let fresh = Current { age, doubts, connection: connection.clone() };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
        Ok((age, connection))
    }

    fn peek(&self) -> Option<(u64, Connection)> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.take_if(|current| current.connection.is_gone()).is_some() {
            self.connector.note_broken();
        }
        let current = current.as_ref().filter(|current| current.doubts == self.connector.lines.doubts())?;
        Some((current.age, current.connection.clone()))
    }

    /// Lets the connection go: whoever waits for an answer on it waits on, the next command makes another.
    pub(super) fn reset(&self) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).take();
        current.iter().for_each(|_| self.connector.note_broken());
    }

    fn drop_connection(&self, age: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| current.age == age) {
            *current = None;
            self.connector.note_broken();
        }
    }
}

/// Whether the connection is of no more use after this error.
pub(super) fn broken(error: &RedisError) -> bool {
    // A primary that became a replica stays one: the next connection may lead to the new one.
    let demoted = matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "UNBLOCKED"));
    demoted
        || error.is_io_error()
        || error.is_connection_dropped()
        || error.is_timeout()
        || error.is_unrecoverable_error()
}
