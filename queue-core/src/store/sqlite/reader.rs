//! The one thread of this process that only reads, so that looking never waits for writing.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::{Fault, Outcome};
use super::presence::Watched;
use super::threads::Alive;
use super::writer::Writer;
use crate::store::StoreError;

type Look = Box<dyn FnOnce(&Watched) + Send>;

/// Sends looks to the thread; a database in memory has one connection, which the writer keeps.
#[derive(Debug, Clone)]
pub(super) enum Reader {
    /// A thread and a connection of its own.
    Own { inbox: Sender<Look>, url: Arc<str> },
    /// The writer's.
    Shared(Writer),
}

impl Reader {
    /// Starts the thread, which ends when the last clone is gone.
    pub(super) fn start(connection: Watched, url: Arc<str>, alive: Alive) -> std::io::Result<Self> {
        let (inbox, looks) = channel::<Look>();
        let run = move || {
            looks.iter().for_each(|look| look(&connection));
            drop(connection);
            drop(alive);
        };
        std::thread::Builder::new().name("queue-sqlite-read".into()).spawn(run)?;
        Ok(Self::Own { inbox, url })
    }

    /// Reads. `look` sees one state of the database only if it asks once.
    pub(super) async fn look<T, L>(&self, mut look: L) -> Result<T, StoreError>
    where
        T: Send + 'static,
        L: FnMut(&Connection) -> Outcome<T> + Send + 'static,
    {
        match self {
            Self::Shared(writer) => writer.call(move |tx| look(tx.connection())).await,
            Self::Own { inbox, url } => {
                let (reply, answer) = oneshot::channel();
                // What lies in a file or a log that others do not see is not true any more.
                let mut look = move |connection: &Watched| connection.check().and_then(|()| look(connection));
                // Nobody waits any more: then nobody needs the answer.
                let sent = inbox.send(Box::new(move |connection| drop(reply.send(look(connection)))));
                let outcome = match sent {
                    Ok(()) => answer.await.unwrap_or(Err(Fault::Gone)),
                    Err(_) => Err(Fault::Gone),
                };
                outcome.map_err(|fault| fault.tell(url, false))
            }
        }
    }
}
