//! `queue revoke ID…`: tells workers not to start these tasks.

use std::time::Duration;

use clap::Args;
use queue_core::TaskId;
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::pick::once;
use crate::render::{text, time};

/// Which tasks, and for how long.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The tasks' ids
    #[arg(value_name = "ID", required = true, value_parser = |id: &str| TaskId::new(id))]
    ids: Vec<TaskId>,
    /// How long workers remember it; a task scheduled for later needs longer
    #[arg(long, value_name = "3h", default_value = "3h", value_parser = time::parse)]
    keep: Duration,
}

/// `revoke --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Revoked<'a> {
    revoked: Vec<&'a str>,
    keep_ms: u128,
}

/// Revokes them.
pub(crate) async fn run(session: &Session, args: &RevokeArgs) -> Result<Exit, CliError> {
    let ids: Vec<TaskId> = once(&args.ids).cloned().collect();
    session.store.revoke(&ids, args.keep).await?;
    if session.out.json {
        let revoked = ids.iter().map(TaskId::as_str).collect();
        session.out.document(&Revoked { revoked, keep_ms: args.keep.as_millis() })?;
        return Ok(Exit::Ok);
    }
    let tasks = text::plural(ids.len() as u64, "task", "tasks");
    session.out.data(&format!("{tasks} revoked for {}", time::short(args.keep)))?;
    session.out.note("A worker that takes one will not start it; what runs already goes on.");
    Ok(Exit::Ok)
}
