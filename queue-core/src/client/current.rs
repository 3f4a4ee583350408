//! Which client `.delay()` uses: that of the scope, that of the running task, the installed one, `$QUEUE_URL`.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

use super::Client;
use crate::store::ConnectError;
use crate::task::Context;

tokio::task_local! {
    static SCOPED: Client;
}

static INSTALLED: OnceLock<Client> = OnceLock::new();
static FROM_ENV: OnceCell<Client> = OnceCell::const_new();

/// Another store's client is installed already; one process has one default store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a client of the store `{installed}` is installed already, so one of `{refused}` cannot be")]
pub struct InstallError {
    /// The URL of the installed one, secrets masked.
    pub installed: String,
    /// The URL of the one refused, secrets masked.
    pub refused: String,
}

impl InstallError {
    /// What to do instead.
    pub fn hint(&self) -> &'static str {
        "send with `client.send(call)`, or run the code that uses another store in `client.scope(…)`"
    }
}

impl Client {
    /// Makes this the client that `.delay()` and `.send()` use in this process, outside running tasks and scopes.
    /// Installing another client of the same store again changes nothing.
    ///
    /// # Errors
    ///
    /// [`InstallError`] when a client of another store is installed.
    pub fn install(&self) -> Result<(), InstallError> {
        let installed = INSTALLED.get_or_init(|| self.clone());
        if Arc::ptr_eq(installed.store(), self.store()) {
            return Ok(());
        }
        Err(InstallError {
            installed: installed.store().display_url().to_owned(),
            refused: self.store().display_url().to_owned(),
        })
    }

    /// Runs `future` with this client as the one that `.delay()` and `.send()` use within it, but not in what it
    /// spawns. For tests, and programs with several stores.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        SCOPED.scope(self.clone(), future)
    }

    /// The client that `.delay()` uses here: the innermost [`Client::scope`], else the running task's worker's, else
    /// the [installed](Client::install) one, else one of `$QUEUE_URL`, which is opened once.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the store at `$QUEUE_URL` cannot be opened.
    pub async fn current() -> Result<Self, ConnectError> {
        if let Some(client) = Self::of_scope(Context::current().as_ref()) {
            return Ok(client);
        }
        FROM_ENV.get_or_try_init(Self::from_env).await.cloned()
    }

    /// As [`Client::current`], as far as it is known without opening one.
    pub(crate) fn of_scope(run: Option<&Context>) -> Option<Self> {
        let scoped = SCOPED.try_with(Self::clone).ok();
        scoped.or_else(|| run.map(|run| run.client().clone())).or_else(|| INSTALLED.get().cloned())
    }
}
