//! `queue forget ID…`: deletes stored results.

use clap::Args;
use queue_core::TaskId;
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::pick::once;
use crate::render::text;

/// Whose results.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The tasks' ids
    #[arg(value_name = "ID", required = true, value_parser = |id: &str| TaskId::new(id))]
    ids: Vec<TaskId>,
}

/// `forget --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Forgotten<'a> {
    forgotten: Vec<&'a str>,
    missing: Vec<&'a str>,
}

/// Deletes them.
pub(crate) async fn run(session: &Session, args: &ForgetArgs) -> Result<Exit, CliError> {
    let ids: Vec<TaskId> = once(&args.ids).cloned().collect();
    let had = session.store.forget(&ids).await?;
    let with = |wanted: bool| {
        let pairs = ids.iter().zip(&had).filter(move |(_, had)| **had == wanted);
        pairs.map(|(id, _)| id.as_str()).collect::<Vec<_>>()
    };
    let (forgotten, missing) = (with(true), with(false));
    let exit = if missing.is_empty() { Exit::Ok } else { Exit::NotFound };
    if session.out.json {
        session.out.document(&Forgotten { forgotten, missing })?;
        return Ok(exit);
    }
    for id in missing {
        session.out.note(&format!("note: {}: no result is stored", text::one_line(id)));
    }
    session.out.data(&format!("{} forgotten", text::plural(forgotten.len() as u64, "result", "results")))?;
    Ok(exit)
}
