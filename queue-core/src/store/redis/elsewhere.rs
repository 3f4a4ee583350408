//! Where results and chords are: with the messages, in another database of their server, or on another server.

use std::sync::Arc;

use redis::ConnectionAddr;

use super::hub::Hub;
use super::keys::Keys;
use super::link::{Connector, Link};
use super::options::RedisOptions;
use super::place::Place;
use super::sentinel::Sentinels;
use crate::store::StoreError;
use crate::store::url::mask;

/// The place of results, where that is not the place of messages.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) link: Link,
    /// Of another server. Channels do not know of databases.
    pub(super) hub: Option<Hub>,
    /// The databases of messages and of results, on one server.
    pub(super) databases: Option<(i64, i64)>,
}

impl Elsewhere {
    /// Results at `url`; `None` where the messages are. The URL's parameter `prefix` is noted in `named`.
    pub(super) fn new(url: &str, messages: &Connector, named: &mut RedisOptions) -> Result<Option<Self>, StoreError> {
        let masked = mask(url);
        let unusable = |why: String| StoreError::Foreign { url: masked.clone(), why };
        let Place { client, sentinels, named: own } = Place::of(url, RedisOptions::default()).map_err(unusable)?;
        named.result_prefix = own.of_results(&named.result_prefix).map_err(unusable)?;
        let same_server = server(&client) == server(&messages.client)
            && same_sentinels(sentinels.as_ref(), messages.sentinels.as_deref());
        let databases = (database(&messages.client), database(&client));
        if same_server && databases.0 == databases.1 {
            return Ok(None);
        }
        let sentinels = sentinels.map(Arc::new);
        // On one server what one connection finds out is news to all.
        let lines = if same_server { Arc::clone(&messages.lines) } else { Arc::default() };
        let connector = Connector { client, sentinels, url: masked.clone(), lines, ..messages.clone() };
        let hub = (!same_server).then(|| Hub::new(connector.clone(), &Keys::new(named).result("*")));
        Ok(Some(Self { link: connector.link(), hub, databases: same_server.then_some(databases) }))
    }
}

/// Two with the same address and user are one server: a script of the one reaches the other's database.
fn server(client: &redis::Client) -> (&ConnectionAddr, Option<&str>) {
    let info = client.get_connection_info();
    (info.addr(), info.redis_settings().username())
}

/// With sentinels the address is no address.
fn same_sentinels(one: Option<&Sentinels>, other: Option<&Sentinels>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_same(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn database(client: &redis::Client) -> i64 {
    client.get_connection_info().redis_settings().db()
}
