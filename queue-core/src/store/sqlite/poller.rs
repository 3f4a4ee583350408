//! The thread that notices what other processes wrote to the file, and what has become due.
//!
//! `PRAGMA data_version` costs microseconds and tells that somebody has committed, not what: then the counts of the
//! queues that are waited for are read, and the results newer than the last ones seen. It looks every 2 ms while there
//! is something to see and backs off to 25 ms; while nobody waits, it sleeps.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::hub::{Hub, Watch};
use super::presence::Watched;
use super::threads::Alive;
use super::tx::{Kind, Meta, Wake};
use super::{bus, results, sql};
use crate::clock::{Clock, Timestamp};
use crate::names::TaskId;

const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(25);
/// So many looks in vain before backing off.
const STEADY: u32 = 25;
/// Results read at once.
const SLICE: i64 = 1000;

/// Starts the thread; without a connection (a database in memory) it only looks at the clock.
pub(super) fn start(connection: Option<Watched>, hub: Arc<Hub>, clock: Clock, alive: Alive) -> std::io::Result<()> {
    let poller = Poller { hub, clock, version: -1, results: None, posts: None, vain: 0 };
    std::thread::Builder::new().name("queue-sqlite-poll".into()).spawn(move || {
        poller.run(connection.as_ref());
        drop(connection);
        drop(alive);
    })?;
    Ok(())
}

struct Poller {
    hub: Arc<Hub>,
    clock: Clock,
    version: i64,
    /// The last result seen; `None` while nobody waits for one.
    results: Option<i64>,
    /// The last post seen; `None` while nobody listens.
    posts: Option<i64>,
    vain: u32,
}

impl Poller {
    fn run(mut self, connection: Option<&Watched>) {
        while let Some(watch) = self.hub.next_watch(self.pause()) {
            if let Some(connection) = connection {
                self.try_to_look(connection, &watch);
            }
            self.hub.wake_due(self.clock.now());
        }
    }

    fn try_to_look(&mut self, connection: &Watched, watch: &Watch) {
        if let Err(error) = connection.check().and_then(|()| Ok(self.look(connection, watch)?)) {
            tracing::debug!(?error, "the file could not be watched");
            self.vain = u32::MAX;
            // What was to be seen for the first time still is.
            self.version = -1;
        }
    }

    fn pause(&self) -> Duration {
        let doublings = self.vain.saturating_sub(STEADY).min(4);
        (SHORTEST * 2_u32.pow(doublings)).min(LONGEST)
    }

    fn look(&mut self, connection: &Connection, watch: &Watch) -> rusqlite::Result<()> {
        let version = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        let changed = self.version != version;
        self.version = version;
        self.vain = if changed { 0 } else { self.vain.saturating_add(1) };
        if changed || watch.fresh {
            self.look_at_queues(connection, &watch.queues)?;
            self.look_at_results(connection, watch)?;
            self.look_at_posts(connection, watch.posts)?;
        }
        Ok(())
    }

    fn look_at_queues(&self, connection: &Connection, queues: &[i64]) -> rusqlite::Result<()> {
        for &queue in queues {
            let mut tally = connection.prepare_cached(sql::TALLY_READ)?;
            let mut rows = tally.query([queue])?;
            while let Some(row) = rows.next()? {
                let n = usize::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
                match row.get::<_, u8>(0)? {
                    kind if kind == Kind::Ready as u8 => self.hub.wake(queue, Wake::Fresh, n),
                    kind if kind == Kind::Suspect as u8 => self.hub.wake(queue, Wake::Suspect, n),
                    _ => (),
                }
            }
            let due = connection.prepare_cached(sql::NEXT_DUE)?.query_row([queue], |row| row.get(0)).optional()?;
            self.hub.due(queue, due.map(Timestamp::from_millis));
        }
        Ok(())
    }

    fn look_at_results(&mut self, connection: &Connection, watch: &Watch) -> rusqlite::Result<()> {
        if !watch.results {
            self.results = None;
            return Ok(());
        }
        let (mut last, by_name) = match self.results {
            Some(last) => (last, Cow::Borrowed(&watch.new_results[..])),
            // From here on; who waited before this moment is looked for by name, also if an earlier look for it has failed.
            None => (Meta::read(connection)?.sequence, Cow::Owned(self.hub.awaited())),
        };
        for id in by_name.iter() {
            if let Some(meta) = results::get(connection, id, self.clock.now())? {
                self.hub.result(id, &meta);
            }
        }
        loop {
            let mut statement = connection.prepare_cached(sql::RESULT_SINCE)?;
            let mut rows = statement.query(params![last, SLICE])?;
            let mut seen = 0;
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                seen += 1;
                if let Ok(id) = TaskId::new(row.get_ref(1)?.as_str().unwrap_or_default()) {
                    self.hub.result(&id, &Bytes::copy_from_slice(row.get_ref(2)?.as_blob().unwrap_or_default()));
                }
            }
            if seen < SLICE {
                self.results = Some(last);
                return Ok(());
            }
        }
    }

    /// Whoever began to listen before this look hears what is posted after it.
    fn look_at_posts(&mut self, connection: &Connection, listened_to: bool) -> rusqlite::Result<()> {
        if !listened_to {
            self.posts = None;
            return Ok(());
        }
        match self.posts {
            Some(last) => self.posts = Some(bus::hand_on(connection, &self.hub, last)?),
            None => self.posts = Some(Meta::read(connection)?.sequence),
        }
        self.hub.listening_stands();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::super::{SqliteStore, connection};
    use super::*;
    use crate::store::{Results, StoreOptions, StoredResult};

    fn watched(connection: Connection) -> Watched {
        Watched::new(connection, None)
    }

    /// Another process stores a result between a look that fails, the first one for whoever waits, and the next.
    #[tokio::test]
    async fn a_first_look_that_fails_misses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let others = SqliteStore::open(Some(path.clone()), StoreOptions::default()).await.unwrap();
        let (hub, clock, id) = (Arc::new(Hub::default()), Clock::system(), TaskId::random());
        let mut poller = Poller { hub: Arc::clone(&hub), clock, version: -1, results: None, posts: None, vain: 0 };
        let mut waiting = hub.wait_for_result(&id, |_| true);

        // No table is there.
        poller.try_to_look(&watched(Connection::open_in_memory().unwrap()), &hub.next_watch(SHORTEST).unwrap());
        assert_eq!(poller.results, None);
        let meta = Bytes::from_static(b"{}");
        others.put_results(&[StoredResult { id, meta: meta.clone(), ttl: None }]).await.unwrap();
        poller.try_to_look(&watched(connection::open_reader(&path).unwrap()), &hub.next_watch(SHORTEST).unwrap());
        assert_eq!(waiting.result().now_or_never(), Some(Some(meta)));
    }
}
