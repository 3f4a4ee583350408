//! Posts and replies on Redis: kombu's fanout channels and reply queues, so that Celery's workers and clients hear
//! them and are heard.
//!
//! Posts are published and kept nowhere. A reply queue is bound in kombu's routing table while its box is open: who
//! replies looks there first, and drops a reply that nobody waits for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use super::RedisStore;
use super::hub::{Channel, News, Subscription};
use super::inner::Inner;
use super::keys::{Keys, reply_queue};
use super::link::Link;
use super::times::{deadline, ms};
use crate::store::{Bus, Interest, Listening, ReplyBox, ReplyTo, StoreError, Topic};

/// How long kombu keeps a routing table of queues that expire after it was last used.
const BINDING_FOR: Duration = Duration::from_secs(3600);
/// How long replies are kept that nobody takes.
const REPLY_FOR: Duration = Duration::from_secs(60);
/// How long one call to the server waits for a reply, at most.
const BLOCK: Duration = Duration::from_secs(2);

#[async_trait]
impl Bus for RedisStore {
    async fn publish(&self, topic: &Topic, payload: &[u8]) -> Result<usize, StoreError> {
        let db = self.0.database();
        let channel = match topic {
            Topic::Control => self.0.keys.control(db),
            Topic::Event(routing_key) => self.0.keys.events(db, routing_key),
        };
        self.0.link.query(redis::cmd("PUBLISH").arg(channel).arg(payload)).await
    }

    async fn listen(&self, interest: Interest) -> Result<Listening, StoreError> {
        let db = self.0.database();
        let channel = match interest {
            Interest::Control => Channel::Named(self.0.keys.control(db)),
            Interest::Events(start) => Channel::Pattern(self.0.keys.events(db, &format!("{}*", escaped(&start)))),
        };
        let (heard, posts) = Listening::channel();
        let standing = std::sync::Arc::new(Standing::default());
        let stands = std::sync::Arc::clone(&standing);
        let ear = self.0.hub.listen(channel, move |news| match news {
            // A listener that has fallen so far behind misses what is newest.
            News::Message(payload) => _ = heard.try_send(Bytes::copy_from_slice(payload)),
            News::Stands => stands.tell(true),
            News::Broke => stands.tell(false),
        });
        standing.wait(&self.0, ear).await.map(|ear| Listening::new(posts, ear))
    }

    async fn open_box(&self) -> Result<Box<dyn ReplyBox>, StoreError> {
        let address = ReplyTo::fresh();
        let link = self.0.connector.link();
        let deadline = self.0.now_ms(&link).await? + ms(BINDING_FOR);
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("ZADD").arg(self.0.keys.binding_deadlines()).arg("GT").arg(deadline).arg(&address.exchange).ignore();
        pipe.cmd("SADD").arg(self.0.keys.binding(&address.exchange)).arg(member(&self.0.keys, &address)).ignore();
        link.pipe::<()>(&pipe).await?;
        Ok(Box::new(RedisBox { address, store: Arc::clone(&self.0), link }))
    }

    async fn reply(&self, to: &ReplyTo, payload: &[u8]) -> Result<(), StoreError> {
        let mut ask = redis::cmd("SMEMBERS");
        let bound: Vec<String> = self.0.link.query(ask.arg(self.0.keys.binding(&to.exchange))).await?;
        let mut pipe = redis::pipe();
        pipe.atomic();
        let keys = &self.0.keys;
        let meant = bound.iter().filter_map(|one| keys.parse_binding(one)).filter(|one| one.0 == to.routing_key);
        for list in meant.filter_map(|(_, queue)| keys.lists(queue).into_iter().next()) {
            pipe.cmd("LPUSH").arg(&list).arg(payload).ignore();
            pipe.cmd("PEXPIRE").arg(&list).arg(ms(REPLY_FOR)).ignore();
        }
        if pipe.is_empty() { Ok(()) } else { self.0.link.pipe(&pipe).await }
    }
}

impl Inner {
    /// The database's number, which kombu writes into the names of channels: PUBLISH knows no databases.
    fn database(&self) -> i64 {
        self.connector.client.get_connection_info().redis_settings().db()
    }
}

fn member(keys: &Keys, address: &ReplyTo) -> String {
    keys.reply_binding(&address.exchange, &address.routing_key)
}

/// `text` as part of a pattern that means itself.
fn escaped(text: &str) -> String {
    let special = |c| matches!(c, '*' | '?' | '[' | ']' | '^' | '\\');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Tells when a subscription stands.
#[derive(Default)]
struct Standing {
    said: std::sync::Mutex<Option<bool>>,
    news: Notify,
}

impl Standing {
    fn tell(&self, stands: bool) {
        *self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(stands);
        self.news.notify_one();
    }

    /// Waits until it stands; an error when the connection cannot be made (in time).
    async fn wait(&self, store: &Inner, ear: Subscription) -> Result<Subscription, StoreError> {
        let patience = store.connector.connect_timeout + store.connector.response_timeout;
        let told = tokio::time::timeout(patience, self.news.notified()).await;
        let said = *self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (told, said) {
            (Ok(()), Some(true)) => Ok(ear),
            _ => Err(store.connector.unreachable(std::io::Error::from(std::io::ErrorKind::NotConnected), false)),
        }
    }
}

/// A reply queue, and the connection that waits on it.
#[derive(Debug)]
struct RedisBox {
    address: ReplyTo,
    store: Arc<Inner>,
    link: Link,
}

impl RedisBox {
    /// The queue's lists, as kombu's client waits on them.
    fn lists(&self) -> Vec<String> {
        self.store.keys.lists(&reply_queue(&self.address.exchange, &self.address.routing_key))
    }
}

#[async_trait]
impl ReplyBox for RedisBox {
    fn address(&self) -> &ReplyTo {
        &self.address
    }

    async fn take(&mut self, at_most: Duration) -> Result<Option<Bytes>, StoreError> {
        let ends = deadline(at_most);
        // An answer that the server holds back for longer than it may take looks like none.
        let most = BLOCK.min(self.store.connector.response_timeout / 2);
        loop {
            let left = ends.saturating_duration_since(std::time::Instant::now()).min(most);
            let mut wait = redis::cmd("BRPOP");
            // Zero would be for ever.
            wait.arg(self.lists()).arg(left.as_secs_f64().max(0.001));
            if let Some((_, reply)) = self.link.query::<Option<(String, Vec<u8>)>>(&wait).await? {
                return Ok(Some(Bytes::from(reply)));
            }
            if left < most {
                return Ok(None);
            }
        }
    }

    async fn close(self: Box<Self>) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        let keys = &self.store.keys;
        pipe.cmd("SREM").arg(keys.binding(&self.address.exchange)).arg(member(keys, &self.address)).ignore();
        pipe.cmd("DEL").arg(self.lists()).ignore();
        self.link.pipe(&pipe).await
    }
}
