//! The SQLite driver.
use std::path::PathBuf;

use super::{StoreError, StoreOptions};

/// A store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {}

impl SqliteStore {
    /// Opens the file, made if missing; `None` is a database in memory.
    pub async fn open(_path: Option<PathBuf>, _options: StoreOptions) -> Result<Self, StoreError> {
        Err(StoreError::Foreign { url: "sqlite".into(), why: "this build has no SQLite driver".into() })
    }
}
