//! The Redis server that everything is measured on: one of our own, started on a free port.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tokio::process::{Child, Command};

use crate::Outcome;

/// Commands that only we send, to look.
const LOOKING: [&str; 9] = ["config|", "config", "info", "ping", "llen", "client", "hello", "slowlog", "select"];

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) port: u16,
    connection: MultiplexedConnection,
    _server: Child,
}

/// What the server did since the last reset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Commands as clients sent them.
    pub(crate) calls: f64,
    /// Microseconds inside commands.
    pub(crate) usec: f64,
    /// Microseconds of CPU of the server's main thread since it started, reading and writing sockets included.
    pub(crate) cpu_us: f64,
}

impl Server {
    /// Starts one without persistence.
    pub(crate) async fn start(directory: &Path) -> Outcome<Self> {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(directory)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let url = format!("redis://127.0.0.1:{port}/0");
        let begun = Instant::now();
        let connection = loop {
            match redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await {
                Ok(connection) => break connection,
                Err(error) if begun.elapsed() > Duration::from_secs(20) => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        Ok(Self { url, port, connection, _server: server })
    }

    /// Sends one command.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> Outcome<T> {
        let (name, arguments) = words.split_first().ok_or("no command")?;
        let mut connection = self.connection.clone();
        connection.set_response_timeout(Duration::from_secs(60));
        Ok(redis::cmd(name).arg(arguments).query_async(&mut connection).await?)
    }

    /// Empties it.
    pub(crate) async fn empty(&self) -> Outcome<()> {
        self.command::<()>(&["FLUSHALL"]).await?;
        self.reset().await
    }

    /// Begins to count anew.
    pub(crate) async fn reset(&self) -> Outcome<()> {
        self.command::<()>(&["CONFIG", "RESETSTAT"]).await
    }

    /// Turns the append-only file on (`everysec`) or off, and waits until the first rewrite is done.
    pub(crate) async fn append_only(&self, on: bool) -> Outcome<()> {
        self.command::<()>(&["CONFIG", "SET", "appendfsync", "everysec"]).await?;
        self.command::<()>(&["CONFIG", "SET", "appendonly", if on { "yes" } else { "no" }]).await?;
        let begun = Instant::now();
        while on && self.info("persistence", "aof_rewrite_in_progress").await? > 0.0 {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("the append-only file does not get ready".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// A number of `INFO section`.
    pub(crate) async fn info(&self, section: &str, field: &str) -> Outcome<f64> {
        let text: String = self.command(&["INFO", section]).await?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.ok_or_else(|| format!("no {field}"))?.trim().parse()?)
    }

    /// What was done since the last [`Self::reset`]. Of a client that sends scripts only `outer` are counted, since what a
    /// script calls is part of its `EVALSHA`.
    pub(crate) async fn cost(&self, outer: &[&str]) -> Outcome<Cost> {
        let text: String = self.command(&["INFO", "commandstats"]).await?;
        let (mut calls, mut usec) = (0.0, 0.0);
        for line in text.lines() {
            let Some((name, fields)) = line.strip_prefix("cmdstat_").and_then(|rest| rest.split_once(':')) else {
                continue;
            };
            let field = |name: &str| -> f64 {
                let found = fields.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
                found.and_then(|text| text.parse().ok()).unwrap_or(0.0)
            };
            let is_ours = LOOKING.iter().any(|looking| name == *looking || name.starts_with("config|"));
            if if outer.is_empty() { !is_ours } else { outer.contains(&name) } {
                calls += field("calls");
                // What EXEC runs is counted by itself.
                usec += if name == "exec" { 0.0 } else { field("usec") };
            }
        }
        let text: String = self.command(&["INFO", "cpu"]).await?;
        let seconds = |field: &str| -> f64 {
            let found = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            found.and_then(|value| value.trim().parse().ok()).unwrap_or(f64::NAN)
        };
        let cpu = seconds("used_cpu_sys_main_thread") + seconds("used_cpu_user_main_thread");
        Ok(Cost { calls, usec, cpu_us: cpu * 1e6 })
    }
}
