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
            Self::Redis => (crate::redis_url(), None),
        }
    }
}

pub(crate) async fn open(url: &str, options: StoreOptions) -> Result<Arc<dyn Store>, ConnectError> {
    connect_with(url, options).await
}
