//! Hears of a new master from the sentinels themselves.
//!
//! After a failover the old master, where it still lives, takes writes for some ten seconds until a sentinel makes a replica of
//! it, and all of them are lost. So nobody waits to be thrown out: each sentinel is subscribed to, and the first that names
//! another master has all connections made anew.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;

use super::lines::Lines;
use super::link::Connector;
use super::sentinel::Sentinels;

/// What a sentinel publishes: the master's name, its old host and port, its new ones.
const CHANNEL: &str = "+switch-master";
/// How long to rest after a connection to a sentinel broke.
const REST: Duration = Duration::from_secs(1);
/// How often an idle connection is asked whether it still stands.
const PING: Duration = Duration::from_secs(30);
/// How long a sentinel may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens to all sentinels of `connector` as long as its connections are wanted, unless somebody does. To be called whenever one of
/// them is used: who listened before may have ended with their runtime.
pub(super) fn watch(connector: &Connector) {
    if let Some(sentinels) = &connector.sentinels
        && connector.lines.begin_watch()
    {
        let watching = Watching(Arc::downgrade(&connector.lines));
        tokio::spawn(listen_to_all(Arc::clone(sentinels), watching));
    }
}

/// Says so when it ends, however that happens: a runtime drops its tasks.
struct Watching(Weak<Lines>);

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(lines) = self.0.upgrade() {
            lines.end_watch();
        }
    }
}

async fn listen_to_all(sentinels: Arc<Sentinels>, watching: Watching) {
    join_all((0..sentinels.count()).map(|node| listen(&sentinels, node, &watching.0))).await;
}

async fn listen(sentinels: &Sentinels, node: usize, lines: &Weak<Lines>) {
    while lines.strong_count() > 0 {
        if let Err(error) = serve(sentinels, node, lines).await {
            tracing::debug!(sentinel = sentinels.name(node), %error, "this sentinel cannot be listened to");
        }
        tokio::time::sleep(REST.mul_f64(1.0 + fastrand::f64())).await;
    }
}

/// Listens to one sentinel until its connection breaks or nobody wants to know.
async fn serve(sentinels: &Sentinels, node: usize, lines: &Weak<Lines>) -> redis::RedisResult<()> {
    let slow = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let subscribed = async {
        let (mut sink, stream) = sentinels.client(node).get_async_pubsub().await?.split();
        sink.subscribe(CHANNEL).await?;
        redis::RedisResult::Ok((sink, stream))
    };
    let (mut sink, mut stream) = tokio::time::timeout(PATIENCE, subscribed).await.map_err(slow)??;
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            () = tokio::time::sleep(PING) => {
                if lines.strong_count() == 0 {
                    return Ok(());
                }
                tokio::time::timeout(PATIENCE, sink.ping::<redis::Value>()).await.map_err(slow)??;
                continue;
            }
        };
        let (Some(message), Some(lines)) = (message, lines.upgrade()) else { return Ok(()) };
        if let Some(place) = sentinels.switched(node, &message.get_payload::<String>()?) {
            tracing::warn!(master = place, "another server is the master now: connecting to it");
            lines.switch();
        }
    }
}
