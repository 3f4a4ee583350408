//! `queue purge`: deletes all jobs of a queue in one state.

use clap::Args;
use queue_core::QueueName;
use queue_core::store::{JobState, StoreError};
use serde::Serialize;

use crate::cli::MendState;
use crate::confirm::confirm;
use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::render::text;
use crate::seen::word;

/// What to empty.
#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// The queue
    #[arg(long, value_name = "QUEUE")]
    queue: QueueName,
    /// Which of its jobs
    #[arg(long, value_enum)]
    state: MendState,
    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
}

/// `purge --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Purged<'a> {
    queue: &'a str,
    state: JobState,
    matched: u64,
    done: u64,
}

/// Empties it.
pub(crate) async fn run(session: &Session, args: &PurgeArgs) -> Result<Exit, CliError> {
    session.queues(std::slice::from_ref(&args.queue)).await?;
    let state = JobState::from(args.state);
    let matched = super::status::count(&session.store.counts(&args.queue).await?, state);
    let what = format!("{} from queue `{}`", jobs(matched, state), args.queue);
    let mut purged = Purged { queue: args.queue.as_str(), state, matched, done: 0 };
    if matched == 0 {
        let none = format!("queue `{}` has no {}", args.queue, jobs(2, state).trim_start_matches("2 "));
        return Err(CliError::not_found(none, ""));
    }
    if args.dry_run {
        return finish(session, &purged, &format!("would delete {what}"));
    }
    session.out.note(&format!("about to delete {what}, for good"));
    confirm(&format!("Delete {}?", jobs(matched, state)), args.yes)?;
    purged.done = session.store.purge(&args.queue, state).await.map_err(midway)?;
    finish(session, &purged, &format!("{} deleted from queue `{}`", jobs(purged.done, state), args.queue))
}

/// It goes list by list, or slice by slice: how far it got is not told.
fn midway(source: StoreError) -> CliError {
    match source.outcome_unknown() {
        true => CliError::Midway { done: "some or all may have been deleted".to_owned(), source },
        false => source.into(),
    }
}

fn finish(session: &Session, purged: &Purged<'_>, line: &str) -> Result<Exit, CliError> {
    if session.out.json {
        session.out.document(purged)?
    } else {
        session.out.data(line)?
    }
    Ok(Exit::Ok)
}

fn jobs(count: u64, state: JobState) -> String {
    match state {
        JobState::Dead => text::plural(count, "dead letter", "dead letters"),
        other => text::plural(count, &format!("{} job", word(other)), &format!("{} jobs", word(other))),
    }
}
