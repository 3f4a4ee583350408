//! Redis Sentinel: who the master is, is asked of the sentinels each time a connection is made.
//!
//! A URL names them: `redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0?sentinel_password=…` (with
//! `rediss+sentinel` all of it is encrypted), or Celery's `sentinel://host1:26379/0;sentinel://host2:26379/0` with its transport
//! option `master_name` as a parameter. User and password are the master's.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use url::form_urlencoded;

use super::client::Connection;
use super::errors::map_error;
use super::link::Connector;
use super::tls::Tls;
use crate::store::StoreError;

/// How long one sentinel may take before the next is asked.
const PATIENCE: Duration = Duration::from_secs(1);
/// Where sentinels listen, unless the URL says otherwise.
const PORT: u16 = 26379;
/// Stands for the master in the URL that is left without the sentinels.
const NOBODY: &str = "master.invalid";

/// The schemes of such URLs, and what the servers behind them speak.
const SCHEMES: [(&str, &str); 3] = [("redis+sentinel", "redis"), ("rediss+sentinel", "rediss"), ("sentinel", "redis")];

/// See the module.
#[derive(Debug)]
pub(crate) struct Sentinels {
    master: String,
    nodes: Vec<Node>,
    /// Who answered last: asked first.
    first: AtomicUsize,
    /// The master that a sentinel has announced last.
    announced: Mutex<String>,
}

#[derive(Debug)]
struct Node {
    name: String,
    client: redis::Client,
}

/// Takes the sentinels out of `url`: a URL of one server, whose host stands for the master, and who they are. A URL without
/// sentinels stays as it is.
///
/// # Errors
///
/// What is wrong, for people, and without secrets.
pub(crate) fn take_out(url: &str) -> Result<(Cow<'_, str>, Option<Sentinels>), String> {
    let scheme = url.split("://").next().unwrap_or_default();
    let Some((_, speaks)) = SCHEMES.iter().find(|(name, _)| *name == scheme) else {
        return Ok((Cow::Borrowed(url), None));
    };
    let parts = Parts::of(url, scheme)?;
    let (master, database) = parts.master_and_database()?;
    let login = parts.login.map(|login| format!("{login}@")).unwrap_or_default();
    let (mut query, mut auth) = (form_urlencoded::Serializer::new(String::new()), RedisConnectionInfo::default());
    let mut others = 0;
    for (name, value) in &parts.query {
        match &**name {
            "master_name" => {}
            "sentinel_user" => auth = auth.set_username(value),
            "sentinel_password" => auth = auth.set_password(value),
            _ => {
                query.append_pair(name, value);
                others += 1;
            }
        }
    }
    let query = if others == 0 { String::new() } else { format!("?{}", query.finish()) };
    let nodes = parts.nodes.iter().map(|node| Node::new(speaks, node, &auth)).collect::<Result<_, _>>()?;
    let plain = format!("{speaks}://{login}{NOBODY}/{database}{query}");
    Ok((Cow::Owned(plain), Some(Sentinels { master, nodes, first: AtomicUsize::new(0), announced: Mutex::default() })))
}

/// What stands where in the URL.
#[derive(Default)]
struct Parts<'a> {
    login: Option<&'a str>,
    nodes: Vec<&'a str>,
    path: &'a str,
    query: Vec<(String, String)>,
}

impl<'a> Parts<'a> {
    /// One URL with all hosts, or one for each, apart by semicolons.
    fn of(url: &'a str, scheme: &str) -> Result<Self, String> {
        let mut parts = Parts::default();
        for one in url.split(';').map(str::trim).filter(|one| !one.is_empty()) {
            let rest = one.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
            let rest = rest.ok_or_else(|| format!("behind a `;` there is another `{scheme}://`"))?;
            let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
            // The login first: a `/` in it is not the one before the path.
            let (login, place) = match rest.rsplit_once('@') {
                Some((login, place)) => (Some(login), place),
                None => (None, rest),
            };
            let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
            parts.login = parts.login.or(login);
            parts.nodes.extend(hosts.split(',').filter(|host| !host.is_empty()));
            parts.path = if parts.path.is_empty() { path } else { parts.path };
            let pairs = form_urlencoded::parse(query.as_bytes());
            parts.query.extend(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())));
        }
        if parts.nodes.is_empty() {
            return Err("no sentinel is named".to_owned());
        }
        Ok(parts)
    }

    fn master_and_database(&self) -> Result<(String, &'a str), String> {
        let named = self.query.iter().find(|(name, _)| name == "master_name").map(|(_, value)| value.clone());
        let mut path = self.path.split('/').filter(|part| !part.is_empty());
        let first = path.next();
        let (master, database) = match named {
            Some(master) => (master, first),
            None => (first.unwrap_or_default().to_owned(), path.next()),
        };
        let is_name = !master.is_empty() && !master.bytes().all(|byte| byte.is_ascii_digit());
        if !is_name {
            return Err("the name of the master is missing: …://host:26379/NAME/0, or `master_name`".to_owned());
        }
        let database = database.unwrap_or("0");
        if database.parse::<u32>().is_err() || path.next().is_some() {
            return Err(format!(
                "behind the name of the master there is the number of a database, not `{}`",
                self.path
            ));
        }
        Ok((master, database))
    }
}

impl Node {
    fn new(speaks: &str, place: &str, auth: &RedisConnectionInfo) -> Result<Self, String> {
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let name = if has_port { place.to_owned() } else { format!("{place}:{PORT}") };
        let info = format!("{speaks}://{name}").into_connection_info();
        let wrong = |_| format!("`{name}` is not the host and port of a sentinel");
        let info = info.map_err(wrong)?.set_redis_settings(auth.clone());
        let client = redis::Client::open(info).map_err(wrong)?;
        Ok(Self { name, client })
    }
}

impl Sentinels {
    /// The same, spoken to as `tls` says.
    ///
    /// # Errors
    ///
    /// As [`Tls::client`].
    pub(super) fn secured(mut self, tls: &Tls) -> Result<Self, String> {
        for node in &mut self.nodes {
            node.client = tls.client(node.client.get_connection_info().clone())?;
        }
        Ok(self)
    }

    /// Whether these watch the same master.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let names = |of: &Self| {
            let mut names: Vec<_> = of.nodes.iter().map(|node| node.name.clone()).collect();
            names.sort_unstable();
            names
        };
        self.master == other.master && names(self) == names(other)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Host and port of one.
    pub(super) fn name(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    /// Connects to one.
    pub(super) fn client(&self, node: usize) -> &redis::Client {
        &self.nodes[node].client
    }

    /// A sentinel has announced a new master: where it is, when it is ours and that is news. It is asked first from now on:
    /// the others may not know yet.
    pub(super) fn switched(&self, node: usize, announced: &str) -> Option<String> {
        let [master, _, _, host, port] = announced.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let place = format!("{host}:{port}");
        let mut last = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if master != self.master || *last == place {
            return None;
        }
        place.clone_into(&mut last);
        self.first.store(node, Ordering::Relaxed);
        Some(place)
    }

    /// A connection to the master, and what makes more of them.
    pub(super) async fn connect(&self, connector: &Connector) -> Result<(redis::Client, Connection), StoreError> {
        let (first, mut tried, mut why) = (self.first.load(Ordering::Relaxed), Vec::new(), None);
        for turn in 0..self.nodes.len() {
            let at = (first + turn) % self.nodes.len();
            let found = match self.ask(&self.nodes[at], connector).await {
                // In a failover some sentinels know the new master before the others do.
                Ok(place) if tried.contains(&place) => continue,
                Ok(place) => {
                    tried.push(place.clone());
                    open_master(connector, place).await
                }
                Err(error) => Err(error),
            };
            match found {
                Ok(found) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(error) => {
                    tracing::debug!(sentinel = self.nodes[at].name, %error, "no master by this sentinel");
                    why = Some(more_telling(why, error));
                }
            }
        }
        Err(why.unwrap_or_else(|| connector.unreachable(said("there are no sentinels"), false)))
    }

    /// Where one sentinel says the master is.
    async fn ask(&self, node: &Node, connector: &Connector) -> Result<(String, u16), StoreError> {
        let hasty = connector.hasty(PATIENCE);
        let asked = async {
            let mut connection = hasty.connect(&node.client).await?;
            let mut get = redis::cmd("SENTINEL");
            get.arg("get-master-addr-by-name").arg(&self.master);
            let found: Option<(String, u16)> =
                get.query_async(&mut connection).await.map_err(|error| map_error(&connector.url, error, false))?;
            found.ok_or_else(|| {
                connector.unreachable(said(&format!("sentinel {} knows no master `{}`", node.name, self.master)), false)
            })
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(found) => found.map_err(|error| of_sentinel(error, node)),
            Err(elapsed) => Err(connector.unreachable(elapsed, false)),
        }
    }
}

/// A sentinel has a login of its own: what it refuses is not the store's password.
fn of_sentinel(error: StoreError, node: &Node) -> StoreError {
    match error {
        StoreError::Unauthorized { url, source } => {
            StoreError::SentinelLogin { url, sentinel: node.name.clone(), source }
        }
        other => other,
    }
}

/// Connects to `place`, and makes sure that it is a master: a sentinel may be behind. All of it in the time of one connection.
async fn open_master(connector: &Connector, place: (String, u16)) -> Result<(redis::Client, Connection), StoreError> {
    match tokio::time::timeout(connector.connect_timeout, look_for_master(connector, place)).await {
        Ok(opened) => opened,
        Err(_elapsed) => Err(connector.no_connection()),
    }
}

async fn look_for_master(
    connector: &Connector,
    (host, port): (String, u16),
) -> Result<(redis::Client, Connection), StoreError> {
    let failed = |error| map_error(&connector.url, error, false);
    let client = redis::Client::open(at(connector.client.get_connection_info(), &host, port)).map_err(failed)?;
    let mut connection = connector.connect(&client).await?;
    match redis::cmd("ROLE").query_async::<Vec<redis::Value>>(&mut connection).await {
        Ok(role) => match role.into_iter().next().map(redis::from_redis_value::<String>) {
            Some(Ok(role)) if role == "master" => Ok((client, connection)),
            _ => Err(connector.unreachable(said(&format!("{host}:{port} is no master yet, or no longer")), false)),
        },
        // A user who may not ask will be refused the first write, and that breaks the connection.
        Err(error) if error.code() == Some("NOPERM") => Ok((client, connection)),
        Err(error) => Err(failed(error)),
    }
}

/// The same server elsewhere.
fn at(info: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let addr = match info.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    };
    info.clone().set_addr(addr)
}

/// A refusal says more than silence.
fn more_telling(before: Option<StoreError>, now: StoreError) -> StoreError {
    match before {
        Some(before) if !matches!(before, StoreError::Unreachable { .. }) => before,
        _ => now,
    }
}

fn said(text: &str) -> std::io::Error {
    std::io::Error::other(text.to_owned())
}

#[cfg(test)]
#[path = "sentinel_tests.rs"]
mod tests;
