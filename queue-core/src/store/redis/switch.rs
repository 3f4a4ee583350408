//! Hears of a new master from the sentinels themselves.
//!
//! After a failover the old master, where it still lives, takes writes for some ten seconds until a sentinel makes a replica of
//! it, and all of them are lost. So nobody waits to be thrown out: each sentinel is subscribed to, and the first that names
//! another master has all connections made anew.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;

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

/// Listens to all sentinels of `connector` as long as its connections are wanted.
pub(super) fn watch(connector: &Connector) {
    let Some(sentinels) = &connector.sentinels else { return };
    for node in 0..sentinels.count() {
        tokio::spawn(listen(Arc::clone(sentinels), node, Arc::downgrade(&connector.lines)));
    }
}

async fn listen(sentinels: Arc<Sentinels>, node: usize, lines: Weak<Lines>) {
    while lines.strong_count() > 0 {
        if let Err(error) = serve(&sentinels, node, &lines).await {
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
