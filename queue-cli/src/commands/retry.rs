//! `queue retry`: puts dead letters back into their queues.

use bytes::Bytes;
use clap::Args;
use queue_core::message::{Changes, Json, rewrite};
use queue_core::store::{JobKey, JobState, StoreError};
use queue_core::task::UNKNOWN_HERE;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::pick::{self, Mend, PickArgs};
use crate::seen::{Seen, word};

/// Which dead letters.
#[derive(Debug, Args)]
#[command(after_help = "\
Each message goes back as it is, but for two things: its count of retries begins at 0 again, and an expiry that has
passed is taken off. One that cannot be read goes back byte for byte.

  queue retry --task 'mail.*' --error timeout --dry-run    what would that be?
  queue retry --task 'mail.*' --error timeout              do it, after asking")]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pick: PickArgs,
}

struct Retry;

/// Puts them back.
pub(crate) async fn run(session: &Session, args: &RetryArgs) -> Result<Exit, CliError> {
    pick::run(session, &args.pick, &Retry).await
}

impl Mend for Retry {
    const VERB: &'static str = "retry";
    const DONE: &'static str = "put back";

    fn states(&self) -> Vec<JobState> {
        vec![JobState::Dead]
    }

    fn check(&self, seen: &Seen) -> Result<(), String> {
        match seen.job.state {
            JobState::Dead => Ok(()),
            alive @ (JobState::Ready | JobState::Scheduled | JobState::Leased) => {
                Err(format!("it is {} in queue `{}`, no dead letter", word(alive), seen.job.queue))
            }
        }
    }

    async fn mend(&self, session: &Session, batch: &[Seen]) -> Result<u64, StoreError> {
        let jobs: Vec<(JobKey, Bytes)> =
            batch.iter().map(|seen| (seen.job.key.clone(), again(session, seen))).collect();
        session.store.retry_dead(&jobs).await
    }
}

/// The bytes to put back: as if it had never been tried.
fn again(session: &Session, seen: &Seen) -> Bytes {
    let Ok(message) = &seen.message else { return seen.job.payload.clone() };
    let expired = message.expires.is_some_and(|at| at <= session.now);
    // A worker that did not know the task counted that; the next may ask around again.
    let headers = vec![(UNKNOWN_HERE.to_owned(), Json::null())];
    let changes = Changes { retries: Some(0), expires: expired.then_some(None), headers, ..Changes::default() };
    // What decodes can be rewritten; if not, the original is the safe choice.
    rewrite(&seen.job.payload, &changes).unwrap_or_else(|_| seen.job.payload.clone())
}
