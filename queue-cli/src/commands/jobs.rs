//! `queue jobs`: lists jobs, page by page.

use std::num::NonZeroUsize;

use clap::Args;
use queue_core::store::{JobState, WorkerInfo};
use queue_core::{QueueName, Timestamp};
use serde::Serialize;

use crate::cli::StateChoice;
use crate::cursor::Position;
use crate::error::CliError;
use crate::exit::Exit;
use crate::filter::Filter;
use crate::open::Session;
use crate::progress;
use crate::render::style::Style;
use crate::render::table::{Column, Grid};
use crate::render::{text, time};
use crate::seen::{JobDocument, Seen, holder, reason, word};
use crate::walk::Walk;

/// Which jobs.
#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    /// Only this queue; may be given several times
    #[arg(long, value_name = "QUEUE")]
    queue: Vec<QueueName>,
    /// Only jobs in this state
    #[arg(long, value_enum, default_value_t = StateChoice::All)]
    state: StateChoice,
    #[command(flatten)]
    filter: Filter,
    /// How many to show
    #[arg(long, value_name = "N", default_value = "20")]
    limit: NonZeroUsize,
    /// Go on where the page before ended; give the same filters
    #[arg(long, value_name = "TEXT")]
    cursor: Option<String>,
    /// How many jobs to look at before giving up the search for more that match
    #[arg(long, value_name = "N", default_value = "100000")]
    scan: NonZeroUsize,
}

/// A page.
struct Listing {
    jobs: Vec<Seen>,
    looked_at: usize,
    next: Option<Position>,
}

/// `jobs --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct ListingDocument<'a> {
    jobs: Vec<JobDocument<'a>>,
    looked_at: usize,
    next: Option<String>,
}

/// Shows one page.
pub(crate) async fn run(session: &Session, args: &JobsArgs) -> Result<Exit, CliError> {
    let listing = list(session, args).await?;
    if session.out.json {
        session.out.document(&ListingDocument {
            jobs: listing.jobs.iter().map(|seen| seen.document(session.now)).collect(),
            looked_at: listing.looked_at,
            next: listing.next.as_ref().map(Position::encode),
        })?;
    } else if !listing.jobs.is_empty() {
        let leased = listing.jobs.iter().any(|seen| seen.job.state == JobState::Leased);
        let workers = if leased { session.store.workers().await? } else { Vec::new() };
        session.out.data(&table(session, &listing.jobs, &workers))?;
    }
    epilogue(session, args, &listing);
    Ok(if listing.jobs.is_empty() { Exit::NotFound } else { Exit::Ok })
}

async fn list(session: &Session, args: &JobsArgs) -> Result<Listing, CliError> {
    let queues = session.queues(&args.queue).await?;
    let mut walk = Walk::new(&*session.store, &queues, args.state.states());
    if let Some(cursor) = &args.cursor {
        walk = walk.resume(Position::decode(cursor)?);
    }
    let sign = progress::searching();
    let listing = look(session, args, &mut walk).await?;
    drop(sign);
    walk.passed_over(session.out, !listing.jobs.is_empty() || listing.next.is_some())?;
    Ok(listing)
}

async fn look(session: &Session, args: &JobsArgs, walk: &mut Walk<'_>) -> Result<Listing, CliError> {
    let mut listing = Listing { jobs: Vec::new(), looked_at: 0, next: None };
    while listing.jobs.len() < args.limit.get() && listing.looked_at < args.scan.get() {
        let Some(step) = walk.next().await? else { return Ok(listing) };
        let on_page = step.jobs.len();
        for (place, job) in step.jobs.into_iter().enumerate() {
            listing.looked_at += 1;
            let seen = Seen::from(job);
            if !args.filter.accepts(&seen, session.now) {
                continue;
            }
            listing.jobs.push(seen);
            if listing.jobs.len() == args.limit.get() && place + 1 < on_page {
                let skip = step.begin.skip + place + 1;
                listing.next = Some(Position { skip, ..step.begin });
                return Ok(listing);
            }
        }
    }
    listing.next = if walk.is_over() { None } else { walk.position() };
    Ok(listing)
}

fn epilogue(session: &Session, args: &JobsArgs, listing: &Listing) {
    if session.out.json {
        return;
    }
    match (&listing.next, listing.jobs.len()) {
        (None, 0) => session.out.note("no jobs match"),
        (None, _) => {}
        (Some(next), shown) => {
            if shown < args.limit.get() && !args.filter.is_empty() {
                let seen = text::plural(listing.looked_at as u64, "job", "jobs");
                session.out.note(&format!("looked at {seen}; there are more"));
            }
            session.out.note(&format!("next page: --cursor {}", next.encode()));
        }
    }
}

fn table(session: &Session, jobs: &[Seen], workers: &[WorkerInfo]) -> String {
    let mut grid = Grid::new(&[
        Column::Whole("ID"),
        Column::Cut("TASK"),
        Column::Cut("QUEUE"),
        Column::Whole("STATE"),
        Column::Number("AGE"),
        Column::Spare("RETRIES"),
        Column::Cut("ABOUT"),
    ]);
    for seen in jobs {
        let suspect = if seen.job.suspect { " (suspect)" } else { "" };
        grid.row(vec![
            (seen.id().unwrap_or("?").to_owned(), Style::Plain),
            (seen.task().unwrap_or("?").to_owned(), Style::Plain),
            (seen.job.queue.to_string(), Style::Plain),
            (format!("{}{suspect}", word(seen.job.state)), color(seen)),
            (time::age(seen.since(), session.now), Style::Plain),
            (seen.retries().map_or_else(|| "-".to_owned(), |retries| retries.to_string()), Style::Plain),
            (about(seen, workers, session.now), Style::Plain),
        ]);
    }
    grid.render(session.out)
}

fn color(seen: &Seen) -> Style {
    match seen.job.state {
        JobState::Dead => Style::Bad,
        _ if seen.job.suspect => Style::Careful,
        JobState::Leased => Style::Good,
        JobState::Ready | JobState::Scheduled => Style::Plain,
    }
}

/// What one wants to know first: why it is dead, when it is due, who runs it, and then its arguments.
fn about(seen: &Seen, workers: &[WorkerInfo], now: Timestamp) -> String {
    let call = match (&seen.message, seen.call()) {
        (Err(unreadable), _) => format!("unreadable: {unreadable}"),
        (Ok(_), call) => format!("({})", text::cut(&call.unwrap_or_default(), 200)),
    };
    let first = match (seen.job.state, &seen.job) {
        (JobState::Dead, _) => {
            return seen.letter().map_or(call, |letter| format!("{}: {}", reason(letter), letter.error));
        }
        (JobState::Scheduled, job) => job.due.map(|due| time::wait(due, now)),
        (JobState::Leased, job) => {
            let known = holder(job, workers).map(|worker| worker.hostname.as_str());
            known.or(job.worker.as_deref()).map(|worker| format!("by {worker}"))
        }
        (JobState::Ready, _) => None,
    };
    first.map_or(call.clone(), |first| format!("{first} {call}"))
}
