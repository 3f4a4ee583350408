//! What may befall a Redis beside the killing: connections cut, scripts forgotten.

use std::time::{Duration, Instant};

use queue_core::Client;
use redis::AsyncConnectionConfig;

use super::Soak;
use crate::PATIENCE;

/// A server that has faults.
pub(super) struct Faults(Option<redis::Client>);

impl Faults {
    pub(super) fn new(soak: &Soak) -> Self {
        Self(soak.has_faults().then(|| redis::Client::open(soak.url.as_str()).unwrap()))
    }

    /// One fault at some turns, whatever is being sent. When it returns, whoever looks into the store reaches the server again.
    pub(super) async fn turn(&mut self, chance: &mut fastrand::Rng, client: &Client) {
        let Some(server) = &self.0 else { return };
        let command = match chance.u8(0..10) {
            0 | 1 => redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").clone(),
            2 => redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").clone(),
            3 => redis::cmd("SCRIPT").arg("FLUSH").clone(),
            _ => return,
        };
        // A busy host is none of the faults.
        let patience = AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE));
        let patience = patience.set_response_timeout(Some(PATIENCE));
        let mut server = server.get_multiplexed_async_connection_with_config(&patience).await.unwrap();
        let _: redis::Value = command.query_async(&mut server).await.unwrap();
        let began = Instant::now();
        // What was cut shows at its first use: a look, unlike what is sent, is not tried again.
        while client.store().now().await.is_err() {
            assert!(began.elapsed() < PATIENCE, "the server does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
