//! A stored result, read as far as it can be.

use bytes::Bytes;
use queue_core::TaskId;
use queue_core::message::DecodeError;
use queue_core::result::{ResultMeta, State};
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::render::facts::Facts;
use crate::render::json::{Embedded, Instant, pretty};
use crate::render::style::Style;
use crate::render::{text, time};

/// What is stored under a task's id.
#[derive(Debug)]
pub(crate) struct Outcome {
    id: TaskId,
    meta: Result<ResultMeta, DecodeError>,
    bytes: Bytes,
}

/// A result in `--json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
pub(crate) struct OutcomeDocument {
    id: String,
    state: Option<String>,
    result: Option<Embedded>,
    traceback: Option<String>,
    date_done: Option<Instant>,
    unreadable: Option<String>,
}

impl Outcome {
    /// Reads stored bytes.
    pub(crate) fn read(id: &TaskId, bytes: Bytes) -> Self {
        Self { id: id.clone(), meta: ResultMeta::decode(&bytes), bytes }
    }

    /// What is stored now.
    pub(crate) async fn of(session: &Session, id: &TaskId) -> Result<Option<Self>, CliError> {
        let stored = session.store.get_results(std::slice::from_ref(id)).await?;
        Ok(stored.into_iter().next().flatten().map(|bytes| Self::read(id, bytes)))
    }

    /// What it means for the caller.
    pub(crate) fn exit(&self) -> Exit {
        match self.meta.as_ref().map(|meta| &meta.state) {
            Ok(State::Failure | State::Revoked) => Exit::JobFailed,
            Ok(_) | Err(_) => Exit::Ok,
        }
    }

    /// For people.
    pub(crate) fn render(&self, session: &Session, full: bool) -> String {
        let mut facts = Facts::new(format!("result {}", self.id));
        match &self.meta {
            Ok(meta) => told(&mut facts, session, meta, full),
            Err(unreadable) => {
                facts.styled("unreadable", unreadable.to_string(), Style::Bad);
                facts.long("raw", &text::lossless(&self.bytes), full);
            }
        }
        facts.render(session.out)
    }

    /// For programs.
    pub(crate) fn document(&self) -> OutcomeDocument {
        let meta = self.meta.as_ref().ok();
        OutcomeDocument {
            id: self.id.to_string(),
            state: meta.map(|meta| meta.state.to_string()),
            result: meta.map(|meta| Embedded::from(&meta.result)),
            traceback: meta.and_then(|meta| meta.traceback.clone()),
            date_done: meta.and_then(|meta| meta.date_done).map(Instant),
            unreadable: self.meta.as_ref().err().map(ToString::to_string),
        }
    }
}

fn told(facts: &mut Facts, session: &Session, meta: &ResultMeta, full: bool) {
    facts.styled("state", meta.state.as_str(), color(&meta.state));
    match meta.exception() {
        Some(exception) => facts.styled("error", exception.to_string(), Style::Bad),
        None => facts.long("result", &pretty(meta.result.as_str()), full),
    }
    facts.add_some("done", meta.date_done.map(|at| time::instant(at, session.now)));
    if let Some(traceback) = &meta.traceback {
        facts.long("traceback", traceback.trim_end(), full);
    }
    for (name, value) in &meta.extra {
        if let ("worker" | "name" | "queue", value) = (name.as_str(), value.as_str()) {
            facts.add(
                if name == "name" {
                    "task"
                } else if name == "worker" {
                    "worker"
                } else {
                    "queue"
                },
                value,
            );
        }
    }
}

fn color(state: &State) -> Style {
    match state {
        State::Success => Style::Good,
        State::Failure | State::Revoked => Style::Bad,
        State::Retry => Style::Careful,
        State::Pending | State::Received | State::Started | State::Custom(_) => Style::Plain,
    }
}
