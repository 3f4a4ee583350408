//! `queue status`: how much waits where, and what needs attention.

use std::time::Duration;

use clap::Args;
use queue_core::message::{DecodeLimits, Message};
use queue_core::store::{JobState, QueueCounts, StoreError, WorkerInfo};
use queue_core::{QueueName, Timestamp};
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::render::json::Instant;
use crate::render::style::Style;
use crate::render::table::{Column, Grid};
use crate::render::{text, time};

/// What to show, and how often.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only this queue; may be given several times
    #[arg(long, value_name = "QUEUE")]
    queue: Vec<QueueName>,
    /// Show it again and again, every 2 seconds or as given
    #[arg(long, value_name = "2s", num_args = 0..=1, default_missing_value = "2s", value_parser = time::parse)]
    watch: Option<Duration>,
}

/// One queue.
struct Row {
    queue: QueueName,
    counts: QueueCounts,
    /// Why it could not be looked into: something else has its name, say.
    error: Option<String>,
    oldest_sent: Option<Timestamp>,
    /// Since when the oldest could be started.
    oldest: Option<Timestamp>,
    workers: u64,
}

/// `status --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct StatusDocument<'a> {
    url: &'a str,
    now: Instant,
    queues: Vec<QueueDocument<'a>>,
    totals: Totals,
}

#[derive(Debug, Serialize)]
struct QueueDocument<'a> {
    queue: &'a str,
    #[serde(flatten)]
    totals: Totals,
    oldest_sent_at: Option<Instant>,
    oldest_age_ms: Option<u128>,
    next_due: Option<Instant>,
    workers: u64,
    error: Option<&'a str>,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Totals {
    ready: u64,
    scheduled: u64,
    leased: u64,
    dead: u64,
    suspects: u64,
}

/// Shows it, once or for ever.
pub(crate) async fn run(session: &mut Session, args: &StatusArgs) -> Result<Exit, CliError> {
    let Some(every) = args.watch else {
        show(session, args, "").await?;
        return Ok(Exit::Ok);
    };
    // Home and clear below: unlike clearing first, this does not flicker.
    let clear = if session.out.width.is_some() { "\u{1b}[H\u{1b}[J" } else { "" };
    loop {
        session.now = session.store.now().await?;
        show(session, args, clear).await?;
        tokio::time::sleep(every.max(Duration::from_millis(100))).await;
    }
}

async fn show(session: &Session, args: &StatusArgs, clear: &str) -> Result<(), CliError> {
    let workers = session.store.workers().await?;
    let mut rows = Vec::new();
    for queue in session.queues(&args.queue).await? {
        rows.push(row(session, queue, &workers).await?);
    }
    if session.out.json {
        return session.out.document(&document(session, &rows));
    }
    if rows.is_empty() {
        session.out.data(&format!("{clear}no queues yet in {}", session.store.display_url()))?;
        return Ok(());
    }
    session.out.data(&format!("{clear}{}", table(session, &rows)))?;
    for (row, error) in rows.iter().filter_map(|row| Some((row, row.error.as_ref()?))) {
        session.out.of_queue(&row.queue, error);
    }
    for hint in hints(&rows, &workers, session.now) {
        session.out.hint(&hint);
    }
    Ok(())
}

async fn row(session: &Session, queue: QueueName, workers: &[WorkerInfo]) -> Result<Row, CliError> {
    let (counts, error) = match session.store.counts(&queue).await {
        Ok(counts) => (counts, None),
        // One queue that is none must not hide the others.
        Err(error @ (StoreError::Foreign { .. } | StoreError::Refused { .. })) => {
            (QueueCounts::default(), Some(CliError::from(error).to_string()))
        }
        Err(error) => return Err(error.into()),
    };
    let message = counts.oldest.as_ref().and_then(|payload| Message::decode(payload, &DecodeLimits::default()).ok());
    let oldest_sent = message.as_ref().and_then(|message| message.sent_at);
    let oldest = message.and_then(|message| message.ready_since());
    let live = workers.iter().filter(|worker| is_live(worker, session.now) && worker.queues.contains(&queue));
    let workers = live.count() as u64;
    Ok(Row { queue, counts, error, oldest_sent, oldest, workers })
}

/// Whether its lease stands.
pub(crate) fn is_live(worker: &WorkerInfo, now: Timestamp) -> bool {
    worker.lease_ends > now
}

/// How many there are in `state`.
pub(crate) fn count(counts: &QueueCounts, state: JobState) -> u64 {
    match state {
        JobState::Ready => counts.ready,
        JobState::Scheduled => counts.scheduled,
        JobState::Leased => counts.leased,
        JobState::Dead => counts.dead,
    }
}

fn totals(counts: &QueueCounts) -> Totals {
    let QueueCounts { ready, scheduled, leased, dead, suspects, .. } = *counts;
    Totals { ready, scheduled, leased, dead, suspects }
}

fn sum(rows: &[Row]) -> Totals {
    rows.iter().map(|row| totals(&row.counts)).fold(Totals::default(), |a, b| Totals {
        ready: a.ready + b.ready,
        scheduled: a.scheduled + b.scheduled,
        leased: a.leased + b.leased,
        dead: a.dead + b.dead,
        suspects: a.suspects + b.suspects,
    })
}

fn document<'a>(session: &'a Session, rows: &'a [Row]) -> StatusDocument<'a> {
    let queue = |row: &'a Row| QueueDocument {
        queue: row.queue.as_str(),
        totals: totals(&row.counts),
        oldest_sent_at: row.oldest_sent.map(Instant),
        oldest_age_ms: row.oldest.map(|at| at.until(session.now).as_millis()),
        next_due: row.counts.next_due.map(Instant),
        workers: row.workers,
        error: row.error.as_deref(),
    };
    StatusDocument {
        url: session.store.display_url(),
        now: Instant(session.now),
        queues: rows.iter().map(queue).collect(),
        totals: sum(rows),
    }
}

fn table(session: &Session, rows: &[Row]) -> String {
    let mut grid = Grid::new(&[
        Column::Cut("QUEUE"),
        Column::Number("READY"),
        Column::Number("SCHEDULED"),
        Column::Number("LEASED"),
        Column::Number("DEAD"),
        Column::Number("SUSPECTS"),
        Column::Number("OLDEST"),
        Column::Number("NEXT DUE"),
        Column::Number("WORKERS"),
    ]);
    for row in rows {
        let due = row.counts.next_due.map_or_else(|| "-".to_owned(), |at| time::wait(at, session.now));
        let idle = row.workers == 0 && row.counts.ready > 0;
        let mut cells = vec![(row.queue.to_string(), Style::Plain)];
        match row.error {
            None => cells.extend(numbers(totals(&row.counts))),
            Some(_) => cells.extend(std::iter::repeat_n(("?".to_owned(), Style::Bad), 5)),
        }
        cells.push((time::age(row.oldest, session.now), Style::Plain));
        cells.push((due, Style::Plain));
        cells.push((row.workers.to_string(), if idle { Style::Careful } else { Style::Plain }));
        grid.row(cells);
    }
    if rows.len() > 1 {
        let mut cells = vec![("total".to_owned(), Style::Strong)];
        cells.extend(numbers(sum(rows)));
        cells.extend(std::iter::repeat_n((String::new(), Style::Plain), 3));
        grid.row(cells);
    }
    grid.render(session.out)
}

fn numbers(totals: Totals) -> [(String, Style); 5] {
    let alarm = |count: u64, style: Style| (text::number(count), if count > 0 { style } else { Style::Plain });
    [
        alarm(totals.ready, Style::Plain),
        alarm(totals.scheduled, Style::Plain),
        alarm(totals.leased, Style::Plain),
        alarm(totals.dead, Style::Bad),
        alarm(totals.suspects, Style::Careful),
    ]
}

/// What needs attention, at most four lines.
fn hints(rows: &[Row], workers: &[WorkerInfo], now: Timestamp) -> Vec<String> {
    let mut hints = Vec::new();
    let dead: Vec<_> = rows.iter().filter(|row| row.counts.dead > 0).collect();
    let letters = text::plural(sum(rows).dead, "dead letter", "dead letters");
    match dead.as_slice() {
        [] => {}
        [Row { queue, .. }] => {
            let (look, again) =
                (format!("jobs --state dead --queue {queue}"), format!("retry --queue {queue} --dry-run"));
            hints.push(format!("{letters}; why: `queue {look}`, try again: `queue {again}`"));
        }
        _ => hints.push(format!("{letters}; why: `queue jobs --state dead`, try again: `queue retry --all --dry-run`")),
    }
    let idle: Vec<_> = rows.iter().filter(|row| row.workers == 0 && row.counts.ready > 0).collect();
    match idle.as_slice() {
        [] => {}
        [row] => hints.push(format!("no live worker consumes `{}`", row.queue)),
        [row, rest @ ..] => hints.push(format!("no live worker consumes `{}` and {} more", row.queue, rest.len())),
    }
    let silent = workers.iter().filter(|worker| !is_live(worker, now)).count();
    if silent > 0 {
        let them = text::plural(silent as u64, "worker is", "workers are");
        hints.push(format!("{them} silent; who: `queue workers`"));
    }
    let suspects = sum(rows).suspects;
    if suspects > 0 {
        let them = text::plural(suspects, "message was", "messages were");
        hints.push(format!("{them} held by a worker that died; they run again one at a time"));
    }
    hints
}
