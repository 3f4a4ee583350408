//! What `inspect` and `control` share: whom to ask, how long to wait, and what it means when nobody answers.

use std::time::Duration;

use clap::Args;
use queue_core::Client;
use queue_core::remote::{Answers, Control, Inspect, RemoteError};
use serde_json::Value;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::render::json::pretty;
use crate::render::style::Style;
use crate::render::table::{Column, Grid};
use crate::render::text::{one_line, visible};
use crate::render::time;

/// Whom to ask, and how long to wait.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// Only these workers, by name: queue@db1,celery@web1
    #[arg(short, long, global = true, value_name = "WORKER,…", value_delimiter = ',')]
    destination: Vec<String>,
    /// Only workers whose names fit: `celery@*`
    #[arg(long = "match", global = true, value_name = "GLOB", conflicts_with = "destination")]
    pattern: Option<String>,
    /// How long to wait for answers
    #[arg(short, long, global = true, value_name = "1s", default_value = "1s", value_parser = time::parse)]
    timeout: Duration,
}

impl Whom {
    /// Asks them.
    pub(crate) fn inspect(&self, session: &Session) -> Inspect {
        let inspect = Client::new(session.store.clone()).inspect().timeout(self.timeout).to(&self.destination);
        match &self.pattern {
            Some(pattern) => inspect.matching(pattern),
            None => inspect,
        }
    }

    /// Tells them.
    pub(crate) fn control(&self, session: &Session) -> Control {
        let control = Client::new(session.store.clone()).control().timeout(self.timeout).to(&self.destination);
        match &self.pattern {
            Some(pattern) => control.matching(pattern),
            None => control,
        }
    }

    /// Whether all workers are meant.
    pub(crate) fn is_everybody(&self) -> bool {
        self.destination.is_empty() && self.pattern.is_none()
    }

    /// Shows answers; those that are errors go to stderr. `table` makes text of the others.
    pub(crate) fn show(
        &self,
        session: &Session,
        answers: &Answers,
        table: impl FnOnce(&[(&str, &Value)]) -> String,
    ) -> Result<Exit, CliError> {
        if session.out.json {
            session.out.document(&answers.0)?;
        }
        if answers.is_empty() {
            return Err(self.nobody());
        }
        let refused: Vec<(&str, &str)> = answers.errors().collect();
        let good = |worker: &str| !refused.iter().any(|(name, _)| *name == worker);
        let good: Vec<_> =
            answers.iter().map(|(name, value)| (name.as_str(), value)).filter(|(n, _)| good(n)).collect();
        if !session.out.json && !good.is_empty() {
            session.out.data(&table(&good))?;
        }
        for (worker, error) in &refused {
            let said = one_line(&format!("{worker}: {error}"));
            session.out.note(&format!("{} {said}", session.out.paint_err.on(Style::Bad, "error:")));
        }
        Ok(if refused.is_empty() { Exit::Ok } else { Exit::Refused })
    }

    /// The error for silence.
    pub(crate) fn nobody(&self) -> CliError {
        let text = format!("no worker answered within {}", time::short(self.timeout));
        let hint = match self.is_everybody() {
            true => "is one running on this store? `queue workers` shows ours; --timeout waits longer",
            false => "`queue inspect ping` shows the names of those that answer",
        };
        CliError::Said { exit: Exit::NoAnswer, text, hint: hint.to_owned() }
    }
}

impl From<RemoteError> for CliError {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Store(error) => error.into(),
            other => Self::Said { exit: Exit::Store, text: other.to_string(), hint: String::new() },
        }
    }
}

/// A worker and what it said in a few words; `silence` where it said nothing.
pub(crate) fn replies(session: &Session, answers: &[(&str, &Value)], silence: &str) -> String {
    let mut grid = Grid::new(&[Column::Whole("WORKER"), Column::Cut("REPLY")]);
    for (worker, answer) in answers {
        let said = match answer {
            Value::Null => silence.to_owned(),
            answer => text(answer.get("ok").unwrap_or(answer)),
        };
        grid.row(vec![((*worker).to_owned(), Style::Plain), (said, Style::Good)]);
    }
    grid.render(session.out)
}

/// A value in a cell: texts as they are, everything else as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A worker's name and whatever it said below it.
pub(crate) fn block(session: &Session, worker: &str, value: &Value) -> String {
    let body = match value {
        Value::String(text) => text.clone(),
        other => pretty(&other.to_string()),
    };
    let body = visible(&body);
    let lines = body.trim().lines().map(|line| format!("  {line}\n")).collect::<String>();
    format!("{}\n{}", session.out.paint.on(Style::Strong, &one_line(worker)), lines.trim_end_matches('\n'))
}
