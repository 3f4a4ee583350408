//! Picks jobs by id, filter or all, shows what that is, asks, and then goes through them in small batches.
//!
//! A selection by filter is read twice: once to count, once to act. Memory stays that of one page, however many match.
//! The second reading takes no more than the first one counted, and no dead letter that came after it.

use std::collections::HashSet;

use clap::Args;
use indicatif::ProgressBar;
use queue_core::store::{JobState, StoreError};
use queue_core::{QueueName, TaskId};

use crate::confirm::confirm;
use crate::error::CliError;
use crate::exit::Exit;
use crate::filter::Filter;
use crate::open::Session;
use crate::progress::bar;
use crate::seen::Seen;
use crate::summary::{Summary, what};
use crate::walk::Walk;

/// Which jobs, and how carefully.
#[derive(Debug, Clone, Args)]
pub(crate) struct PickArgs {
    /// The jobs with these task ids
    #[arg(value_name = "ID", value_parser = |id: &str| TaskId::new(id))]
    ids: Vec<TaskId>,
    /// Only in this queue; may be given several times
    #[arg(long, value_name = "QUEUE")]
    queue: Vec<QueueName>,
    #[command(flatten)]
    filter: Filter,
    /// Everything there is
    #[arg(long, conflicts_with_all = ["ids", "task", "error", "older_than", "newer_than"])]
    all: bool,
    /// No more than this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only show what it would do
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
}

/// What is done with the picked jobs.
pub(crate) trait Mend {
    /// The verb, as in `would retry`.
    const VERB: &'static str;
    /// What has been done, as in `3 retried`.
    const DONE: &'static str;
    /// The states whose jobs may be picked by filter.
    fn states(&self) -> Vec<JobState>;
    /// Whether a job picked by id can be touched; otherwise why not.
    fn check(&self, seen: &Seen) -> Result<(), String>;
    /// Does it, for at most a page of jobs. Says how many were still there.
    async fn mend(&self, session: &Session, batch: &[Seen]) -> Result<u64, StoreError>;
}

/// What came of it, in `--json`. Documented in `docs/cli.md`.
#[derive(Debug, serde::Serialize)]
struct Outcome {
    matched: u64,
    done: u64,
    missing: Vec<String>,
}

/// Runs the whole of it.
pub(crate) async fn run<M: Mend>(session: &Session, args: &PickArgs, mend: &M) -> Result<Exit, CliError> {
    if args.ids.is_empty() && args.queue.is_empty() && args.filter.is_empty() && !args.all {
        return Err(CliError::usage(
            format!("nothing says which jobs to {}", M::VERB),
            "give ids, --queue, --task, --error, --older-than, or --all; --dry-run shows what that would be",
        ));
    }
    let (picked, missing) = pick(session, args, mend).await?;
    if args.dry_run {
        return dry_run::<M>(session, picked.summary(), &missing);
    }
    if picked.summary().count == 0 {
        return Err(nothing::<M>(&missing));
    }
    say::<M>(session, picked.summary(), &missing);
    confirm(&format!("{} {}?", capital(M::VERB), picked.summary().what()), args.yes)?;
    let done = act(session, args, mend, &picked).await?;
    report::<M>(session, &picked, done, missing)
}

/// What was picked.
enum Picked {
    /// By id: here they are.
    Found(Vec<Seen>, Summary),
    /// By filter: how many, and in which queues.
    Counted(Vec<QueueName>, Summary),
}

impl Picked {
    fn summary(&self) -> &Summary {
        match self {
            Self::Found(_, summary) | Self::Counted(_, summary) => summary,
        }
    }
}

async fn pick<M: Mend>(session: &Session, args: &PickArgs, mend: &M) -> Result<(Picked, Vec<String>), CliError> {
    if !args.ids.is_empty() {
        return find(session, args, mend).await;
    }
    let queues = session.queues(&args.queue).await?;
    let bar = bar(total(session, &queues, &mend.states()).await?, "looking");
    let mut summary = Summary::default();
    let mut walk = Walk::new(&*session.store, &queues, &mend.states());
    while !full(args, summary.count)
        && let Some(step) = walk.next().await?
    {
        bar.inc(step.jobs.len() as u64);
        for seen in step.jobs.into_iter().map(Seen::from).filter(|seen| accepts(session, args, seen)) {
            if !full(args, summary.count) {
                summary.add(&seen);
            }
        }
    }
    bar.finish_and_clear();
    walk.passed_over(session.out, summary.count > 0)?;
    Ok((Picked::Counted(queues, summary), Vec::new()))
}

async fn find<M: Mend>(session: &Session, args: &PickArgs, mend: &M) -> Result<(Picked, Vec<String>), CliError> {
    let (mut found, mut summary, mut missing) = (Vec::new(), Summary::default(), Vec::new());
    for id in once(&args.ids) {
        let jobs: Vec<Seen> = session.find(id).await?;
        let mut why = format!("{id}: there is no such job");
        let before = found.len();
        for seen in jobs {
            let meant = args.queue.is_empty() || args.queue.contains(&seen.job.queue);
            match mend.check(&seen) {
                Ok(()) if meant && args.filter.accepts(&seen, session.now) && !full(args, summary.count) => {
                    summary.add(&seen);
                    found.push(seen);
                }
                Ok(()) => why = format!("{id}: left out by the other options"),
                Err(reason) => why = format!("{id}: {reason}"),
            }
        }
        if found.len() == before {
            missing.push(why);
        }
    }
    Ok((Picked::Found(found, summary), missing))
}

/// Each of `ids` once: one that is named twice is one job all the same.
pub(crate) fn once(ids: &[TaskId]) -> impl Iterator<Item = &TaskId> {
    let mut named = HashSet::new();
    ids.iter().filter(move |id| named.insert(*id))
}

async fn act<M: Mend>(session: &Session, args: &PickArgs, mend: &M, picked: &Picked) -> Result<u64, CliError> {
    let count = picked.summary().count;
    let mut progress = Progress { done: 0, bar: bar(count, M::VERB) };
    match picked {
        Picked::Found(found, _) => {
            for batch in found.chunks(crate::walk::PAGE) {
                progress.batch(session, mend, batch).await?;
            }
        }
        Picked::Counted(queues, _) => {
            // Whoever else takes jobs away meanwhile may move what a cursor counts by, so that one walk can miss some.
            loop {
                let before = progress.done;
                sweep(session, args, mend, queues, count, &mut progress).await?;
                if progress.done >= count || progress.done == before {
                    break;
                }
            }
        }
    }
    progress.bar.finish_and_clear();
    Ok(progress.done)
}

async fn sweep<M: Mend>(
    session: &Session,
    args: &PickArgs,
    mend: &M,
    queues: &[QueueName],
    count: u64,
    progress: &mut Progress,
) -> Result<(), CliError> {
    let mut walk = Walk::new(&*session.store, queues, &mend.states());
    while progress.done < count {
        let step = walk.next().await.map_err(|source| progress.midway::<M>(source))?;
        let Some(step) = step else { break };
        let room = usize::try_from(count - progress.done).unwrap_or(usize::MAX);
        let seen = step.jobs.into_iter().map(Seen::from).filter(|seen| accepts(session, args, seen));
        let batch: Vec<Seen> = seen.take(room).collect();
        let before = progress.done;
        if !batch.is_empty() {
            progress.batch(session, mend, &batch).await?;
        }
        if progress.done > before {
            walk.back(step.begin);
        }
    }
    Ok(())
}

/// How far it got.
struct Progress {
    done: u64,
    bar: ProgressBar,
}

impl Progress {
    async fn batch<M: Mend>(&mut self, session: &Session, mend: &M, batch: &[Seen]) -> Result<(), CliError> {
        let done = mend.mend(session, batch).await.map_err(|source| self.midway::<M>(source))?;
        self.done += done;
        self.bar.inc(done);
        Ok(())
    }

    fn midway<M: Mend>(&self, source: StoreError) -> CliError {
        let unsure = if source.outcome_unknown() { ", and perhaps one batch more" } else { "" };
        CliError::Midway { done: format!("{} {} before that{unsure}", self.done, M::DONE), source }
    }
}

fn accepts(session: &Session, args: &PickArgs, seen: &Seen) -> bool {
    // What died after we counted was not shown, so it is not touched: a retried job that fails again at once, say.
    let shown = seen.job.dead.as_ref().is_none_or(|(at, _)| *at <= session.now);
    shown && args.filter.accepts(seen, session.now)
}

fn full(args: &PickArgs, count: u64) -> bool {
    args.limit.is_some_and(|limit| count >= limit)
}

async fn total(session: &Session, queues: &[QueueName], states: &[JobState]) -> Result<u64, StoreError> {
    let mut total = 0;
    for queue in queues {
        let counts = match session.store.counts(queue).await {
            // One queue that is none must not hide the others: what is looked at then says so where it matters.
            Err(StoreError::Foreign { .. }) => continue,
            counts => counts?,
        };
        total += states.iter().map(|state| crate::commands::status::count(&counts, *state)).sum::<u64>();
    }
    Ok(total)
}

fn dry_run<M: Mend>(session: &Session, summary: &Summary, missing: &[String]) -> Result<Exit, CliError> {
    for line in missing {
        session.out.note(&format!("note: {line}"));
    }
    if session.out.json {
        session.out.document(&summary.document())?;
    } else if summary.count == 0 {
        return Err(nothing::<M>(&[]));
    } else {
        session.out.data(&format!("would {} {}:\n{}", M::VERB, summary.what(), summary.render(session.out)))?;
    }
    Ok(if summary.count == 0 || !missing.is_empty() { Exit::NotFound } else { Exit::Ok })
}

fn say<M: Mend>(session: &Session, summary: &Summary, missing: &[String]) {
    for line in missing {
        session.out.note(&format!("note: {line}"));
    }
    session.out.note(&format!("about to {} {}:\n{}", M::VERB, summary.what(), summary.render(session.out)));
}

fn report<M: Mend>(session: &Session, picked: &Picked, done: u64, missing: Vec<String>) -> Result<Exit, CliError> {
    let summary = picked.summary();
    let all_there = missing.is_empty() && done > 0;
    if session.out.json {
        session.out.document(&Outcome { matched: summary.count, done, missing })?;
    } else {
        let gone = summary.count.saturating_sub(done);
        let rest = if gone > 0 { format!(", {gone} were gone by then") } else { String::new() };
        let dead = summary.what().contains("dead");
        session.out.data(&format!("{} {}{rest}", what(done, dead), M::DONE))?;
    }
    Ok(if all_there { Exit::Ok } else { Exit::NotFound })
}

fn nothing<M: Mend>(missing: &[String]) -> CliError {
    let text = match missing {
        [] => format!("nothing to {}: no job matches", M::VERB),
        some => format!("nothing to {}: {}", M::VERB, some.join("; ")),
    };
    CliError::not_found(text, "`queue status` says what there is, `queue jobs` shows it")
}

fn capital(verb: &str) -> String {
    let mut chars = verb.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
