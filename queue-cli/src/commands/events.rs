//! `queue events`: what workers and clients tell, as it happens.

use std::collections::{HashMap, VecDeque};

use clap::Args;
use queue_core::events::Event;
use queue_core::{Client, Timestamp};
use serde_json::Value;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::remote::text;
use crate::render::style::Style;
use crate::render::text::one_line;

/// Tasks whose names are remembered: only their first event says it.
const REMEMBERED: usize = 10_000;

/// What to show, and how long.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Ask the workers first to send events about tasks
    #[arg(long)]
    enable: bool,
    /// Also show that workers live, which each tells every few seconds
    #[arg(long)]
    heartbeats: bool,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// Shows them until it is interrupted, a line each.
pub(crate) async fn run(session: &Session, args: &EventsArgs) -> Result<Exit, CliError> {
    let client = Client::new(session.store.clone());
    let mut events = client.events().await?;
    if args.enable {
        client.control().tell("enable_events", Value::Null).await?;
    }
    if !session.out.json {
        session.out.note(&format!("listening to {}", session.store.display_url()));
    }
    let (mut names, mut left) = (Names::default(), args.count);
    while left != Some(0) {
        let Some(event) = events.next().await else { break };
        if event.kind == "worker-heartbeat" && !args.heartbeats {
            continue;
        }
        let line = if session.out.json { event.to_value().to_string() } else { line(session, &event, &mut names) };
        session.out.data(&line)?;
        left = left.map(|left| left - 1);
    }
    Ok(Exit::Ok)
}

fn line(session: &Session, event: &Event, names: &mut Names) -> String {
    let kind = session.out.paint.on(style(&event.kind), &format!("{:<17}", one_line(&event.kind)));
    let (when, worker) = (clock(event.timestamp), one_line(&event.hostname));
    let mut line = format!("{when}  {worker:<24}  {kind}");
    if let Some(id) = event.uuid() {
        names.note(id, event.text("name"));
        line.push_str(&format!("  {:<36}  {}", one_line(id), one_line(names.of(id))));
    }
    let more = details(event);
    if !more.is_empty() {
        line.push_str(&format!("  {}", one_line(&more)));
    }
    line.trim_end().to_owned()
}

/// What matters of an event, in a few words.
fn details(event: &Event) -> String {
    let field = |name: &str| event.fields.get(name).filter(|value| !value.is_null()).map(text);
    let seconds = |name: &str| event.fields.get(name).and_then(Value::as_f64).map(|s| format!("in {s:.3} s"));
    let flag =
        |name: &'static str| event.fields.get(name).and_then(Value::as_bool).filter(|is| *is).map(|_| name.to_owned());
    let parts = match event.kind.as_str() {
        "task-received" | "task-sent" => vec![field("args"), field("kwargs").filter(|kwargs| kwargs != "{}")],
        "task-succeeded" => vec![field("result"), seconds("runtime")],
        "task-failed" | "task-retried" => vec![field("exception")],
        "task-revoked" => vec![flag("terminated"), flag("expired")],
        "worker-online" | "worker-heartbeat" | "worker-offline" => {
            vec![field("active").map(|n| format!("runs {n}")), field("processed").map(|n| format!("started {n}"))]
        }
        _ => Vec::new(),
    };
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn style(kind: &str) -> Style {
    match kind {
        "task-succeeded" | "worker-online" => Style::Good,
        "task-failed" | "task-rejected" | "worker-offline" => Style::Bad,
        "task-retried" | "task-revoked" => Style::Careful,
        "worker-heartbeat" => Style::Faint,
        _ => Style::Plain,
    }
}

/// The time of day, UTC.
#[expect(clippy::cast_possible_truncation, reason = "a time in ms fits an i64")]
fn clock(seconds: f64) -> String {
    let full = Timestamp::from_millis((seconds * 1000.0) as i64).to_string();
    full.split('T').nth(1).map_or(full.clone(), |time| time.trim_end_matches('Z').to_owned())
}

/// The names of the tasks that were seen last.
#[derive(Default)]
struct Names {
    by_id: HashMap<String, String>,
    order: VecDeque<String>,
}

impl Names {
    fn note(&mut self, id: &str, name: Option<&str>) {
        let Some(name) = name else { return };
        if self.by_id.insert(id.to_owned(), name.to_owned()).is_some() {
            return;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    fn of(&self, id: &str) -> &str {
        self.by_id.get(id).map_or("", String::as_str)
    }
}
