//! What all parts of one open store share.

use super::elsewhere::Elsewhere;
use super::hub::Hub;
use super::keys::Keys;
use super::known_queues::KnownQueues;
use super::link::{Connector, Link};
use super::scripts::Scripts;
use crate::names::QueueName;
use crate::store::{StoreError, StoreOptions};

/// See the module.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) connector: Connector,
    pub(super) link: Link,
    pub(super) hub: Hub,
    pub(super) scripts: Scripts,
    pub(super) keys: Keys,
    pub(super) elsewhere: Option<Elsewhere>,
    pub(super) options: StoreOptions,
    pub(super) known_queues: KnownQueues,
}

impl Inner {
    /// Refuses queues that cannot be told from others' lists.
    pub(super) fn check_queues<'a>(&self, queues: impl IntoIterator<Item = &'a QueueName>) -> Result<(), StoreError> {
        match queues.into_iter().find_map(|queue| self.keys.fault(queue)) {
            None => Ok(()),
            Some(why) => Err(StoreError::Foreign { url: self.connector.url.clone(), why }),
        }
    }

    /// Makes the server know the scripts.
    pub(super) async fn load_scripts(&self) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        for script in self.scripts.all() {
            pipe.add_command(script.load()).ignore();
        }
        match self.link.pipe::<()>(&pipe).await {
            // A replica refuses to load them; each is loaded when it is first called.
            Err(StoreError::ReadOnly { .. }) => Ok(()),
            loaded => loaded,
        }
    }

    /// The server's time plus the clock's skew, Unix ms.
    pub(super) async fn now_ms(&self, link: &Link) -> Result<i64, StoreError> {
        let (seconds, micros): (i64, i64) = link.query(&redis::cmd("TIME")).await?;
        Ok(seconds * 1000 + micros / 1000 + self.options.clock.skew_ms())
    }

    /// The connection to results and chords.
    pub(super) fn results_link(&self) -> &Link {
        self.elsewhere.as_ref().map_or(&self.link, |elsewhere| &elsewhere.link)
    }

    /// Announces results.
    pub(super) fn results_hub(&self) -> &Hub {
        self.elsewhere.as_ref().and_then(|elsewhere| elsewhere.hub.as_ref()).unwrap_or(&self.hub)
    }

    /// For a script: the databases of messages and results, empty where both are one.
    pub(super) fn databases(&self) -> (String, String) {
        let databases = self.elsewhere.as_ref().and_then(|elsewhere| elsewhere.databases);
        databases.map_or_else(Default::default, |(messages, results)| (messages.to_string(), results.to_string()))
    }

    /// Whether a step of this server cannot reach results.
    pub(super) fn has_two_servers(&self) -> bool {
        self.elsewhere.as_ref().is_some_and(|elsewhere| elsewhere.databases.is_none())
    }
}
