//! `queue control VERB`: tells running workers, ours and Celery's.

use clap::{Args, Subcommand};
use queue_core::remote::{Answers, Control, RemoteError};
use queue_core::{QueueName, TaskId};
use serde_json::{Map, Value, json};

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::remote::{Whom, replies};

/// What to tell, and whom.
#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    #[command(flatten)]
    whom: Whom,
    /// What to tell.
    #[command(subcommand)]
    verb: Verb,
}

/// Celery's verbs, by their names there.
#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
enum Verb {
    /// Not to start these tasks
    Revoke {
        /// The tasks' ids
        #[arg(value_name = "ID", required = true, value_parser = |id: &str| TaskId::new(id))]
        ids: Vec<TaskId>,
    },
    /// Not to start these tasks, and to end them where they run
    Terminate {
        /// SIGTERM, SIGKILL, …
        signal: String,
        /// The tasks' ids
        #[arg(value_name = "ID", required = true, value_parser = |id: &str| TaskId::new(id))]
        ids: Vec<TaskId>,
    },
    /// Not to start tasks with one of these stamps
    #[command(alias = "revoke-by-stamped-headers")]
    RevokeByStampedHeaders {
        /// Stamps, e.g. `tenant=acme`
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = stamp)]
        stamps: Vec<(String, String)>,
        /// Also to end those that run
        #[arg(long)]
        terminate: bool,
    },
    /// To start a task so often at most
    #[command(alias = "rate-limit")]
    RateLimit {
        /// The task's name
        task: String,
        /// 10/m, 2/s, 100/h; 0 is no limit
        rate: String,
    },
    /// How long runs of a task may take
    #[command(alias = "time-limit")]
    TimeLimit {
        /// The task's name
        task: String,
        /// Seconds after which it is asked to end
        soft: f64,
        /// Seconds after which it is ended
        hard: Option<f64>,
    },
    /// To consume a queue as well
    #[command(alias = "add-consumer")]
    AddConsumer {
        /// The queue
        queue: QueueName,
    },
    /// Not to consume a queue any more
    #[command(alias = "cancel-consumer")]
    CancelConsumer {
        /// The queue
        queue: QueueName,
    },
    /// To run more tasks at once
    #[command(alias = "pool-grow")]
    PoolGrow {
        /// How many more
        #[arg(default_value_t = 1)]
        n: usize,
    },
    /// To run fewer tasks at once
    #[command(alias = "pool-shrink")]
    PoolShrink {
        /// How many fewer
        #[arg(default_value_t = 1)]
        n: usize,
    },
    /// Between how many tasks at once to grow and shrink
    Autoscale {
        /// At most
        max: usize,
        /// At least
        min: usize,
    },
    /// To send events about tasks
    #[command(alias = "enable-events")]
    EnableEvents,
    /// To send no more events about tasks
    #[command(alias = "disable-events")]
    DisableEvents,
    /// To send a heartbeat event now
    Heartbeat,
    /// To start their pools anew (workers of Celery's only)
    #[command(alias = "pool-restart")]
    PoolRestart,
    /// To stop, once what runs has finished
    Shutdown,
}

/// Tells, and shows what was answered.
pub(crate) async fn run(session: &Session, args: &ControlArgs) -> Result<Exit, CliError> {
    let control = args.whom.control(session);
    if matches!(args.verb, Verb::Shutdown) {
        return shutdown(session, &args.whom, &control).await;
    }
    let answers = tell(&control, &args.verb).await?;
    args.whom.show(session, &answers, |answers| replies(session, answers, "done"))
}

async fn tell(control: &Control, verb: &Verb) -> Result<Answers, RemoteError> {
    match verb {
        Verb::Revoke { ids } => control.revoke(ids).await,
        Verb::Terminate { signal, ids } => control.terminate(ids, signal).await,
        Verb::RevokeByStampedHeaders { stamps, terminate } => {
            control.revoke_by_stamped_headers(gathered(stamps), *terminate).await
        }
        Verb::RateLimit { task, rate } => control.rate_limit(task, rate).await,
        Verb::TimeLimit { task, soft, hard } => control.time_limit(task, Some(*soft), *hard).await,
        Verb::AddConsumer { queue } => control.add_consumer(queue).await,
        Verb::CancelConsumer { queue } => control.cancel_consumer(queue).await,
        Verb::PoolGrow { n } => control.pool_grow(*n).await,
        Verb::PoolShrink { n } => control.pool_shrink(*n).await,
        Verb::Autoscale { max, min } => control.autoscale(*max, *min).await,
        Verb::EnableEvents => control.enable_events().await,
        Verb::DisableEvents => control.disable_events().await,
        Verb::Heartbeat => control.heartbeat().await,
        Verb::PoolRestart => control.request("pool_restart", json!({})).await,
        // Nobody answers that.
        Verb::Shutdown => Ok(Answers::default()),
    }
}

/// Nobody answers it, so that only whether somebody heard it can be told.
async fn shutdown(session: &Session, whom: &Whom, control: &Control) -> Result<Exit, CliError> {
    let heard_by = control.shutdown().await?;
    if session.out.json {
        session.out.document(&json!({ "heard_by": heard_by }))?;
    }
    if heard_by == 0 {
        return Err(whom.nobody());
    }
    if !session.out.json {
        // All hear it, also those who are not meant.
        session.out.data(match whom.is_everybody() {
            true => "asked to stop; what runs is finished first",
            false => "those who are meant were asked to stop, if they are there; what runs is finished first",
        })?;
    }
    Ok(Exit::Ok)
}

fn stamp(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a stamp is written name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The values of each stamp.
fn gathered(stamps: &[(String, String)]) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in stamps {
        if let Value::Array(values) = all.entry(name).or_insert_with(|| json!([])) {
            values.push(value.as_str().into());
        }
    }
    all
}
