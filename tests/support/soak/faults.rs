//! What may befall a Redis beside the killing: connections cut, scripts forgotten.

use std::time::{Duration, Instant};

use queue_core::Client;

use super::Soak;
use crate::PATIENCE;

/// A server that has faults.
pub(super) struct Faults(Option<redis::Client>);

impl Faults {
    pub(super) fn new(soak: &Soak) -> Self {
        let wanted = soak.faults && soak.url.starts_with("redis");
        Self(wanted.then(|| redis::Client::open(soak.url.as_str()).unwrap()))
    }

    /// One fault at some turns, while nothing is being sent. When it returns, whoever sends reaches the server again.
    pub(super) async fn turn(&mut self, chance: &mut fastrand::Rng, client: &Client, line: &tokio::sync::Mutex<()>) {
        let Some(server) = &self.0 else { return };
        let command = match chance.u8(0..10) {
            0 | 1 => redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").clone(),
            2 => redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").clone(),
            3 => redis::cmd("SCRIPT").arg("FLUSH").clone(),
            _ => return,
        };
        let _nobody_sends = line.lock().await;
        let mut server = server.get_multiplexed_async_connection().await.unwrap();
        let _: redis::Value = command.query_async(&mut server).await.unwrap();
        let began = Instant::now();
        // What was cut shows at its first use; nothing is sent before that.
        while client.store().now().await.is_err() {
            assert!(began.elapsed() < PATIENCE, "the server does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
