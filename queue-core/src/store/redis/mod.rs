//! The Redis driver.
use super::{StoreError, StoreOptions};

/// A store on a Redis server.
#[derive(Debug)]
pub struct RedisStore {}

impl RedisStore {
    /// Connects.
    pub async fn connect(url: &str, _options: StoreOptions) -> Result<Self, StoreError> {
        Err(StoreError::Foreign { url: super::url::mask(url), why: "this build has no Redis driver".into() })
    }
}
