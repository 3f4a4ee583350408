//! Chooses the driver by URL: `sqlite:jobs.db`, `sqlite::memory:`, `redis://…`, `rediss://…`, `redis+sentinel://…`.

use std::path::PathBuf;
use std::sync::Arc;

use super::{
    Store, StoreError, StoreOptions,
    redis::{RedisOptions, RedisStore, sentinel},
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

/// A store's URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
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
                let (plain, _) = sentinel::take_out(text).map_err(malformed)?;
                url::Url::parse(&plain).map_err(|why| malformed(why.to_string()))?;
                RedisOptions::default().with_url(&plain).map_err(malformed)?;
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

/// `text` with whatever may be a password replaced: everything between `://` and the last `@` but the
/// user's name, and every query value.
pub(crate) fn mask(text: &str) -> String {
    let (head, query) = match text.split_once('?') {
        Some((head, _)) => (head, "?***"),
        None => (text, ""),
    };
    let Some((scheme, rest)) = head.split_once("://") else { return format!("{head}{query}") };
    match rest.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}{query}")
        }
        None => format!("{scheme}://{rest}{query}"),
    }
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
