//! One connection to the server, made when first used and remade after it broke.
//!
//! A [`Link`] never repeats a command by itself: whether that is safe only its caller knows. It
//! bounds every answer by a timeout and drops the connection when one passes, since what was asked may
//! still happen on the server.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisError};

use super::errors::map_error;
use super::scripts::Script;
use crate::store::StoreError;

/// How links are made.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) client: redis::Client,
    pub(super) url: String,
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
}

impl Connector {
    /// A fresh connection, with no response timeout of its own.
    pub(super) async fn open(&self) -> Result<MultiplexedConnection, StoreError> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(self.connect_timeout)).set_response_timeout(None);
        let made = self.client.get_multiplexed_async_connection_with_config(&config);
        // The client's own timeout covers the connect, not the handshake behind it.
        match tokio::time::timeout(self.connect_timeout, made).await {
            Ok(connection) => connection.map_err(|error| map_error(&self.url, error, false)),
            Err(elapsed) => Err(self.unreachable(elapsed, false)),
        }
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

    /// A link of its own, not yet connected.
    pub(super) fn link(&self) -> Link {
        Link {
            connector: self.clone(),
            current: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
            failed: Mutex::new(None),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    connector: Connector,
    current: Mutex<Option<(u64, MultiplexedConnection)>>,
    connecting: tokio::sync::Mutex<()>,
    /// When the last attempt to connect failed.
    failed: Mutex<Option<Instant>>,
}

impl Link {
    /// The URL it leads to, secrets masked.
    pub(super) fn url(&self) -> &str {
        &self.connector.url
    }

    /// What an error means that the server gave to one command of several.
    pub(super) fn refused(&self, error: RedisError) -> StoreError {
        map_error(&self.connector.url, error, true)
    }

    /// Sends one command.
    pub(super) async fn query<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, StoreError> {
        let (age, mut connection) = self.connection().await?;
        let answer = tokio::time::timeout(self.connector.response_timeout, cmd.query_async(&mut connection)).await;
        self.judge(age, answer)
    }

    /// Sends several commands at once.
    pub(super) async fn pipe<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, StoreError> {
        let (age, mut connection) = self.connection().await?;
        let answer = tokio::time::timeout(self.connector.response_timeout, pipe.query_async(&mut connection)).await;
        self.judge(age, answer)
    }

    /// Calls a script, loading it first where the server does not know it: a script it does not know it did not run.
    pub(super) async fn script<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> Result<T, StoreError> {
        let (age, mut connection) = self.connection().await?;
        let run = async {
            match call.query_async(&mut connection).await {
                Err(error) if error.code() == Some("NOSCRIPT") => {
                    script.load().query_async::<String>(&mut connection).await?;
                    call.query_async(&mut connection).await
                }
                answer => answer,
            }
        };
        let answer = tokio::time::timeout(self.connector.response_timeout, run).await;
        self.judge(age, answer)
    }

    fn judge<T>(
        &self,
        age: u64,
        answer: Result<Result<T, RedisError>, tokio::time::error::Elapsed>,
    ) -> Result<T, StoreError> {
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if broken(&error) {
                    self.drop_connection(age);
                }
                Err(map_error(&self.connector.url, error, true))
            }
            Err(elapsed) => {
                self.drop_connection(age);
                Err(self.connector.unreachable(elapsed, true))
            }
        }
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), StoreError> {
        if let Some(connection) = self.peek() {
            return Ok(connection);
        }
        let asked = Instant::now();
        let Ok(_one_at_a_time) = tokio::time::timeout(self.connector.connect_timeout, self.connecting.lock()).await
        else {
            return Err(self.connector.unreachable(std::io::Error::from(std::io::ErrorKind::TimedOut), false));
        };
        if let Some(connection) = self.peek() {
            return Ok(connection);
        }
        // Whoever queued behind an attempt that failed shares its failure, or a hundred callers would wait a hundred timeouts.
        if self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at > asked) {
            return Err(self.connector.unreachable(std::io::Error::from(std::io::ErrorKind::NotConnected), false));
        }
        let opened = self.connector.open().await;
        if opened.is_err() {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        let fresh = (fastrand::u64(..), opened?);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
        Ok(fresh)
    }

    fn peek(&self) -> Option<(u64, MultiplexedConnection)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn drop_connection(&self, age: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|(now, _)| *now == age) {
            *current = None;
        }
    }
}

/// Whether the connection is of no more use after this error.
pub(super) fn broken(error: &RedisError) -> bool {
    // A primary that became a replica stays one: the next connection may lead to the new one.
    let demoted = matches!(error.code(), Some("READONLY" | "MASTERDOWN"));
    demoted
        || error.is_io_error()
        || error.is_connection_dropped()
        || error.is_timeout()
        || error.is_unrecoverable_error()
}
