//! Chooses the driver by URL: `sqlite:jobs.db`, `sqlite::memory:`, `redis://…`, `rediss://…`, `redis+sentinel://…`.

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

/// `text` with whatever may be a password replaced: everything up to the last `@` but the scheme and the user's name, and
/// every query value. A `?`, a missing `//` or a missing scheme that makes it no URL does not bring a password to light.
pub(crate) fn mask(text: &str) -> String {
    let (head, query) = match text.split_once('?') {
        Some((head, _)) => (head, "?***"),
        None => (text, ""),
    };
    match head.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => format!("{scheme}://{}{query}", mask_login(text, rest)),
        _ if !text.contains('@') => format!("{head}{query}"),
        // What stands before the first `:` is a scheme or a name, what follows may be anything.
        _ => {
            let first = head.split_once(':').map(|(first, _)| format!("{first}:")).unwrap_or_default();
            let host = head.rsplit_once('@').filter(|_| !is_cut(text)).map(|(_, host)| format!("@{host}"));
            format!("{first}***{}{query}", host.unwrap_or_default())
        }
    }
}

/// What follows the scheme of `text`, up to the `?`.
fn mask_login(text: &str, rest: &str) -> String {
    let user = |login: &str| login.split(':').next().unwrap_or_default().to_owned();
    match rest.rsplit_once('@') {
        _ if is_cut(text) && rest.contains(':') => format!("{}:***", user(rest)),
        Some((login, host)) if !is_cut(text) => format!("{}:***@{host}", user(login)),
        _ => rest.to_owned(),
    }
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
