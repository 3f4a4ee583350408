//! What a measurement runs on: a store, a Redis server, a worker process.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use queue_core::store::QueueCounts;
use queue_core::{Client, QueueName};
use tokio::process::{Child, Command};

use crate::Outcome;

/// A Redis server.
pub(crate) struct Redis {
    pub(crate) url: String,
    _server: Option<Child>,
}

impl Redis {
    /// One that runs already.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), _server: None }
    }

    /// Starts one without persistence on a free port of this machine.
    pub(crate) async fn start(directory: &Path) -> Outcome<Self> {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(directory)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let started = Self { url: format!("redis://127.0.0.1:{port}/0"), _server: Some(server) };
        let begun = Instant::now();
        while started.command::<String>(&["PING"]).await.is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err("redis-server does not answer".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(started)
    }

    /// Sends one command.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> Outcome<T> {
        let mut connection = redis::Client::open(self.url.as_str())?.get_multiplexed_async_connection().await?;
        let (name, arguments) = words.split_first().ok_or("no command")?;
        Ok(redis::cmd(name).arg(arguments).query_async(&mut connection).await?)
    }

    /// A number of `INFO section`.
    pub(crate) async fn info(&self, section: &str, field: &str) -> Outcome<u64> {
        let text: String = self.command(&["INFO", section]).await?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.ok_or_else(|| format!("no {field}"))?.trim().parse()?)
    }

    /// Calls and microseconds of what a worker sends since the last reset: scripts and blocking moves. What a script calls is
    /// part of its `EVALSHA`; our own looking sends neither.
    pub(crate) async fn cost(&self) -> Outcome<(u64, u64)> {
        let text: String = self.command(&["INFO", "commandstats"]).await?;
        let (mut calls, mut usec) = (0, 0);
        for line in text.lines() {
            let Some((name, fields)) = line.strip_prefix("cmdstat_").and_then(|rest| rest.split_once(':')) else {
                continue;
            };
            let field = |name: &str| -> u64 {
                let found = fields.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
                found.and_then(|text| text.parse().ok()).unwrap_or(0)
            };
            if ["evalsha", "blmove"].contains(&name) {
                calls += field("calls");
                usec += field("usec");
            }
        }
        Ok((calls, usec))
    }
}

/// One store of one round.
pub(crate) struct Bench<'a> {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) redis: Option<&'a Redis>,
    pub(crate) directory: PathBuf,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(store: &str, server: &'a Redis, directory: &Path, round: usize) -> Outcome<Self> {
        let directory = directory.join(format!("{store}-{round}"));
        std::fs::create_dir_all(&directory)?;
        let (url, redis) = match store {
            "redis" => (server.url.clone(), Some(server)),
            "sqlite" => (format!("sqlite:{}", directory.join("queue.db").display()), None),
            other => return Err(format!("no store `{other}`: redis, sqlite").into()),
        };
        Ok(Self { name: store.to_owned(), url, redis, directory })
    }

    /// A client of the emptied store.
    pub(crate) async fn fresh(&self) -> Outcome<Client> {
        match self.redis {
            Some(redis) => {
                redis.command::<()>(&["FLUSHALL"]).await?;
                redis.command::<()>(&["CONFIG", "RESETSTAT"]).await?;
            }
            None => {
                for file in ["queue.db", "queue.db-wal", "queue.db-shm"] {
                    let _ = std::fs::remove_file(self.directory.join(file));
                }
            }
        }
        Ok(Client::connect(&self.url).await?)
    }

    /// A worker process on the benchmark's queue.
    pub(crate) fn worker(&self, concurrency: usize, prefetch: usize) -> Outcome<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["worker", "--url", &self.url, "-Q", "bench", "--log-level", "warn"]);
        command.args(["-c", &concurrency.to_string(), "--prefetch", &prefetch.to_string()]).kill_on_drop(true);
        Ok(command.spawn()?)
    }
}

/// The benchmark's queue.
pub(crate) fn queue() -> Outcome<QueueName> {
    Ok(QueueName::new("bench")?)
}

/// Waits until the queue satisfies `done`; looks every few milliseconds.
pub(crate) async fn until(client: &Client, done: impl Fn(&QueueCounts) -> bool) -> Outcome<()> {
    let queue = queue()?;
    let begun = Instant::now();
    while !done(&client.store().counts(&queue).await?) {
        if begun.elapsed() > Duration::from_secs(300) {
            return Err("nothing more happens".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Whether nothing is left to do.
pub(crate) fn empty(counts: &QueueCounts) -> bool {
    counts.ready + counts.leased + counts.scheduled == 0
}

/// Ends a worker as an operator does.
pub(crate) async fn stop(mut worker: Child) -> Outcome<()> {
    if let Some(pid) = worker.id() {
        Command::new("kill").arg(pid.to_string()).status().await?;
    }
    worker.wait().await?;
    Ok(())
}
