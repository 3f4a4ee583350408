//! `queue job ID`: everything known of one job.

use clap::Args;
use queue_core::TaskId;
use queue_core::message::Message;
use queue_core::store::{JobState, WorkerInfo};
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::outcome::{Outcome, OutcomeDocument};
use crate::render::facts::Facts;
use crate::render::json::{Embedded, pretty};
use crate::render::style::Style;
use crate::render::{text, time};
use crate::seen::{JobDocument, Seen, holder, reason, word};

/// Which job, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The task's id
    #[arg(value_parser = |id: &str| TaskId::new(id))]
    id: TaskId,
    /// Do not cut long arguments, results and tracebacks
    #[arg(long)]
    full: bool,
    /// Show the message as it is in the store, too
    #[arg(long)]
    raw: bool,
}

/// `job --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    id: &'a str,
    jobs: Vec<FullJob<'a>>,
    result: Option<OutcomeDocument>,
}

#[derive(Debug, Serialize)]
struct FullJob<'a> {
    #[serde(flatten)]
    job: JobDocument<'a>,
    headers: Option<Embedded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

/// Shows it.
pub(crate) async fn run(session: &Session, args: &JobArgs) -> Result<Exit, CliError> {
    let jobs: Vec<Seen> = session.find(&args.id).await?;
    let outcome = Outcome::of(session, &args.id).await?;
    if jobs.is_empty() && outcome.is_none() {
        return Err(CliError::not_found(
            format!("there is no job `{}`, and no result of it", text::one_line(args.id.as_str())),
            "it may be done, its result expired or never stored; `queue jobs` lists what waits",
        ));
    }
    if session.out.json {
        session.out.document(&document(session, args, &jobs, outcome.as_ref()))?;
        return Ok(Exit::Ok);
    }
    let workers = session.store.workers().await?;
    let mut blocks: Vec<String> = jobs.iter().map(|seen| block(session, args, seen, &workers)).collect();
    blocks.extend(outcome.map(|outcome| outcome.render(session, args.full)));
    session.out.data(&blocks.join("\n\n"))?;
    Ok(Exit::Ok)
}

fn document<'a>(session: &Session, args: &'a JobArgs, jobs: &'a [Seen], outcome: Option<&Outcome>) -> Document<'a> {
    let job = |seen: &'a Seen| FullJob {
        job: seen.document(session.now),
        headers: seen.message.as_ref().ok().map(|message| Embedded::from(&message.headers)),
        raw: args.raw.then(|| text::lossless(&seen.job.payload)),
    };
    let result = outcome.map(Outcome::document);
    Document { id: args.id.as_str(), jobs: jobs.iter().map(job).collect(), result }
}

fn block(session: &Session, args: &JobArgs, seen: &Seen, workers: &[WorkerInfo]) -> String {
    let mut facts = Facts::new(format!("job {}", seen.id().unwrap_or(args.id.as_str())));
    facts.add("task", seen.task().unwrap_or("? (the message cannot be read)"));
    place(&mut facts, session, seen, workers);
    match &seen.message {
        Ok(message) => told(&mut facts, session, message, args.full),
        Err(unreadable) => facts.styled("unreadable", unreadable.to_string(), Style::Bad),
    }
    facts.add("size", text::bytes(seen.job.payload.len()));
    if args.raw {
        facts.add("raw", format!("{}\n", text::lossless(&seen.job.payload)));
    }
    facts.render(session.out)
}

/// Where it is, and why.
fn place(facts: &mut Facts, session: &Session, seen: &Seen, workers: &[WorkerInfo]) {
    let job = &seen.job;
    let style = if job.state == JobState::Dead { Style::Bad } else { Style::Plain };
    facts.styled("state", word(job.state), style);
    facts.add("queue", job.queue.as_str());
    facts.add_some("due", job.due.map(|due| time::instant(due, session.now)));
    if let Some(incarnation) = &job.worker {
        let known = holder(job, workers);
        facts.add("held by", known.map_or_else(|| incarnation.clone(), |w| format!("{} (pid {})", w.hostname, w.pid)));
    }
    if job.suspect {
        facts.styled("suspect", "its worker died; it runs again, with no other suspect beside it", Style::Careful);
    }
    if let Some((at, letter)) = &job.dead {
        facts.add("died", time::instant(*at, session.now));
        facts.add("reason", reason(letter));
        facts.styled("error", &letter.error, Style::Bad);
        facts.add("set aside by", &letter.worker);
    }
}

/// What its message says.
fn told(facts: &mut Facts, session: &Session, message: &Message, full: bool) {
    let instant = |at| time::instant(at, session.now);
    facts.long("args", &pretty(message.args.as_str()), full);
    facts.long("kwargs", &pretty(message.kwargs.as_str()), full);
    facts.add("priority", message.priority.get().to_string());
    facts.add("retries", message.retries.to_string());
    facts.add_some("sent", message.sent_at.map(instant));
    facts.add_some("sent by", message.origin.as_ref());
    facts.add_some("eta", message.eta.map(instant));
    facts.add_some("expires", message.expires.map(instant));
    facts.add_some("time limit", message.time_limit.map(time::short));
    facts.add_some("soft limit", message.soft_time_limit.map(time::short));
    facts.add_some("shown as", message.shadow.as_ref());
    facts.add_some("root", message.root_id.as_ref().filter(|root| *root != message.id.as_str()));
    facts.add_some("parent", message.parent_id.as_ref());
    facts.add_some("group", message.group.as_ref());
}
