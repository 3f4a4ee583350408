//! The client's side: publishes a request and gathers what is replied.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::envelope::{Reply, Request};
use crate::client::Client;
use crate::events::unix_seconds;
use crate::names::{QueueName, TaskId};
use crate::store::{ReplyBox, StoreError, Topic};

/// How long replies are waited for, unless said otherwise: as in Celery.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The longest wait for replies: what is longer may be meant for ever, and is more than a clock can be told.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// Once as many have replied as the store says have heard the request: how long to wait for more. Two workers of one process
/// may share what the store counts.
const STRAGGLERS: Duration = Duration::from_millis(100);

/// Why workers could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What workers replied, by their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers(pub BTreeMap<String, Value>);

impl Answers {
    /// Those that could not do it, with their words for why.
    pub fn errors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(worker, answer)| Some((worker.as_str(), answer.get("error")?.as_str()?)))
    }
}

impl Deref for Answers {
    type Target = BTreeMap<String, Value>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoIterator for Answers {
    type Item = (String, Value);
    type IntoIter = std::collections::btree_map::IntoIter<String, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Whom to ask, and how long to wait.
#[derive(Debug, Clone)]
#[must_use = "nothing is asked yet"]
pub struct Broadcast {
    client: Client,
    destination: Vec<String>,
    pattern: Option<String>,
    timeout: Duration,
    limit: Option<usize>,
}

impl Broadcast {
    fn new(client: Client) -> Self {
        Self { client, destination: Vec::new(), pattern: None, timeout: TIMEOUT, limit: None }
    }

    /// Asks for anything by its Celery name, and gathers the replies until the time is over, or all are in that there can
    /// be: as many as were named, as [`limit`](Inspect::limit) says, or as heard the request.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] when the store refuses. That nobody replies is none: then there are no answers.
    pub async fn request(&self, method: &str, arguments: Value) -> Result<Answers, RemoteError> {
        let mut replies = self.client.store().open_box().await?;
        let ticket = TaskId::random().as_str().to_owned();
        let mut request = self.envelope(method, arguments).await?;
        (request.ticket, request.reply_to) = (Some(ticket.clone()), Some(replies.address().clone()));
        let heard_by = self.client.store().publish(&Topic::Control, &request.encode()).await;
        let answers = match heard_by {
            Ok(heard_by) => self.gather(&mut *replies, &ticket, heard_by).await,
            Err(error) => Err(error),
        };
        let closed = replies.close().await;
        let answers = answers?;
        closed?;
        Ok(answers)
    }

    /// Tells without waiting for replies; about how many heard it.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] when the store refuses.
    pub async fn tell(&self, method: &str, arguments: Value) -> Result<usize, RemoteError> {
        let request = self.envelope(method, arguments).await?;
        Ok(self.client.store().publish(&Topic::Control, &request.encode()).await?)
    }

    async fn envelope(&self, method: &str, arguments: Value) -> Result<Request, StoreError> {
        let arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        let now = self.client.store_time().await?;
        Ok(Request {
            method: method.to_owned(),
            arguments,
            destination: self.destination.clone(),
            matcher: self.pattern.as_ref().map(|_| "glob".to_owned()),
            pattern: self.pattern.clone(),
            clock: Some(self.client.lamport().tick()),
            expires: Some(unix_seconds(now.after(self.timeout))),
            ..Request::default()
        })
    }

    async fn gather(&self, replies: &mut dyn ReplyBox, ticket: &str, heard_by: usize) -> Result<Answers, StoreError> {
        let mut answers = BTreeMap::new();
        let exact = self.limit.or((!self.destination.is_empty()).then_some(self.destination.len()));
        let mut ends = Instant::now() + self.timeout.min(LONGEST);
        let mut lingering = false;
        while exact.is_none_or(|exact| answers.len() < exact) {
            // With a pattern not all who heard it are meant.
            if !lingering && self.pattern.is_none() && answers.len() >= heard_by {
                lingering = true;
                ends = ends.min(Instant::now() + STRAGGLERS);
            }
            let left = ends.saturating_duration_since(Instant::now());
            let Some(payload) = replies.take(left).await? else { break };
            match Reply::decode(&payload) {
                Ok(reply) if reply.ticket.as_deref() == Some(ticket) => {
                    reply.clock.inspect(|clock| self.client.lamport().heard(*clock));
                    answers.extend(reply.answers);
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "this is no reply"),
            }
        }
        Ok(Answers(answers))
    }
}

/// The builder's methods, the same for both.
macro_rules! addressed {
    ($kind:ident) => {
        impl $kind {
            /// Only these workers, by their names.
            pub fn to(mut self, workers: impl IntoIterator<Item = impl Into<String>>) -> Self {
                self.0.destination = workers.into_iter().map(Into::into).collect();
                self
            }

            /// Only workers whose names fit this [glob](super::glob).
            pub fn matching(mut self, pattern: impl Into<String>) -> Self {
                self.0.pattern = Some(pattern.into());
                self
            }

            /// How long to wait for replies. Default one second.
            pub fn timeout(mut self, time: Duration) -> Self {
                self.0.timeout = time;
                self
            }

            /// Waits for so many replies at most.
            pub fn limit(mut self, replies: usize) -> Self {
                self.0.limit = Some(replies);
                self
            }
        }

        impl Deref for $kind {
            type Target = Broadcast;
            fn deref(&self) -> &Broadcast {
                &self.0
            }
        }
    };
}

/// What the methods answer.
type Answered = Result<Answers, RemoteError>;

/// Asks workers. Each method answers with what they replied, as Celery's workers do; errors are those of
/// [`Broadcast::request`].
#[derive(Debug, Clone)]
#[must_use = "nothing is asked yet"]
pub struct Inspect(Broadcast);

addressed!(Inspect);

impl Inspect {
    /// Who is there.
    pub async fn ping(&self) -> Answered {
        self.request("ping", json!({})).await
    }

    /// Their counts, pool, and store.
    pub async fn stats(&self) -> Answered {
        self.request("stats", json!({})).await
    }

    /// What they run now.
    pub async fn active(&self) -> Answered {
        self.request("active", json!({})).await
    }

    /// What they hold and do not run yet.
    pub async fn reserved(&self) -> Answered {
        self.request("reserved", json!({})).await
    }

    /// What waits for its time.
    pub async fn scheduled(&self) -> Answered {
        self.request("scheduled", json!({})).await
    }

    /// Which tasks they shall not start.
    pub async fn revoked(&self) -> Answered {
        self.request("revoked", json!({})).await
    }

    /// Which tasks they know; with these of the tasks' attributes.
    pub async fn registered(&self, attributes: &[&str]) -> Answered {
        self.request("registered", json!({ "taskinfoitems": attributes })).await
    }

    /// Which queues they consume.
    pub async fn active_queues(&self) -> Answered {
        self.request("active_queues", json!({})).await
    }

    /// Where these tasks are.
    pub async fn query_task(&self, ids: &[TaskId]) -> Answered {
        self.request("query_task", json!({ "ids": texts(ids) })).await
    }

    /// How they are configured.
    pub async fn conf(&self, with_defaults: bool) -> Answered {
        self.request("conf", json!({ "with_defaults": with_defaults })).await
    }

    /// What they are, as text.
    pub async fn report(&self) -> Answered {
        self.request("report", json!({})).await
    }

    /// Their logical clocks.
    pub async fn clock(&self) -> Answered {
        self.request("clock", json!({})).await
    }
}

/// Tells workers. Each method answers with what they replied; errors are those of [`Broadcast::request`].
#[derive(Debug, Clone)]
#[must_use = "nothing is told yet"]
pub struct Control(Broadcast);

addressed!(Control);

impl Control {
    /// Not to start these tasks. The workers write it down in the store, so it holds for those that start later, too.
    pub async fn revoke(&self, ids: &[TaskId]) -> Answered {
        self.request("revoke", json!({ "task_id": texts(ids) })).await
    }

    /// Not to start these tasks, and to end them where they run; `signal` as in `SIGTERM`.
    pub async fn terminate(&self, ids: &[TaskId], signal: &str) -> Answered {
        self.request("revoke", json!({ "task_id": texts(ids), "terminate": true, "signal": signal })).await
    }

    /// Not to start tasks with one of these stamps: names, each with one value or several.
    pub async fn revoke_by_stamped_headers(&self, headers: Map<String, Value>, terminate: bool) -> Answered {
        self.request("revoke_by_stamped_headers", json!({ "headers": headers, "terminate": terminate })).await
    }

    /// To start a task so often at most: `10/m`, `2/s`, `100/h`; `0` is no limit. Each worker counts for itself.
    pub async fn rate_limit(&self, task: &str, rate: &str) -> Answered {
        self.request("rate_limit", json!({ "task_name": task, "rate_limit": rate })).await
    }

    /// How long runs of a task may take, in seconds.
    pub async fn time_limit(&self, task: &str, soft: Option<f64>, hard: Option<f64>) -> Answered {
        self.request("time_limit", json!({ "task_name": task, "soft": soft, "hard": hard })).await
    }

    /// To consume this queue as well.
    pub async fn add_consumer(&self, queue: &QueueName) -> Answered {
        self.request("add_consumer", json!({ "queue": queue.as_str() })).await
    }

    /// Not to consume this queue any more.
    pub async fn cancel_consumer(&self, queue: &QueueName) -> Answered {
        self.request("cancel_consumer", json!({ "queue": queue.as_str() })).await
    }

    /// To run so many more tasks at once.
    pub async fn pool_grow(&self, n: usize) -> Answered {
        self.request("pool_grow", json!({ "n": n })).await
    }

    /// To run so many fewer tasks at once.
    pub async fn pool_shrink(&self, n: usize) -> Answered {
        self.request("pool_shrink", json!({ "n": n })).await
    }

    /// Between how many tasks at once they grow and shrink.
    pub async fn autoscale(&self, max: usize, min: usize) -> Answered {
        self.request("autoscale", json!({ "max": max, "min": min })).await
    }

    /// To send events about tasks.
    pub async fn enable_events(&self) -> Answered {
        self.request("enable_events", json!({})).await
    }

    /// To send no more events about tasks.
    pub async fn disable_events(&self) -> Answered {
        self.request("disable_events", json!({})).await
    }

    /// To send a heartbeat event now.
    pub async fn heartbeat(&self) -> Answered {
        self.request("heartbeat", json!({})).await
    }

    /// To stop, once what runs has finished. Nobody replies; about how many heard it.
    ///
    /// # Errors
    ///
    /// As [`Broadcast::tell`].
    pub async fn shutdown(&self) -> Result<usize, RemoteError> {
        self.tell("shutdown", json!({})).await
    }
}

fn texts(ids: &[TaskId]) -> Vec<&str> {
    ids.iter().map(TaskId::as_str).collect()
}

impl Client {
    /// Asks running workers; see [`remote`](crate::remote).
    pub fn inspect(&self) -> Inspect {
        Inspect(Broadcast::new(self.clone()))
    }

    /// Tells running workers; see [`remote`](crate::remote).
    pub fn control(&self) -> Control {
        Control(Broadcast::new(self.clone()))
    }
}
