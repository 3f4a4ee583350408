//! `queue inspect VERB`: asks running workers, ours and Celery's.

use clap::{Args, Subcommand};
use queue_core::remote::{Answers, Inspect, RemoteError};
use queue_core::{TaskId, Timestamp};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::remote::{Whom, block, replies, text};
use crate::render::facts::Facts;
use crate::render::style::Style;
use crate::render::table::{Column, Grid};
use crate::render::text::one_line;
use crate::render::time;

/// What to ask, and whom.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    whom: Whom,
    /// What to ask.
    #[command(subcommand)]
    verb: Verb,
}

/// Celery's verbs, by their names there.
#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
enum Verb {
    /// Who is there
    Ping,
    /// What they run now
    Active,
    /// What they hold and do not run yet
    Reserved,
    /// What waits for its time
    Scheduled,
    /// Which tasks they shall not start
    Revoked,
    /// Which tasks they know
    Registered {
        /// Attributes to show: rate_limit, max_retries, time_limit, …
        attributes: Vec<String>,
    },
    /// Which queues they consume
    #[command(alias = "active-queues")]
    ActiveQueues,
    /// Where these tasks are
    #[command(alias = "query-task")]
    QueryTask {
        /// The tasks' ids
        #[arg(value_name = "ID", required = true, value_parser = |id: &str| TaskId::new(id))]
        ids: Vec<TaskId>,
    },
    /// Their counts, slots and store
    Stats,
    /// How they are configured
    Conf {
        /// Also what cannot be changed, or was not
        #[arg(long)]
        with_defaults: bool,
    },
    /// What they are, as text
    Report,
    /// Their logical clocks
    Clock,
    /// How much memory they use
    Memsample,
}

/// Asks, and shows the answers.
pub(crate) async fn run(session: &Session, args: &InspectArgs) -> Result<Exit, CliError> {
    let answers = ask(&args.whom.inspect(session), &args.verb).await?;
    args.whom.show(session, &answers, |answers| shown(session, &args.verb, answers))
}

async fn ask(inspect: &Inspect, verb: &Verb) -> Result<Answers, RemoteError> {
    match verb {
        Verb::Ping => inspect.ping().await,
        Verb::Active => inspect.active().await,
        Verb::Reserved => inspect.reserved().await,
        Verb::Scheduled => inspect.scheduled().await,
        Verb::Revoked => inspect.revoked().await,
        Verb::Registered { attributes } => {
            inspect.registered(&attributes.iter().map(String::as_str).collect::<Vec<_>>()).await
        }
        Verb::ActiveQueues => inspect.active_queues().await,
        Verb::QueryTask { ids } => inspect.query_task(ids).await,
        Verb::Stats => inspect.stats().await,
        Verb::Conf { with_defaults } => inspect.conf(*with_defaults).await,
        Verb::Report => inspect.report().await,
        Verb::Clock => inspect.clock().await,
        Verb::Memsample => inspect.request("memsample", json!({})).await,
    }
}

fn shown(session: &Session, verb: &Verb, answers: &[(&str, &Value)]) -> String {
    let blocks = |of: &dyn Fn(&str, &Value) -> String| {
        answers.iter().map(|(worker, answer)| of(worker, answer)).collect::<Vec<_>>().join("\n")
    };
    match verb {
        Verb::Ping | Verb::Memsample => replies(session, answers, "-"),
        Verb::Clock => list(session, answers, "CLOCK", |answer| vec![text(&answer["clock"])]),
        Verb::Revoked => list(session, answers, "REVOKED", texts),
        Verb::Registered { .. } => list(session, answers, "TASK", texts),
        Verb::ActiveQueues => list(session, answers, "QUEUE", |answer| {
            answer.as_array().into_iter().flatten().map(|queue| text(&queue["name"])).collect()
        }),
        Verb::Active | Verb::Reserved => jobs(session, answers),
        Verb::Scheduled => scheduled(session, answers),
        Verb::QueryTask { .. } => found(session, answers),
        Verb::Stats => blocks(&|worker, answer| stats(session, worker, answer)),
        Verb::Conf { .. } => blocks(&|worker, answer| block(session, worker, answer)),
        Verb::Report => blocks(&|worker, answer| block(session, worker, &answer["ok"])),
    }
}

fn texts(answer: &Value) -> Vec<String> {
    answer.as_array().into_iter().flatten().map(text).collect()
}

/// A worker, and a line for each thing of one kind; a worker without any has a dash.
fn list(
    session: &Session,
    answers: &[(&str, &Value)],
    what: &'static str,
    of: impl Fn(&Value) -> Vec<String>,
) -> String {
    let columns: &'static [Column] = match what {
        "CLOCK" => &[Column::Whole("WORKER"), Column::Whole("CLOCK")],
        "REVOKED" => &[Column::Whole("WORKER"), Column::Whole("REVOKED")],
        "QUEUE" => &[Column::Whole("WORKER"), Column::Whole("QUEUE")],
        _ => &[Column::Whole("WORKER"), Column::Cut("TASK")],
    };
    let mut grid = Grid::new(columns);
    for (worker, answer) in answers {
        let mut things = of(answer);
        if things.is_empty() {
            things.push("-".to_owned());
        }
        for thing in things {
            grid.row(vec![((*worker).to_owned(), Style::Plain), (thing, Style::Plain)]);
        }
    }
    grid.render(session.out)
}

fn jobs(session: &Session, answers: &[(&str, &Value)]) -> String {
    let mut grid = Grid::new(&[
        Column::Whole("WORKER"),
        Column::Whole("ID"),
        Column::Cut("TASK"),
        Column::Number("RUNS FOR"),
        Column::Cut("ARGS"),
        Column::Cut("KWARGS"),
    ]);
    for (worker, answer) in answers {
        for job in answer.as_array().into_iter().flatten() {
            let since = job["time_start"].as_f64().map(unix);
            let mut cells = vec![(*worker).to_owned(), text(&job["id"]), text(&job["name"])];
            cells.extend([time::age(since, session.now), text(&job["args"]), text(&job["kwargs"])]);
            grid.row(plain(cells));
        }
    }
    or_nothing(grid.render(session.out), answers)
}

fn scheduled(session: &Session, answers: &[(&str, &Value)]) -> String {
    let mut grid = Grid::new(&[
        Column::Whole("WORKER"),
        Column::Whole("ID"),
        Column::Cut("TASK"),
        Column::Whole("ETA"),
        Column::Cut("ARGS"),
        Column::Cut("KWARGS"),
    ]);
    for (worker, answer) in answers {
        for entry in answer.as_array().into_iter().flatten() {
            let job = &entry["request"];
            let mut cells = vec![(*worker).to_owned(), text(&job["id"]), text(&job["name"])];
            cells.extend([text(&entry["eta"]), text(&job["args"]), text(&job["kwargs"])]);
            grid.row(plain(cells));
        }
    }
    or_nothing(grid.render(session.out), answers)
}

fn found(session: &Session, answers: &[(&str, &Value)]) -> String {
    let mut grid = Grid::new(&[
        Column::Whole("WORKER"),
        Column::Whole("ID"),
        Column::Whole("STATE"),
        Column::Cut("TASK"),
        Column::Cut("ARGS"),
    ]);
    for (worker, answer) in answers {
        for (id, place) in answer.as_object().into_iter().flatten() {
            let (state, job) = (&place[0], &place[1]);
            let cells = vec![(*worker).to_owned(), id.clone(), text(state), text(&job["name"]), text(&job["args"])];
            grid.row(plain(cells));
        }
    }
    grid.render(session.out)
}

fn plain(cells: Vec<String>) -> Vec<(String, Style)> {
    cells.into_iter().map(|cell| (cell, Style::Plain)).collect()
}

/// A table without rows says less than a sentence.
fn or_nothing(table: String, answers: &[(&str, &Value)]) -> String {
    if answers.iter().any(|(_, answer)| answer.as_array().is_some_and(|jobs| !jobs.is_empty())) {
        return table;
    }
    let workers: Vec<String> = answers.iter().map(|(worker, _)| one_line(worker)).collect();
    format!("nothing at {}", workers.join(", "))
}

#[expect(clippy::cast_possible_truncation, reason = "a time in ms fits an i64")]
fn unix(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0) as i64)
}

fn stats(session: &Session, worker: &str, answer: &Value) -> String {
    let mut facts = Facts::new(worker);
    let (pool, broker) = (&answer["pool"], &answer["broker"]);
    facts.add("pid", text(&answer["pid"]));
    facts.add_some("up for", answer["uptime"].as_u64().map(|s| time::short(std::time::Duration::from_secs(s))));
    facts.add("at once", text(&pool["max-concurrency"]));
    facts.add("prefetch", text(&answer["prefetch_count"]));
    if let Some(scaler) = answer.get("autoscaler") {
        facts.add("autoscale", format!("{} to {}", text(&scaler["min"]), text(&scaler["max"])));
    }
    let place = ["transport", "hostname", "port", "virtual_host"].map(|name| text(&broker[name]));
    facts.add(
        "store",
        match broker["port"].is_null() {
            true => place[1].clone(),
            false => format!("{}://{}:{}/{}", place[0], place[1], place[2], place[3]),
        },
    );
    facts.add_some("memory", answer["rusage"]["maxrss"].as_u64().map(|kib| format!("{} MiB at most", kib / 1024)));
    let total = answer["total"].as_object().into_iter().flatten();
    let total: Vec<String> = total.map(|(task, n)| format!("{task}: {n}")).collect();
    facts.add("started", if total.is_empty() { "nothing yet".to_owned() } else { total.join("\n") });
    facts.render(session.out)
}
