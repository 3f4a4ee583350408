//! What is looked at, and when it is well.

use std::time::{Duration, Instant};

use queue_core::message::{DecodeLimits, Message};
use queue_core::store::{QueueCounts, StoreError, WorkerInfo};
use queue_core::{Clock, QueueName, Timestamp};
use serde::Serialize;

use crate::commands::status::is_live;
use crate::error::CliError;
use crate::open::Session;
use crate::render::style::Style;
use crate::render::{text, time};

/// A store that takes longer to answer is slow.
const SLOW: Duration = Duration::from_millis(50);
/// How often it is asked.
const ASKED: usize = 5;
/// Clocks further apart than this are worth a word.
const APART: Duration = Duration::from_secs(2);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// All is well.
    Ok,
    /// Worth a look.
    Warning,
    /// Something is wrong.
    Problem,
}

impl Level {
    /// The word for it.
    pub(super) fn shown(self) -> (&'static str, Style) {
        match self {
            Self::Ok => ("OK", Style::Good),
            Self::Warning => ("warning", Style::Careful),
            Self::Problem => ("problem", Style::Bad),
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What.
    pub(super) name: &'static str,
    /// How it is.
    pub(super) level: Level,
    /// What was found.
    pub(super) found: String,
    /// What to do about it; empty when nothing is to do.
    pub(super) hint: String,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, level: Level::Ok, found: found.into(), hint: String::new() }
    }

    pub(super) fn bad(name: &'static str, level: Level, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, level, found: found.into(), hint: hint.into() }
    }
}

/// The store itself: how fast it answers, what it keeps, what its clock says.
pub(super) async fn of_store(session: &Session, opened: Duration) -> Result<Vec<Check>, CliError> {
    let mut checks = vec![speed(session, opened).await?];
    let durability = session.store.durability().await?;
    checks.push(Check::ok("version", durability.version));
    checks.push(match durability.warnings.is_empty() {
        true => Check::ok("durability", durability.summary),
        false => Check::bad(
            "durability",
            Level::Problem,
            durability.warnings.join("; "),
            "jobs can be lost when the server stops: docs/guarantees.md, What the store forgets",
        ),
    });
    checks.push(clock(session).await?);
    Ok(checks)
}

async fn speed(session: &Session, opened: Duration) -> Result<Check, CliError> {
    let mut times = Vec::new();
    for _ in 0..ASKED {
        let asked = Instant::now();
        session.store.queues().await?;
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    let median = times[ASKED / 2];
    let found = format!("answers in {}, opened in {}", short(median), short(opened));
    Ok(if median > SLOW {
        Check::bad("store", Level::Warning, found, "every job pays this a few times: is the network or the disk slow?")
    } else {
        Check::ok("store", found)
    })
}

/// A time of less than a second, too.
fn short(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

async fn clock(session: &Session) -> Result<Check, CliError> {
    let clock = Clock::system();
    let before = clock.now();
    let theirs = session.store.now().await?;
    let after = clock.now();
    let ours = i64::midpoint(before.as_millis(), after.as_millis());
    let apart = Duration::from_millis((theirs.as_millis() - ours).unsigned_abs());
    if apart <= APART {
        return Ok(Check::ok("clock", "the store's and this host's agree"));
    }
    let which = if theirs.as_millis() > ours { "ahead of" } else { "behind" };
    let hint = "the store's decides when jobs are due; an `eta` made from this host's is off by as much";
    let found = format!("the store's is {} {which} this host's", time::short(apart));
    Ok(Check::bad("clock", Level::Warning, found, hint))
}

/// What the queues and workers look like.
pub(super) async fn of_queues(session: &Session, max_age: Duration) -> Result<Vec<Check>, CliError> {
    let workers = session.store.workers().await?;
    let (mut rows, mut foreign) = (Vec::new(), Vec::new());
    for queue in session.store.queues().await? {
        match session.store.counts(&queue).await {
            Ok(counts) => rows.push((queue, counts)),
            Err(error @ (StoreError::Foreign { .. } | StoreError::Refused { .. })) => {
                foreign.push(format!("`{queue}`: {}", CliError::from(error)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut checks = vec![
        readable(rows.len(), &foreign),
        consumed(session, &rows, &workers),
        silent(session, &workers),
        oldest(session, &rows, max_age),
    ];
    checks.extend(set_aside(&rows));
    Ok(checks)
}

type Rows = [(QueueName, QueueCounts)];

fn readable(count: usize, foreign: &[String]) -> Check {
    match foreign {
        [] => Check::ok("queues", text::plural(count as u64, "queue", "queues")),
        some => Check::bad(
            "queues",
            Level::Problem,
            some.join("; "),
            "something else has the key of a queue: rename it, or the queue",
        ),
    }
}

fn consumed(session: &Session, rows: &Rows, workers: &[WorkerInfo]) -> Check {
    let live = |queue| workers.iter().any(|worker| is_live(worker, session.now) && worker.queues.contains(queue));
    let left: Vec<_> = rows.iter().filter(|(queue, counts)| counts.ready > 0 && !live(queue)).collect();
    if left.is_empty() {
        let live = workers.iter().filter(|worker| is_live(worker, session.now)).count();
        return Check::ok("workers", format!("{} live; no queue waits for one", live));
    }
    let names: Vec<_> = left.iter().map(|(queue, counts)| format!("{queue} ({} ready)", counts.ready)).collect();
    // A Python worker may be there that we do not see.
    let level = if session.store.has_celery() { Level::Warning } else { Level::Problem };
    let hint = match session.store.has_celery() {
        true => "start a worker with `-Q` and the queue's name, unless a Celery worker consumes it",
        false => "start a worker with `-Q` and the queue's name",
    };
    Check::bad("workers", level, format!("no live worker of ours consumes {}", some_of(&names)), hint)
}

fn silent(session: &Session, workers: &[WorkerInfo]) -> Check {
    let silent: Vec<_> = workers.iter().filter(|worker| !is_live(worker, session.now)).collect();
    if silent.is_empty() {
        return Check::ok("silent workers", "none");
    }
    let held: u64 = silent.iter().map(|worker| worker.held).sum();
    let heirs = |of: &WorkerInfo| {
        let heir = |one: &WorkerInfo| is_live(one, session.now) && of.queues.iter().all(|q| one.queues.contains(q));
        workers.iter().any(heir)
    };
    let stuck = silent.iter().any(|worker| worker.held > 0 && !heirs(worker));
    let names: Vec<_> = silent.iter().map(|worker| worker.hostname.clone()).collect();
    let found = format!("{}; they hold {}", some_of(&names), text::plural(held, "message", "messages"));
    match stuck {
        true => Check::bad(
            "silent workers",
            Level::Problem,
            found,
            "start a worker on their queues: it takes back what they hold",
        ),
        false => Check::bad(
            "silent workers",
            Level::Warning,
            found,
            "others take over what they hold within seconds; who: `queue workers`",
        ),
    }
}

fn oldest(session: &Session, rows: &Rows, max_age: Duration) -> Check {
    let age = |payload: &bytes::Bytes| -> Option<Timestamp> {
        Message::decode(payload, &DecodeLimits::default()).ok()?.ready_since()
    };
    let oldest = rows.iter().filter_map(|(queue, counts)| Some((age(counts.oldest.as_ref()?)?, queue))).min();
    let waits = rows.iter().any(|(_, counts)| counts.ready > 0);
    match oldest {
        Some((sent, queue)) => {
            let age = sent.until(session.now);
            let found = format!("{}, in `{queue}`", time::short(age));
            match age > max_age {
                true => Check::bad("oldest job", Level::Warning, found, "more workers, or more slots, would catch up"),
                false => Check::ok("oldest job", found),
            }
        }
        None if waits => Check::ok("oldest job", "its message does not say when it was sent"),
        None => Check::ok("oldest job", "no job waits"),
    }
}

fn set_aside(rows: &Rows) -> [Check; 2] {
    let (dead, suspects): (u64, u64) =
        rows.iter().fold((0, 0), |sum, (_, counts)| (sum.0 + counts.dead, sum.1 + counts.suspects));
    let dead = match dead {
        0 => Check::ok("dead letters", "none"),
        some => Check::bad(
            "dead letters",
            Level::Warning,
            text::number(some),
            "why: `queue jobs --state dead`, try again: `queue retry --all --dry-run`",
        ),
    };
    let suspects = match suspects {
        0 => Check::ok("suspects", "none"),
        some => Check::bad(
            "suspects",
            Level::Warning,
            text::plural(some, "message was held by a worker that died", "messages were held by workers that died"),
            "they run again one at a time; a worker that is killed for its memory shows here first",
        ),
    };
    [dead, suspects]
}

/// A few names, and how many more.
fn some_of(names: &[String]) -> String {
    match names.len() {
        0..=3 => names.join(", "),
        many => format!("{} and {} more", names[..3].join(", "), many - 3),
    }
}
