//! The drivers under test, and how a fresh store of each is opened.

use std::sync::Arc;

use queue_core::store::{ConnectError, Store, StoreOptions, connect_with};
use tempfile::TempDir;

/// A driver under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// `sqlite::memory:`: lives and dies with one process.
    SqliteMemory,
    /// An SQLite file in a temporary directory.
    SqliteFile,
    /// A Redis server on the loopback interface.
    Redis,
    /// The same, with other names (prefixes, another separator, a step for every priority) and in RESP3, which the client
    /// crate's connections speak instead of ours.
    RedisNamed,
    /// The same, with results in database 1.
    RedisDatabase,
    /// The same, with results on another server.
    RedisTwo,
}

impl Driver {
    /// Whether several stores can be opened on the same data.
    pub fn is_shared(self) -> bool {
        self != Self::SqliteMemory
    }

    /// Where a fresh store lives; the directory goes when dropped.
    pub(crate) fn place(self) -> (String, Option<TempDir>) {
        match self {
            Self::SqliteMemory => ("sqlite::memory:".to_owned(), None),
            Self::SqliteFile => {
                let dir = tempfile::tempdir().unwrap();
                (format!("sqlite:{}", dir.path().join("queue.db").display()), Some(dir))
            }
            Self::RedisNamed => {
                let named = "prefix=shop%3A&steps=0,1,2,3,4,5,6,7,8,9&sep=%3A&result_prefix=res&protocol=resp3";
                (format!("{}?{named}", crate::redis_url()), None)
            }
            Self::Redis | Self::RedisDatabase | Self::RedisTwo => (crate::redis_url(), None),
        }
    }

    /// Where its results are, if not with the messages.
    pub(crate) fn results(self) -> Option<String> {
        match self {
            Self::SqliteMemory | Self::SqliteFile | Self::Redis | Self::RedisNamed => None,
            Self::RedisDatabase => Some(format!("{}/1?prefix=res", crate::redis_url().trim_end_matches("/0"))),
            Self::RedisTwo => Some(crate::redis::other_redis().url()),
        }
    }
}

pub(crate) async fn open(url: &str, options: StoreOptions) -> Result<Arc<dyn Store>, ConnectError> {
    connect_with(url, options).await
}
