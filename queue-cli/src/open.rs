//! Opens the store, and makes no file where somebody only wants to look.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use queue_core::store::{self, ConnectError, Store, StoreError, StoreOptions, StoreUrl};
use queue_core::{QueueName, TaskId, Timestamp};

use crate::error::CliError;
use crate::exit::Exit;
use crate::out::Out;
use crate::progress;
use crate::seen::Seen;

/// How long a store is tried whose connections break while it is opened.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first pause between two tries; each is twice the last, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What every command gets.
#[derive(Debug)]
pub(crate) struct Session {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// The store's time when the command began.
    pub(crate) now: Timestamp,
    /// Where output goes.
    pub(crate) out: Out,
}

impl Session {
    /// Every message of task `id`. In a long queue that takes a while: it is searched in small steps.
    pub(crate) async fn find(&self, id: &TaskId) -> Result<Vec<Seen>, StoreError> {
        let _sign = progress::searching();
        Ok(self.store.find(id).await?.into_iter().map(Seen::from).collect())
    }

    /// The queues meant: the one named, or all there are.
    pub(crate) async fn queues(&self, named: &[QueueName]) -> Result<Vec<QueueName>, CliError> {
        let known = self.store.queues().await?;
        if named.is_empty() {
            return Ok(known);
        }
        if let Some(missing) = named.iter().find(|queue| !known.contains(queue)) {
            let known: Vec<_> = known.iter().map(|queue| format!("`{queue}`")).collect();
            let hint = match known.len() {
                0 => "this store has no queues yet".to_owned(),
                1..=20 => format!("queues here: {}", known.join(", ")),
                many => format!("queues here: {} and {} more", known[..20].join(", "), many - 20),
            };
            return Err(CliError::not_found(format!("there is no queue `{missing}` in this store"), hint));
        }
        Ok(named.to_vec())
    }
}

/// Whether a missing SQLite file may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The command looks at or mends what is there.
    Existing,
    /// The command puts something in.
    Create,
}

/// Where the store is.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its URL.
    pub(crate) url: String,
    /// Of its results, if they are elsewhere.
    pub(crate) results: Option<String>,
}

/// Opens the store.
pub(crate) async fn open(place: &Place, access: Access, out: Out) -> Result<Session, CliError> {
    let new = match StoreUrl::parse(&place.url)? {
        StoreUrl::Sqlite(None) => {
            return Err(CliError::usage(
                "`sqlite::memory:` lives inside one process, there is nothing in it to look at",
                "give the file that your workers use: --url sqlite:queue.db",
            ));
        }
        StoreUrl::Sqlite(Some(path)) => check_file(&path, access)?.then_some(path),
        _ => None,
    };
    let (store, now) = connect(place).await?;
    if let Some(path) = new {
        out.note(&format!("note: `{}` is new", path.display()));
    }
    Ok(Session { store, now, out })
}

/// Connects, and asks for the time. A connection that breaks is made anew for a while; a store that cannot be reached is told at
/// once, since its URL may be wrong.
async fn connect(place: &Place) -> Result<(Arc<dyn Store>, Timestamp), ConnectError> {
    let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        match try_once(place).await {
            Err(ConnectError::Store(error)) if error.is_broken_connection() && began.elapsed() + pause < PATIENCE => {}
            tried => return tried,
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(2 * pause);
    }
}

async fn try_once(place: &Place) -> Result<(Arc<dyn Store>, Timestamp), ConnectError> {
    let store = store::connect_with(&place.url, StoreOptions::with_results(place.results.clone())).await?;
    let now = store.now().await?;
    Ok((store, now))
}

/// Whether the file is to be made.
fn check_file(path: &Path, access: Access) -> Result<bool, CliError> {
    let shown = path.display();
    match (path.metadata(), access) {
        (Ok(meta), _) if meta.is_dir() => {
            Err(said(format!("`{shown}` is a directory"), "name the file in it: --url sqlite:DIRECTORY/queue.db"))
        }
        (Ok(_), _) => Ok(false),
        (Err(error), Access::Existing) if error.kind() == std::io::ErrorKind::NotFound => Err(said(
            format!("there is no file `{shown}`"),
            "say where the jobs are: --url sqlite:PATH or redis://HOST:6379/0, or set QUEUE_URL",
        )),
        (Err(error), Access::Create) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        (Err(error), _) => Err(said(format!("`{shown}` cannot be read: {error}"), "")),
    }
}

fn said(text: String, hint: &str) -> CliError {
    CliError::Said { exit: Exit::Store, text, hint: hint.to_owned() }
}
