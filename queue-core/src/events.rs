//! What workers and clients tell about themselves and their tasks, as Celery's monitors read it.
//!
//! An [`Event`] is published on the store's [`Bus`](crate::store::Bus) to whoever listens: `celery events`, Flower, our
//! own `queue events`. Nobody keeps it. Times are true Unix times; we leave out Celery's `utcoffset`, which makes a
//! receiver in another time zone shift them.
//!
//! ```no_run
//! # async fn example(client: queue_core::Client) -> Result<(), queue_core::store::StoreError> {
//! let mut events = client.events().await?;
//! while let Some(event) = events.next().await {
//!     println!("{} {}", event.kind, event.hostname);
//! }
//! # Ok(()) }
//! ```

mod pyrepr;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::clock::Timestamp;
use crate::message::{DecodeError, DecodeLimits, Json, Message, Post, shown};
use crate::store::{Interest, Listening, StoreError, Topic};

pub use self::pyrepr::{args_repr, repr, text_repr};

/// kombu's exchange of events.
const EXCHANGE: &str = "celeryev";
/// The routing key of a worker's task events, which come in arrays.
const MULTI: &str = "task.multi";

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What: `worker-heartbeat`, `task-received`, …; a task's own events are `task-…`, too.
    pub kind: String,
    /// The worker's name, or `gen<pid>@<host>` for a client.
    pub hostname: String,
    /// When, in Unix seconds.
    pub timestamp: f64,
    /// The sender's process.
    pub pid: Option<u64>,
    /// The sender's logical clock.
    pub clock: Option<u64>,
    /// What else it says: `uuid` of a task, `runtime`, `freq`, …
    pub fields: Map<String, Value>,
}

impl Event {
    /// An event of this process, with nothing else said yet.
    pub fn new(kind: &str, hostname: &str, at: Timestamp, clock: &Lamport) -> Self {
        Self {
            kind: kind.to_owned(),
            hostname: hostname.to_owned(),
            timestamp: unix_seconds(at),
            pid: Some(u64::from(std::process::id())),
            clock: Some(clock.tick()),
            fields: Map::new(),
        }
    }

    /// Says more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Says of a task what `task-sent` and `task-received` say.
    #[must_use]
    pub fn about(self, message: &Message) -> Self {
        let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
        let root = message.root_id.clone().unwrap_or_else(|| message.id.as_str().to_owned());
        self.with("uuid", message.id.as_str())
            .with("name", message.display_name())
            .with("args", args_repr(&message.args))
            .with("kwargs", repr(message.kwargs.as_ref()))
            .with("root_id", root)
            .with("parent_id", text(message.parent_id.clone()))
            .with("retries", message.retries)
            .with("eta", text(message.eta.map(Timestamp::to_celery)))
            .with("expires", text(message.expires.map(Timestamp::to_celery)))
    }

    /// One of its fields, where it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    /// The task's id, in an event about a task.
    pub fn uuid(&self) -> Option<&str> {
        self.text("uuid")
    }

    /// As a JSON object.
    pub fn to_value(&self) -> Value {
        let mut all = Map::new();
        all.insert("hostname".into(), self.hostname.as_str().into());
        self.pid.inspect(|pid| drop(all.insert("pid".into(), (*pid).into())));
        self.clock.inspect(|clock| drop(all.insert("clock".into(), (*clock).into())));
        all.extend(self.fields.clone());
        all.insert("timestamp".into(), self.timestamp.into());
        all.insert("type".into(), self.kind.as_str().into());
        Value::Object(all)
    }

    /// Reads one; `None` when it says no `type`. What else is missing or of another type is taken as not said.
    pub fn from_value(value: Value) -> Option<Self> {
        let Value::Object(mut all) = value else { return None };
        let mut take = |name: &str| all.remove(name).unwrap_or(Value::Null);
        let Value::String(kind) = take("type") else { return None };
        let hostname = match take("hostname") {
            Value::String(name) => name,
            _ => String::new(),
        };
        let (timestamp, pid, clock) = (take("timestamp"), take("pid"), take("clock"));
        let (timestamp, pid, clock) = (timestamp.as_f64().unwrap_or(0.0), pid.as_u64(), clock.as_u64());
        Some(Self { kind, hostname, timestamp, pid, clock, fields: all })
    }

    /// Where it is published by itself, and as what.
    pub fn post(&self) -> (Topic, Bytes) {
        envelope(self.kind.replace('-', "."), &self.hostname, &self.to_value())
    }

    /// Where a worker's events about tasks are published, and as what: in arrays, however many there are.
    pub fn multi(events: &[Self]) -> (Topic, Bytes) {
        let hostname = events.first().map_or("", |event| event.hostname.as_str());
        envelope(MULTI.to_owned(), hostname, &Value::Array(events.iter().map(Self::to_value).collect()))
    }

    /// Reads what was published: one event, or an array of them.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is no envelope with JSON in it. Elements that are no events are left out.
    pub fn decode(payload: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let post = Post::decode(payload, &DecodeLimits::default())?;
        Ok(match shown(post.body.as_ref()) {
            Value::Array(all) => all.into_iter().filter_map(Self::from_value).collect(),
            one => Self::from_value(one).into_iter().collect(),
        })
    }
}

fn envelope(routing_key: String, hostname: &str, body: &Value) -> (Topic, Bytes) {
    // Values of ours: always JSON.
    let json = |value: &Value| Json::from_value(value).unwrap_or_else(|_| Json::null());
    let headers = serde_json::json!({ "hostname": hostname });
    let payload = Post { headers: json(&headers), body: json(body) }.encode(EXCHANGE, &routing_key);
    (Topic::Event(routing_key), payload)
}

/// Unix seconds with the milliseconds behind the point.
#[expect(clippy::cast_precision_loss, reason = "exact for all times of some 200,000 years")]
pub fn unix_seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1000.0
}

/// A logical clock: what was sent after something was heard has the higher number, whatever the hosts' clocks say.
#[derive(Debug, Default)]
pub struct Lamport(AtomicU64);

impl Lamport {
    /// Its value.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The number of what is sent now. Somebody may have said the greatest there is: then it stays that.
    pub fn tick(&self) -> u64 {
        let next = |now: u64| Some(now.saturating_add(1));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).map_or(u64::MAX, |now| now.saturating_add(1))
    }

    /// Something with this number was heard.
    pub fn heard(&self, other: u64) {
        self.0.fetch_max(other.saturating_add(1), Ordering::Relaxed);
    }
}

/// Events as they come; made by [`Client::events`].
#[derive(Debug)]
pub struct Events {
    listening: Listening,
    read: VecDeque<Event>,
}

impl Events {
    /// The next one; `None` when the store was closed. What cannot be read is passed over.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Some(event);
            }
            match Event::decode(&self.listening.next().await?) {
                Ok(events) => self.read.extend(events),
                Err(error) => tracing::debug!(%error, "this is no event"),
            }
        }
    }
}

impl Client {
    /// Listens to all events from now on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be listened to.
    pub async fn events(&self) -> Result<Events, StoreError> {
        let listening = self.store().listen(Interest::Events(String::new())).await?;
        Ok(Events { listening, read: VecDeque::new() })
    }
}
