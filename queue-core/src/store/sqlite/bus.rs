//! Posts and replies: rows that the pollers of all processes read, and that later posts and heartbeats delete after a minute.
//!
//! A database in memory has one process, so nothing is written there: what is posted is handed on at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use super::fault::Outcome;
use super::hub::Hub;
use super::tx::Tx;
use super::{Core, SqliteStore, sql};
use crate::store::{Bus, Interest, Listening, ReplyBox, ReplyTo, StoreError, Topic};

/// How long a row is kept: much longer than a poller takes to read it.
const KEPT: Duration = Duration::from_secs(60);
/// Rows that one post deletes at most.
const TIDIED: i64 = 200;
/// Rows read at once.
const SLICE: i64 = 1000;

/// A topic as a row has it.
fn row_topic(topic: &Topic) -> String {
    match topic {
        Topic::Control => "control".to_owned(),
        Topic::Event(routing_key) => format!("event/{routing_key}"),
    }
}

/// Whether a row's topic is one that somebody listens to.
fn covered(interest: &Interest, topic: &str) -> bool {
    match interest {
        Interest::Control => topic == "control",
        Interest::Events(start) => topic.strip_prefix("event/").is_some_and(|key| key.starts_with(start.as_str())),
    }
}

fn reply_topic(to: &ReplyTo) -> String {
    format!("reply/{}/{}", to.exchange, to.routing_key)
}

impl Core {
    /// Posts; says about how many hear it.
    async fn post(&self, topic: String, payload: Bytes) -> Result<usize, StoreError> {
        if self.in_memory {
            return Ok(self.hub.post(&topic, &payload));
        }
        // Not waited for on the disk: after a crash of the host nobody is left who listened.
        self.in_time(self.writer.call_unsynced(move |tx| post(tx, &topic, &payload), |_| ())).await
    }

    async fn ear(self: &Arc<Self>, topics: impl Fn(&str) -> bool + Send + 'static) -> Result<Listening, StoreError> {
        let (heard, posts) = Listening::channel();
        let (stands, standing) = oneshot::channel();
        let number = self.hub.listen(topics, heard, (!self.in_memory).then_some(stands));
        let ear = Ear { core: Arc::clone(self), number };
        if !self.in_memory {
            // An error of it says that the store is closed, and so will the listening.
            let stands = self.in_time(async { standing.await.or(Ok(())) }).await;
            stands.map_err(StoreError::of_known_outcome)?;
        }
        Ok(Listening::new(posts, ear))
    }
}

fn post(tx: &mut Tx<'_>, topic: &str, payload: &[u8]) -> Outcome<usize> {
    let now = tx.now.as_millis();
    expire(tx, params![now, TIDIED])?;
    let seq = tx.number();
    tx.prepare(sql::POST_INSERT)?.execute(params![seq, topic, tx.now.after(KEPT).as_millis(), payload])?;
    let workers: i64 = tx.prepare(sql::WORKER_COUNT)?.query_row([now], |row| row.get(0))?;
    Ok(usize::try_from(workers).unwrap_or(0))
}

/// Deletes a slice of what has expired; how many rows.
pub(super) fn expire(tx: &Tx<'_>, slice: &[&dyn rusqlite::ToSql]) -> Outcome<usize> {
    Ok(tx.prepare(sql::POST_EXPIRE)?.execute(slice)?)
}

/// Gives the posts newer than `last` to those who listen; which is the last now.
pub(super) fn hand_on(connection: &Connection, hub: &Hub, mut last: i64) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(sql::POST_SINCE)?;
    loop {
        let mut rows = statement.query(params![last, SLICE])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            seen += 1;
            hub.post(row.get_ref(1)?.as_str().unwrap_or_default(), row.get_ref(2)?.as_blob().unwrap_or_default());
        }
        if seen < SLICE {
            return Ok(last);
        }
    }
}

#[async_trait]
impl Bus for SqliteStore {
    async fn publish(&self, topic: &Topic, payload: &[u8]) -> Result<usize, StoreError> {
        self.core.post(row_topic(topic), Bytes::copy_from_slice(payload)).await
    }

    async fn listen(&self, interest: Interest) -> Result<Listening, StoreError> {
        self.core.ear(move |topic| covered(&interest, topic)).await
    }

    async fn open_box(&self) -> Result<Box<dyn ReplyBox>, StoreError> {
        let address = ReplyTo::fresh();
        let topic = reply_topic(&address);
        let replies = self.core.ear(move |posted| posted == topic).await?;
        Ok(Box::new(SqliteBox { address, replies }))
    }

    async fn reply(&self, to: &ReplyTo, payload: &[u8]) -> Result<(), StoreError> {
        self.core.post(reply_topic(to), Bytes::copy_from_slice(payload)).await.map(drop)
    }
}

/// A reply box: somebody listens to a topic of its own.
#[derive(Debug)]
struct SqliteBox {
    address: ReplyTo,
    replies: Listening,
}

#[async_trait]
impl ReplyBox for SqliteBox {
    fn address(&self) -> &ReplyTo {
        &self.address
    }

    async fn take(&mut self, at_most: Duration) -> Result<Option<Bytes>, StoreError> {
        Ok(tokio::time::timeout(at_most, self.replies.next()).await.unwrap_or(None))
    }

    async fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Ends its listening when dropped.
#[derive(Debug)]
struct Ear {
    core: Arc<Core>,
    number: u64,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.core.hub.unlisten(self.number);
    }
}

/// Everybody who listens.
#[derive(Default)]
pub(super) struct Ears(Vec<Listener>);

type Topics = Box<dyn Fn(&str) -> bool + Send>;

struct Listener {
    number: u64,
    topics: Topics,
    posts: mpsc::Sender<Bytes>,
    stands: Option<oneshot::Sender<()>>,
}

impl std::fmt::Debug for Ears {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|listener| listener.number)).finish()
    }
}

impl Ears {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(
        &mut self,
        number: u64,
        topics: Topics,
        posts: mpsc::Sender<Bytes>,
        stands: Option<oneshot::Sender<()>>,
    ) {
        self.0.push(Listener { number, topics, posts, stands });
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.0.retain(|listener| listener.number != number);
    }

    /// Tells those who wait for it that they will hear what comes.
    pub(super) fn stand(&mut self) {
        for stands in self.0.iter_mut().filter_map(|listener| listener.stands.take()) {
            // It may have just gone away.
            let _ = stands.send(());
        }
    }

    pub(super) fn tell(&self, topic: &str, payload: &[u8]) -> usize {
        // Who has just come hears what is posted from now on, not what is only read now.
        let concerned = self.0.iter().filter(|listener| listener.stands.is_none() && (listener.topics)(topic));
        // A listener that has fallen far behind misses what is newest.
        concerned.filter(|listener| listener.posts.try_send(Bytes::copy_from_slice(payload)).is_ok()).count()
    }
}
