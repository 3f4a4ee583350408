//! What is in a store already would count as the soak's.

use queue_core::Client;
use queue_core::store::{ConnectError, StoreError};

/// Why a store is none for a soak.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It cannot be opened.
    #[error("the store cannot be opened: {0}")]
    Closed(#[from] ConnectError),
    /// It does not say what is in it.
    #[error("the store does not answer: {0}")]
    Silent(#[from] StoreError),
    /// There are jobs in it.
    #[error("the store is not empty: queue {queue}, jobs that wait, run or were set aside: {jobs}")]
    Jobs {
        /// Where.
        queue: String,
        /// How many.
        jobs: u64,
    },
    /// Somebody works there.
    #[error("the store is in use: workers that are signed on: {0}")]
    Workers(usize),
}

/// Whether nothing is in it: no job, none that was set aside, and no worker.
///
/// # Errors
///
/// [`Unfit`] says what is.
pub async fn must_be_empty(url: &str) -> Result<(), Unfit> {
    let client = Client::connect(url).await?;
    let workers = client.store().workers().await?.len();
    if workers > 0 {
        return Err(Unfit::Workers(workers));
    }
    for queue in client.store().queues().await? {
        let counts = client.store().counts(&queue).await?;
        let jobs = counts.ready + counts.scheduled + counts.leased + counts.dead;
        if jobs > 0 {
            return Err(Unfit::Jobs { queue: queue.to_string(), jobs });
        }
    }
    Ok(())
}
