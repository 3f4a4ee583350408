//! Chooses the driver by URL: `sqlite:jobs.db`, `sqlite::memory:`, `redis://…`, `rediss://…`, `redis+sentinel://…`.

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;

use super::{
    Store, StoreError, StoreOptions,
    redis::{RedisStore, place},
    sqlite::SqliteStore,
};

/// Why a text is not a store's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// No such driver.
    #[error("`{0}` is not a store this program knows")]
    Scheme(String),
    /// A SQLite URL without a file name.
    #[error("`sqlite:` needs a file name or `:memory:`")]
    NoFile,
    /// The rest does not parse.
    #[error("`{url}` is not a URL: {why}")]
    Malformed {
        /// The text, secrets masked.
        url: String,
        /// What is wrong.
        why: String,
    },
}

impl UrlError {
    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        "stores are `sqlite:queue.db`, `sqlite::memory:`, `redis://localhost:6379/0`, `rediss://…` and \
         `redis+sentinel://host1:26379,host2:26379/mymaster/0`"
    }
}

/// A store's URL, taken apart. Its `Debug` is [`masked`](Self::masked).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// An SQLite file; `None` is `:memory:`.
    Sqlite(Option<PathBuf>),
    /// A Redis server, or the sentinels that know it; the URL as it came.
    Redis(String),
}

impl StoreUrl {
    /// Takes `text` apart.
    ///
    /// # Errors
    ///
    /// [`UrlError`], with secrets masked.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if let Some(file) = text.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            return match file {
                "" => Err(UrlError::NoFile),
                ":memory:" => Ok(Self::Sqlite(None)),
                path => Ok(Self::Sqlite(Some(PathBuf::from(path)))),
            };
        }
        let scheme = text.split(':').next().unwrap_or_default();
        match scheme {
            "redis" | "rediss" | "unix" | "redis+unix" | "redis+sentinel" | "rediss+sentinel" | "sentinel" => {
                let malformed = |why: String| UrlError::Malformed { url: mask(text), why };
                place::check(text).map_err(malformed)?;
                Ok(Self::Redis(text.to_owned()))
            }
            _ => Err(UrlError::Scheme(mask(text))),
        }
    }

    /// The URL with its password as `***`.
    pub fn masked(&self) -> String {
        match self {
            Self::Sqlite(None) => "sqlite::memory:".to_owned(),
            Self::Sqlite(Some(path)) => format!("sqlite:{}", path.display()),
            Self::Redis(text) => mask(text),
        }
    }
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoreUrl({:?})", self.masked())
    }
}

/// `text` with whatever may be a password replaced: everything up to the last `@` but the scheme and the user's name, what stands
/// where a port belongs and is none, and every query value. A `?`, a missing host, `//` or scheme that makes it no URL does not
/// bring a password to light.
pub(crate) fn mask(text: &str) -> String {
    let (head, query) = match text.split_once('?') {
        Some((head, _)) => (head, "?***"),
        None => (text, ""),
    };
    match head.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => format!("{scheme}://{}{query}", mask_login(text, scheme, rest)),
        _ if !text.contains('@') => format!("{}{query}", mask_slashless(head)),
        // What stands before the first `:` is a scheme or a name, what follows may be anything.
        _ => {
            let first = head.split_once(':').map(|(first, _)| format!("{first}:")).unwrap_or_default();
            let host = head.rsplit_once('@').filter(|_| !is_cut(text)).map(|(_, host)| format!("@{host}"));
            format!("{first}***{}{query}", host.unwrap_or_default())
        }
    }
}

/// What follows the scheme of `text`, up to the `?`.
fn mask_login(text: &str, scheme: &str, rest: &str) -> String {
    match rest.rsplit_once('@') {
        _ if is_cut(text) && rest.contains(':') => format!("{}:***", before_colon(rest)),
        Some((login, hosts)) if !is_cut(text) => {
            format!("{}:***@{}", before_colon(login), mask_hosts(scheme, hosts))
        }
        _ => mask_hosts(scheme, rest),
    }
}

/// A text with no `@` in it, and no `//` behind its scheme.
fn mask_slashless(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once(':') else { return text.to_owned() };
    let hosts = rest.trim_start_matches('/');
    let slashes = &rest[..rest.len() - hosts.len()];
    format!("{scheme}:{slashes}{}", mask_hosts(scheme, hosts))
}

/// Where no port follows a `:`, it may be a password whose host was forgotten: nothing is shown of what follows the first one.
fn mask_hosts(scheme: &str, hosts: &str) -> String {
    if are_hosts(scheme, hosts) { hosts.to_owned() } else { format!("{}:***", before_colon(hosts)) }
}

fn before_colon(text: &str) -> &str {
    text.split(':').next().unwrap_or_default()
}

/// Whether what stands before the path is a host, or those of sentinels, each with a port or without. The path of an SQLite file
/// may have any name.
fn are_hosts(scheme: &str, hosts: &str) -> bool {
    let many = scheme.ends_with("sentinel");
    let of_one = |url: &str| {
        let other = url.trim().strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
        let hosts = other.filter(|_| many).unwrap_or(url).split('/').next().unwrap_or_default();
        hosts.split(|c: char| many && c == ',').all(is_host)
    };
    scheme == "sqlite" || hosts.split(|c: char| many && c == ';').all(of_one)
}

fn is_host(text: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    let bracketed = text.strip_prefix('[').and_then(|text| text.split_once(']'));
    match bracketed.filter(|(address, _)| address.parse::<Ipv6Addr>().is_ok()) {
        // It has colons of its own.
        Some((_, after)) => after.is_empty() || after.strip_prefix(':').is_some_and(is_port),
        None => text.split_once(':').is_none_or(|(name, port)| !name.is_empty() && is_port(port)),
    }
}

/// Whether something that is no port follows a `:` among the hosts of `text`: what is wrong with it may quote a password.
pub(crate) fn lacks_host(text: &str) -> bool {
    let head = text.split('?').next().unwrap_or_default();
    head.split_once("://")
        .is_some_and(|(scheme, rest)| !are_hosts(scheme, rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts)))
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Whether a `?` may be one of a password: an `@` comes after it.
pub(crate) fn is_cut(text: &str) -> bool {
    text.split_once('?').is_some_and(|(_, query)| query.contains('@'))
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is wrong.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The store is not usable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens the store at `url` with the default options.
///
/// # Errors
///
/// [`ConnectError`] when the URL is wrong or the store cannot be used.
pub async fn connect(url: &str) -> Result<Arc<dyn Store>, ConnectError> {
    connect_with(url, StoreOptions::default()).await
}

/// Opens the store at `url`.
///
/// # Errors
///
/// As [`connect`].
pub async fn connect_with(url: &str, options: StoreOptions) -> Result<Arc<dyn Store>, ConnectError> {
    match StoreUrl::parse(url)? {
        StoreUrl::Sqlite(_) if options.results.is_some() => Err(ConnectError::Store(StoreError::Foreign {
            url: mask(url),
            why: "an SQLite store keeps its results itself; results elsewhere are for Redis".to_owned(),
        })),
        StoreUrl::Sqlite(path) => Ok(Arc::new(SqliteStore::open(path, options).await?)),
        StoreUrl::Redis(text) => Ok(Arc::new(RedisStore::connect(&text, options).await?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_url_has_no_password_in_it() {
        for (url, shown) in [
            ("redis://host:6379/0", "redis://host:6379/0"),
            ("redis://me:s3cret@host/0?pass=s3cret", "redis://me:***@host/0?***"),
            ("rediss://:s3c@ret@host", "rediss://:***@host"),
            ("redis://me:s3cret?x@host/0", "redis://me:***?***"),
            ("redis://me:12?s3cret=1@host/0", "redis://me:***?***"),
            ("redis://m@e:s3cret?x@host/0", "redis://m@e:***?***"),
            ("redis://me:1@2?s3cret@host/0", "redis://me:***?***"),
            ("redis://host/0?prefix=a@b", "redis://host/0?***"),
            ("redis:me:s3cret@host", "redis:***@host"),
            ("redis:/me:s3cret@host", "redis:***@host"),
            ("redis:me:s3c://ret@host", "redis:***@host"),
            ("red:/me:s3cret@host:1x:///0", "red:***@host:1x:///0"),
            ("amqp:me:s3cret?@host", "amqp:***?***"),
            ("me:s3cret@host:6379/0", "me:***@host:6379/0"),
            (":s3cret@host", ":***@host"),
            ("s3cret@host", "***@host"),
            ("s3cret?@host", "***?***"),
            ("me:s3c://ret@host", "me:***@host"),
            ("redis//:s3cret@host", "redis//:***@host"),
            ("amqp:x", "amqp:x"),
            // The host was forgotten.
            ("redis://:s3cret/0", "redis://:***"),
            ("redis://me:s3cret", "redis://me:***"),
            ("redis://me:s3c/ret/0?db=1", "redis://me:***?***"),
            ("redis://me:65536/0", "redis://me:***"),
            ("redis://:6379/0", "redis://:***"),
            ("redis://m@e:s3cret", "redis://m:***@e:***"),
            ("redis://[::1]:s3cret", "redis://[:***"),
            ("redis://[::1]s3c:ret", "redis://[:***"),
            ("redis://[me:s3cret]", "redis://[me:***"),
            ("redis://redis://:s3cret/0", "redis://redis:***"),
            ("redis:me:s3cret", "redis:me:***"),
            ("redis::s3cret/0", "redis::***"),
            ("redis:/me:s3cret", "redis:/me:***"),
            ("amqp://me:s3cret", "amqp://me:***"),
            ("redis+sentinel://me:s3cret/mymaster/0", "redis+sentinel://me:***"),
            ("redis+sentinel://:s3c/s3c/s3cret", "redis+sentinel://:***"),
            ("redis+sentinel://h1:26379,me:s3cret/m", "redis+sentinel://h1:***"),
            ("sentinel://h1:26379/0;sentinel://me:s3cret/0", "sentinel://h1:***"),
            // It was not.
            ("redis://host:65535/0", "redis://host:65535/0"),
            ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
            ("redis://[::1]/0", "redis://[::1]/0"),
            ("redis:host:6379/0", "redis:host:6379/0"),
            ("redis+sentinel://h1:1,[::1]:2,h3/m/0", "redis+sentinel://h1:1,[::1]:2,h3/m/0"),
            ("sentinel://:pw@h1:1/0;sentinel://h2:2/0", "sentinel://:***@h1:1/0;sentinel://h2:2/0"),
            ("unix:///tmp/a:b.sock", "unix:///tmp/a:b.sock"),
            ("unix:/tmp/a:b.sock", "unix:/tmp/a:b.sock"),
            ("sqlite:a:b.db", "sqlite:a:b.db"),
            (r"sqlite:C:\jobs.db", r"sqlite:C:\jobs.db"),
            (r"C:\jobs.db", r"C:\jobs.db"),
        ] {
            assert_eq!(mask(url), shown, "{url}");
            let said = match StoreUrl::parse(url) {
                Ok(url) => format!("{} {url:?}", url.masked()),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(said.contains(shown) && !said.contains("s3c"), "{url}: {said}");
        }
    }
}
