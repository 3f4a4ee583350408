//! `queue workers`: who is there, and what they hold.

use queue_core::Timestamp;
use queue_core::store::WorkerInfo;
use serde::Serialize;

use super::status::is_live;
use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::render::json::Instant;
use crate::render::style::Style;
use crate::render::table::{Column, Grid};
use crate::render::time;

/// `workers --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    now: Instant,
    workers: Vec<WorkerDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct WorkerDocument<'a> {
    incarnation: &'a str,
    hostname: &'a str,
    pid: u32,
    live: bool,
    concurrency: usize,
    held: u64,
    queues: Vec<&'a str>,
    started: Instant,
    lease_ends: Instant,
}

/// Shows them.
pub(crate) async fn run(session: &Session) -> Result<Exit, CliError> {
    let mut workers = session.store.workers().await?;
    workers.sort_by(|a, b| (&a.hostname, a.started).cmp(&(&b.hostname, b.started)));
    if session.out.json {
        let workers = workers.iter().map(|worker| document(worker, session.now)).collect();
        session.out.document(&Document { now: Instant(session.now), workers })?;
    } else if workers.is_empty() {
        session.out.note("no worker is signed on");
    } else {
        session.out.data(&table(session, &workers))?;
    }
    Ok(Exit::Ok)
}

fn document(worker: &WorkerInfo, now: Timestamp) -> WorkerDocument<'_> {
    WorkerDocument {
        incarnation: &worker.incarnation,
        hostname: &worker.hostname,
        pid: worker.pid,
        live: is_live(worker, now),
        concurrency: worker.concurrency,
        held: worker.held,
        queues: worker.queues.iter().map(queue_core::QueueName::as_str).collect(),
        started: Instant(worker.started),
        lease_ends: Instant(worker.lease_ends),
    }
}

fn table(session: &Session, workers: &[WorkerInfo]) -> String {
    let mut grid = Grid::new(&[
        Column::Cut("HOSTNAME"),
        Column::Number("PID"),
        Column::Whole("STATE"),
        Column::Number("HELD"),
        Column::Number("CONCURRENCY"),
        Column::Number("STARTED"),
        Column::Cut("QUEUES"),
    ]);
    for worker in workers {
        let queues: Vec<_> = worker.queues.iter().map(queue_core::QueueName::as_str).collect();
        grid.row(vec![
            (worker.hostname.clone(), Style::Plain),
            (worker.pid.to_string(), Style::Plain),
            state(worker, session.now),
            (worker.held.to_string(), Style::Plain),
            (worker.concurrency.to_string(), Style::Plain),
            (format!("{} ago", time::age(Some(worker.started), session.now)), Style::Plain),
            (queues.join(", "), Style::Plain),
        ]);
    }
    grid.render(session.out)
}

/// A silent worker's messages go to others once it has been silent long enough.
fn state(worker: &WorkerInfo, now: Timestamp) -> (String, Style) {
    if is_live(worker, now) {
        ("live".to_owned(), Style::Good)
    } else {
        (format!("silent, lease over {} ago", time::short(worker.lease_ends.until(now))), Style::Bad)
    }
}
