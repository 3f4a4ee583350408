//! `queue result ID`: shows a job's result, or waits for it.

use std::time::Duration;

use clap::Args;
use queue_core::TaskId;
use queue_core::result::is_ready_meta;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::outcome::Outcome;
use crate::render::{text, time};
use crate::seen::word;

/// Whose result, and how long to wait for it.
#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// The task's id
    #[arg(value_parser = |id: &str| TaskId::new(id))]
    id: TaskId,
    /// Wait until it is final, 30 seconds or as given
    #[arg(long, value_name = "30s", num_args = 0..=1, default_missing_value = "30s", value_parser = time::parse)]
    wait: Option<Duration>,
    /// Do not cut long values and tracebacks
    #[arg(long)]
    full: bool,
}

/// Shows it.
pub(crate) async fn run(session: &Session, args: &ResultArgs) -> Result<Exit, CliError> {
    if let Some(timeout) = args.wait {
        return wait(session, &args.id, timeout, args.full).await;
    }
    match Outcome::of(session, &args.id).await? {
        Some(outcome) => show(session, &outcome, args.full),
        None => Err(none(session, &args.id).await),
    }
}

/// Waits until the result of `id` is final, and shows it.
pub(crate) async fn wait(session: &Session, id: &TaskId, timeout: Duration, full: bool) -> Result<Exit, CliError> {
    match session.store.wait_result(id, is_ready_meta, timeout).await? {
        Some(bytes) => show(session, &Outcome::read(id, bytes), full),
        None => Err(CliError::Said {
            exit: Exit::TimedOut,
            text: format!("job `{}` has no final result after {}", text::one_line(id.as_str()), time::short(timeout)),
            hint: whereabouts(session, id).await.unwrap_or_else(|| "no queue has it either".to_owned()),
        }),
    }
}

fn show(session: &Session, outcome: &Outcome, full: bool) -> Result<Exit, CliError> {
    if session.out.json {
        session.out.document(&outcome.document())?;
    } else {
        session.out.data(&outcome.render(session, full))?;
    }
    Ok(outcome.exit())
}

async fn none(session: &Session, id: &TaskId) -> CliError {
    let hint = whereabouts(session, id).await;
    let hint =
        hint.unwrap_or_else(|| "it may have expired, or the task stores none; no queue has the job either".into());
    CliError::not_found(format!("no result is stored for job `{}`", text::one_line(id.as_str())), hint)
}

/// How long a hint may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the job is instead, unless the queues are too long to find that out in passing. That it cannot be found out changes nothing
/// of what is known of the result.
async fn whereabouts(session: &Session, id: &TaskId) -> Option<String> {
    let id_shown = text::one_line(id.as_str());
    let jobs = match tokio::time::timeout(PATIENCE, session.find(id)).await {
        Ok(Ok(jobs)) => jobs,
        Ok(Err(error)) => return Some(format!("where the job is could not be looked up: {}", CliError::from(error))),
        Err(_elapsed) => return Some(format!("`queue job {id_shown}` searches the queues for it")),
    };
    let places: Vec<_> =
        jobs.iter().map(|seen| format!("{} in queue `{}`", word(seen.job.state), seen.job.queue)).collect();
    (!places.is_empty()).then(|| format!("the job is {}; more: `queue job {id_shown}`", places.join(" and ")))
}
