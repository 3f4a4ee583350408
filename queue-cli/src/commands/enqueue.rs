//! `queue enqueue NAME`: sends a task by its name, no application needed.

use std::time::Duration;

use clap::Args;
use queue_core::client::FirstSend;
use queue_core::message::{Draft, Json};
use queue_core::store::{Outgoing, Parcel, SendKey};
use queue_core::{Priority, QueueName, TaskId, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::{Access, Place, Session, open};
use crate::out::Out;
use crate::render::json::Instant;
use crate::render::time;

const HINT: &str = r#"--args is a JSON array, --kwargs an object: --args '[1, "two"]' --kwargs '{"limit": 10}'"#;

/// What to send.
#[derive(Debug, Args)]
#[command(after_help = "\
  queue enqueue mail.send --args '[42, \"hello\"]' --queue mail
  queue enqueue report.build --kwargs '{\"day\": \"2026-11-22\"}' --countdown 1h
  queue enqueue add --args '[2, 3]' --wait")]
pub(crate) struct EnqueueArgs {
    /// The task's name
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: String,
    /// Positional arguments, a JSON array
    #[arg(long, value_name = "JSON", default_value = "[]", allow_hyphen_values = true)]
    args: String,
    /// Arguments by keyword, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
    kwargs: String,
    /// The queue
    #[arg(long, value_name = "QUEUE", default_value = "celery")]
    queue: QueueName,
    /// Start it this much later
    #[arg(long, value_name = "5m", value_parser = time::parse, conflicts_with = "eta")]
    countdown: Option<Duration>,
    /// Start it not before this instant
    #[arg(long, value_name = "INSTANT", value_parser = time::parse_instant)]
    eta: Option<Timestamp>,
    /// Do not start it after this long, or after this instant
    #[arg(long, value_name = "10m|INSTANT", value_parser = parse_expiry)]
    expires: Option<Expiry>,
    /// From 0, first, to 9, last
    #[arg(long, value_name = "0-9", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=9))]
    priority: i64,
    /// The task's id, instead of a fresh one
    #[arg(long, value_parser = |id: &str| TaskId::new(id))]
    id: Option<TaskId>,
    /// Send it once, however often: while this key stands nothing is sent, and the first one's id is told
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
    /// How long the key stands
    #[arg(long, value_name = "24h", value_parser = standing, default_value = "24h", requires = "idempotency_key")]
    idempotency_ttl: Duration,
    /// Wait for the result, 30 seconds or as given
    #[arg(long, value_name = "30s", num_args = 0..=1, default_missing_value = "30s", value_parser = time::parse)]
    wait: Option<Duration>,
}

fn idempotency_key(key: &str) -> Result<String, String> {
    match key.len() {
        1..=512 => Ok(key.to_owned()),
        bytes => Err(format!("it has 1 to 512 bytes, this one has {bytes}")),
    }
}

fn standing(text: &str) -> Result<Duration, String> {
    match time::parse(text)? {
        ttl if ttl < Duration::from_secs(1) => Err("it stands for a second at least".to_owned()),
        ttl => Ok(ttl),
    }
}

/// When it expires.
#[derive(Debug, Clone, Copy)]
enum Expiry {
    After(Duration),
    At(Timestamp),
}

fn parse_expiry(text: &str) -> Result<Expiry, String> {
    let span = time::parse(text).map(Expiry::After);
    span.or_else(|_| time::parse_instant(text).map(Expiry::At))
        .map_err(|_| "write a duration like `10m` or an instant like `2026-11-22T20:53:31Z`".to_owned())
}

/// `enqueue --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Enqueued<'a> {
    id: &'a str,
    task: &'a str,
    queue: &'a str,
    due: Option<Instant>,
    /// With `--idempotency-key`: it had been sent before, with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<bool>,
}

/// Sends it.
pub(crate) async fn run(place: &Place, args: &EnqueueArgs, out: Out) -> Result<Exit, CliError> {
    // Before the store is opened: what is wrong here leaves nothing behind.
    let (positional, by_name) = (json("args", &args.args, '[')?, json("kwargs", &args.kwargs, '{')?);
    if args.name.trim().is_empty() {
        return Err(CliError::usage("a task's name is not empty", ""));
    }
    let session = open(place, Access::Create, out).await?;
    let message = message(&session, args, positional, by_name);
    let before = match &args.idempotency_key {
        None => session.store.enqueue(std::slice::from_ref(&message)).await.map(|()| None)?,
        Some(key) => enqueue_once(&session, key, args.idempotency_ttl, &message).await?,
    };
    let id = before.as_ref().unwrap_or(&message.id);
    match args.wait {
        None => said(&session, &message, id, args.idempotency_key.as_ref().map(|_| before.is_some())),
        Some(timeout) => {
            session.out.note(&format!("{} {id}", if before.is_some() { "sent before:" } else { "enqueued" }));
            super::result::wait(&session, id, timeout, false).await
        }
    }
}

/// Sends it unless its key stands: then the id of the first one.
async fn enqueue_once(
    session: &Session,
    key: &str,
    ttl: Duration,
    message: &Outgoing,
) -> Result<Option<TaskId>, CliError> {
    let value = FirstSend::of_task(&*message.task, &message.id).encode();
    let parcel = Parcel { key: Some(SendKey { key: key.into(), ttl, value }), ..Parcel::of(vec![message.clone()]) };
    let found = session.store.enqueue_once(&[parcel], None).await?.into_iter().next().flatten();
    let Some(found) = found else { return Ok(None) };
    let first = FirstSend::decode(&found).filter(|first| first.task == *message.task);
    match first.and_then(|first| TaskId::new(first.result.id()).ok()) {
        Some(id) => Ok(Some(id)),
        None => {
            let why = format!("idempotency key `{key}` was used for another task, so `{}` was not sent", message.task);
            Err(CliError::usage(why, "a key names one thing that is done once; choose another"))
        }
    }
}

fn message(session: &Session, args: &EnqueueArgs, positional: Json, by_name: Json) -> Outgoing {
    let id = args.id.clone().unwrap_or_else(TaskId::random);
    let eta = args.eta.or_else(|| args.countdown.map(|wait| session.now.after(wait)));
    let expires = args.expires.map(|expiry| match expiry {
        Expiry::After(span) => session.now.after(span),
        Expiry::At(at) => at,
    });
    let priority = Priority::new(args.priority);
    let draft = Draft {
        args: positional,
        kwargs: by_name,
        priority,
        eta,
        expires,
        sent_at: Some(session.now),
        ..Draft::new(args.name.as_str(), id.clone(), args.queue.as_str())
    };
    let due = eta.filter(|at| *at > session.now);
    Outgoing { queue: args.queue.clone(), priority, due, id, task: args.name.as_str().into(), payload: draft.encode() }
}

fn said(session: &Session, message: &Outgoing, id: &TaskId, before: Option<bool>) -> Result<Exit, CliError> {
    if session.out.json {
        let (id, task, queue) = (id.as_str(), &*message.task, message.queue.as_str());
        session.out.document(&Enqueued { id, task, queue, due: message.due.map(Instant), before })?;
        return Ok(Exit::Ok);
    }
    session.out.data(id.as_str())?;
    if before == Some(true) {
        session.out.note(&format!("{} was sent before with this key", message.task));
        return Ok(Exit::Ok);
    }
    let when = message.due.map(|due| format!(", due {}", time::wait(due, session.now))).unwrap_or_default();
    session.out.note(&format!("enqueued {} in queue `{}`{when}", message.task, message.queue));
    Ok(Exit::Ok)
}

/// Checks what was typed, and says where it goes wrong.
pub(crate) fn json(option: &str, typed: &str, open: char) -> Result<Json, CliError> {
    let value: Box<RawValue> = serde_json::from_str(typed).map_err(|error| not_json(option, typed, &error))?;
    if !value.get().starts_with(open) {
        let wanted = if open == '[' { "array" } else { "object" };
        return Err(CliError::usage(format!("--{option} is no JSON {wanted}: {}", quote(typed)), HINT));
    }
    Json::new(value.get()).map_err(|error| CliError::usage(format!("--{option}: {error}"), HINT))
}

fn not_json(option: &str, typed: &str, error: &serde_json::Error) -> CliError {
    let line = typed.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    // serde_json counts bytes, from 1; at the end of the text it points at the last one.
    let at = line.char_indices().filter(|(byte, _)| byte + 1 < error.column()).count();
    let at = if error.is_eof() { line.chars().count() } else { at };
    let from = at.saturating_sub(50);
    let shown: String = line.chars().skip(from).take(70).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = format!("--{option} is not JSON: {error}\n  {shown}\n  {}^", " ".repeat(at - from));
    CliError::usage(text, HINT)
}

fn quote(typed: &str) -> String {
    crate::render::text::cut(&crate::render::text::one_line(typed), 60)
}
