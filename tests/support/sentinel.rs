//! Three Redis servers and the three sentinels that watch them.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use crate::process::wait_so_long;
use crate::redis::{ask_after, end, shell};
use crate::{PATIENCE, RedisServer, SECOND, wait_until};

/// The name of the master.
const MASTER: &str = "mymaster";

/// How long what sentinels do is waited for: one that was not run for two seconds trusts its clock no more (it calls that a
/// tilt), and does nothing for thirty.
const THROUGH_A_TILT: Duration = Duration::from_secs(30).saturating_add(PATIENCE);

/// A master, two replicas and three sentinels; gone when dropped.
#[derive(Debug)]
pub struct SentinelSet {
    servers: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
    password: Option<String>,
}

/// One sentinel; gone when dropped.
#[derive(Debug)]
pub struct Sentinel {
    port: u16,
    shell: Option<Child>,
}

impl SentinelSet {
    /// Starts all six, and waits until they know each other. They ask for `password`, where one is given.
    pub async fn start(password: Option<&str>) -> Self {
        let mut usual = vec!["--repl-diskless-sync-delay", "0"];
        if let Some(password) = password {
            usual.extend(["--requirepass", password, "--masterauth", password]);
        }
        let master = RedisServer::start(&usual);
        let port = master.port().to_string();
        usual.extend(["--replicaof", "127.0.0.1", &port]);
        let servers = vec![RedisServer::start(&usual), RedisServer::start(&usual), master];
        let sentinels = (0..3).map(|_| Sentinel::start(&port, password)).collect();
        let set = Self { servers, sentinels, password: password.map(str::to_owned) };
        wait_so_long(THROUGH_A_TILT, "the sentinels know each other and the replicas", || async {
            set.sentinels.iter().all(Sentinel::knows_all).then_some(())
        })
        .await;
        set
    }

    /// The URL by which workers find the master; `login` is `user:password@`, or empty.
    pub fn url(&self, login: &str) -> String {
        let nodes: Vec<_> = self.sentinels.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+sentinel://{login}{}/{MASTER}/0", nodes.join(","))
    }

    /// The URL as Celery has it.
    pub fn celery_url(&self) -> String {
        let nodes: Vec<_> = self.sentinels.iter().map(|node| format!("sentinel://127.0.0.1:{}/0", node.port)).collect();
        format!("{}?master_name={MASTER}", nodes.join(";"))
    }

    /// The port of the master, as the sentinels have it.
    pub fn master_port(&self) -> u16 {
        self.sentinels[0].master().expect("a sentinel answers")
    }

    /// The master, as the sentinels have it.
    pub fn master(&self) -> &RedisServer {
        self.at(self.master_port())
    }

    /// Waits until both replicas have all that the master has now.
    pub async fn until_caught_up(&self) {
        let master = self.master_port();
        let offset = |server: &RedisServer| field(&self.ask(server, &["INFO", "replication"]), "master_repl_offset");
        let there = offset(self.at(master));
        let replicas = || self.servers.iter().filter(|server| server.port() != master);
        wait_until("the replicas have caught up", || async { replicas().all(|server| offset(server) >= there) }).await;
    }

    /// Promotes a replica although the master is well.
    pub fn fail_over(&self) {
        self.sentinels[0].ask::<()>("FAILOVER").unwrap();
    }

    /// Kills a sentinel, the first named in the URL.
    pub fn kill_a_sentinel(&mut self) {
        self.sentinels.remove(0);
    }

    /// Waits until all sentinels name another master than the one on this port, and it is one.
    pub async fn until_other_master(&self, than: u16) -> &RedisServer {
        wait_so_long(THROUGH_A_TILT, "another master", || async {
            let named: Vec<_> = self.sentinels.iter().map(Sentinel::master).collect();
            let agreed = named.iter().all(|port| port.is_some() && *port != Some(than) && *port == named[0]);
            let master = named[0].filter(|_| agreed).map(|port| self.at(port))?;
            self.ask(master, &["ROLE"]).contains("master").then_some(master)
        })
        .await
    }

    /// Waits until the first of the sentinels names another master than the one on this port, and it is one: from then on it can
    /// be known.
    pub async fn until_one_names_another(&self, than: u16) {
        let is_master = |port| self.ask(self.at(port), &["ROLE"]).contains("\nmaster");
        let names = |node: &Sentinel| node.master().is_some_and(|port| port != than && is_master(port));
        wait_so_long(THROUGH_A_TILT, "another master", || async { self.sentinels.iter().any(names).then_some(()) })
            .await;
    }

    fn at(&self, port: u16) -> &RedisServer {
        self.servers.iter().find(|server| server.port() == port).expect("it is one of ours")
    }

    /// Asks a server, with the password.
    fn ask(&self, server: &RedisServer, words: &[&str]) -> String {
        let login = self.password.as_ref().map(|password| format!("AUTH {password}\r\n")).unwrap_or_default();
        ask_after(server.port(), &login, words).unwrap_or_default()
    }
}

impl Sentinel {
    /// One that speaks TLS and nothing else, to the master on this port too, with the lines of its configuration that say how.
    pub fn over_tls(master: u16, tls: &str) -> Self {
        Self::configured(|port| {
            format!(
                "port 0\ntls-port {port}\ntls-replication yes\n{tls}\nsentinel monitor {MASTER} 127.0.0.1 {master} 1\n"
            )
        })
    }

    fn start(master: &str, password: Option<&str>) -> Self {
        let auth = password.map(|password| format!("sentinel auth-pass {MASTER} {password}\n")).unwrap_or_default();
        Self::configured(|port| {
            format!(
                "port {port}\nsentinel monitor {MASTER} 127.0.0.1 {master} 2\n{auth}\
                 sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 5000\n"
            )
        })
    }

    fn configured(lines: impl FnOnce(u16) -> String) -> Self {
        let dir: PathBuf = tempfile::tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!("bind 127.0.0.1\ndir {}\n{}", dir.display(), lines(port));
        let file = dir.join("sentinel.conf");
        std::fs::write(&file, config).unwrap();
        let shell = shell(&dir, &[file.display().to_string(), "--sentinel".to_owned()]);
        Self { port, shell: Some(shell) }
    }

    /// The URL by which workers find the master over TLS.
    pub fn tls_url(&self, query: &str) -> String {
        format!("rediss+sentinel://127.0.0.1:{}/{MASTER}/0{query}", self.port)
    }

    fn knows_all(&self) -> bool {
        let Ok(told) = self.ask::<HashMap<String, String>>("MASTER") else { return false };
        let is = |name: &str, value: &str| told.get(name).is_some_and(|told| told == value);
        is("num-slaves", "2") && is("num-other-sentinels", "2") && is("flags", "master")
    }

    fn master(&self) -> Option<u16> {
        self.ask::<(String, u16)>("GET-MASTER-ADDR-BY-NAME").ok().map(|(_, port)| port)
    }

    /// What it says about the master.
    fn ask<T: redis::FromRedisValue>(&self, what: &str) -> redis::RedisResult<T> {
        let client = redis::Client::open(("127.0.0.1", self.port))?;
        let mut connection = client.get_connection_with_timeout(10 * SECOND)?;
        connection.set_read_timeout(Some(10 * SECOND))?;
        redis::cmd("SENTINEL").arg(what).arg(MASTER).query(&mut connection)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.shell.take().into_iter().for_each(end);
    }
}

fn field(info: &str, name: &str) -> u64 {
    let value = info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}
