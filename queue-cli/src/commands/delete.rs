//! `queue delete`: deletes jobs, by id or by what they are like.

use clap::Args;
use queue_core::store::{JobKey, JobState, StoreError};

use crate::cli::MendState;
use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::pick::{self, Mend, PickArgs};
use crate::seen::Seen;

/// Which jobs.
#[derive(Debug, Args)]
#[command(after_help = "\
By id it deletes the job wherever it is, unless a worker holds it: revoke that one instead.
By filter it deletes dead letters, or what --state says.")]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pick: PickArgs,
    /// Only jobs in this state; by filter the default is dead
    #[arg(long, value_enum)]
    state: Option<MendState>,
}

struct Delete {
    state: Option<JobState>,
}

/// Deletes them.
pub(crate) async fn run(session: &Session, args: &DeleteArgs) -> Result<Exit, CliError> {
    pick::run(session, &args.pick, &Delete { state: args.state.map(JobState::from) }).await
}

impl Mend for Delete {
    const VERB: &'static str = "delete";
    const DONE: &'static str = "deleted";

    fn states(&self) -> Vec<JobState> {
        vec![self.state.unwrap_or(JobState::Dead)]
    }

    fn check(&self, seen: &Seen) -> Result<(), String> {
        match (seen.job.state, self.state) {
            (JobState::Leased, _) => Err("a worker holds it; `queue revoke` keeps it from running again".to_owned()),
            (is, Some(wanted)) if is != wanted => Err("it is not in that state".to_owned()),
            (JobState::Ready | JobState::Scheduled | JobState::Dead, _) => Ok(()),
        }
    }

    async fn mend(&self, session: &Session, batch: &[Seen]) -> Result<u64, StoreError> {
        let keys: Vec<JobKey> = batch.iter().map(|seen| seen.job.key.clone()).collect();
        session.store.delete(&keys).await
    }
}
