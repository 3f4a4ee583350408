//! A job as found in the store, with what could be read of its message.

use queue_core::Timestamp;
use queue_core::message::{DecodeError, DecodeLimits, Json, Message};
use queue_core::store::{DeadLetter, Job, JobState, WorkerInfo};
use serde::Serialize;

use crate::render::json::{Embedded, Instant};

/// A job and its message, read as far as it can be. What cannot be read is shown as such: never an error.
#[derive(Debug)]
pub(crate) struct Seen {
    /// As the store has it.
    pub(crate) job: Job,
    /// What its bytes say.
    pub(crate) message: Result<Message, DecodeError>,
}

impl From<Job> for Seen {
    fn from(job: Job) -> Self {
        let message = Message::decode(&job.payload, &DecodeLimits::default());
        Self { job, message }
    }
}

impl Seen {
    /// Why it is kept aside.
    pub(crate) fn letter(&self) -> Option<&DeadLetter> {
        self.job.dead.as_ref().map(|(_, letter)| letter)
    }

    /// The task's id: of the message, else as the worker that set it aside could read it.
    pub(crate) fn id(&self) -> Option<&str> {
        match &self.message {
            Ok(message) => Some(message.id.as_str()),
            Err(_) => self.letter()?.id.as_deref(),
        }
    }

    /// The task's name, likewise.
    pub(crate) fn task(&self) -> Option<&str> {
        match &self.message {
            Ok(message) => Some(&message.task),
            Err(_) => self.letter()?.task.as_deref(),
        }
    }

    /// When it was sent, where the producer said so.
    pub(crate) fn sent_at(&self) -> Option<Timestamp> {
        self.message.as_ref().ok()?.sent_at
    }

    /// Since when it is what it is: dead letters since they died, all others since they were sent.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        match self.job.state {
            JobState::Dead => self.job.dead.as_ref().map(|(at, _)| *at),
            JobState::Ready | JobState::Scheduled | JobState::Leased => self.sent_at(),
        }
    }

    /// How often it has been retried.
    pub(crate) fn retries(&self) -> Option<u32> {
        match &self.message {
            Ok(message) => Some(message.retries),
            Err(_) => self.letter().map(|letter| letter.retries),
        }
    }

    /// The text that `--error` looks in: why it is dead, and why it cannot be read.
    pub(crate) fn error(&self) -> Option<String> {
        match (self.letter(), &self.message) {
            (Some(letter), _) => Some(letter.error.clone()),
            (None, Err(unreadable)) => Some(unreadable.to_string()),
            (None, Ok(_)) => None,
        }
    }

    /// Its arguments as they would be written in a call: `1, "two", limit=10`.
    pub(crate) fn call(&self) -> Option<String> {
        let message = self.message.as_ref().ok()?;
        let args = inside(message.args.as_str(), '[', ']');
        let kwargs = named(&message.kwargs).unwrap_or_else(|| inside(message.kwargs.as_str(), '{', '}').to_owned());
        Some([args, &kwargs].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
    }

    /// As a JSON document.
    pub(crate) fn document(&self, now: Timestamp) -> JobDocument<'_> {
        let message = self.message.as_ref().ok();
        JobDocument {
            id: self.id(),
            task: self.task(),
            queue: self.job.queue.as_str(),
            state: self.job.state,
            priority: message.map(|message| message.priority.get()),
            retries: self.retries(),
            sent_at: self.sent_at().map(Instant),
            age_ms: self.since().map(|at| at.until(now).as_millis()),
            eta: message.and_then(|message| message.eta).map(Instant),
            expires: message.and_then(|message| message.expires).map(Instant),
            due: self.job.due.map(Instant),
            worker: self.job.worker.as_deref(),
            suspect: self.job.suspect,
            dead: self.job.dead.as_ref().map(|(at, letter)| DeadDocument { at: Instant(*at), letter }),
            args: message.map(|message| Embedded::from(&message.args)),
            kwargs: message.map(|message| Embedded::from(&message.kwargs)),
            unreadable: self.message.as_ref().err().map(ToString::to_string),
            bytes: self.job.payload.len(),
        }
    }
}

/// One job in `--json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
pub(crate) struct JobDocument<'a> {
    id: Option<&'a str>,
    task: Option<&'a str>,
    queue: &'a str,
    state: JobState,
    priority: Option<u8>,
    retries: Option<u32>,
    sent_at: Option<Instant>,
    age_ms: Option<u128>,
    eta: Option<Instant>,
    expires: Option<Instant>,
    due: Option<Instant>,
    worker: Option<&'a str>,
    suspect: bool,
    dead: Option<DeadDocument<'a>>,
    args: Option<Embedded>,
    kwargs: Option<Embedded>,
    unreadable: Option<String>,
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct DeadDocument<'a> {
    at: Instant,
    #[serde(flatten)]
    letter: &'a DeadLetter,
}

fn inside(text: &str, open: char, close: char) -> &str {
    let text = text.trim();
    text.strip_prefix(open).and_then(|text| text.strip_suffix(close)).unwrap_or(text).trim()
}

/// `limit=10, name="x"`.
fn named(kwargs: &Json) -> Option<String> {
    let entries = kwargs.entries().ok()?;
    Some(entries.map(|(name, value)| format!("{name}={}", value.as_str())).collect::<Vec<_>>().join(", "))
}

/// The worker that holds `job`, where it is known. A driver may add a generation to an incarnation.
pub(crate) fn holder<'a>(job: &Job, workers: &'a [WorkerInfo]) -> Option<&'a WorkerInfo> {
    let held_by = job.worker.as_deref()?;
    workers.iter().find(|worker| held_by.starts_with(&worker.incarnation))
}

/// The word for a state.
pub(crate) fn word(state: JobState) -> &'static str {
    match state {
        JobState::Ready => "ready",
        JobState::Scheduled => "scheduled",
        JobState::Leased => "leased",
        JobState::Dead => "dead",
    }
}

/// The word for a reason, as in JSON.
pub(crate) fn reason(letter: &DeadLetter) -> String {
    serde_json::to_value(letter.reason).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}
