//! One file per command: its arguments, what it does, what it prints.

pub(crate) mod completions;
pub(crate) mod control;
pub(crate) mod delete;
pub(crate) mod doctor;
pub(crate) mod enqueue;
pub(crate) mod events;
pub(crate) mod forget;
pub(crate) mod inspect;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod purge;
pub(crate) mod result;
pub(crate) mod retry;
pub(crate) mod revoke;
pub(crate) mod status;
pub(crate) mod workers;

use crate::cli::{Cli, Command};
use crate::error::CliError;
use crate::exit::Exit;
use crate::open::{Access, Place, open};
use crate::out::Out;

/// Runs the command.
pub(crate) async fn run(cli: Cli, out: Out) -> Result<Exit, CliError> {
    let place = Place { url: cli.url, results: cli.result_url };
    match cli.command {
        Command::Completions(args) => completions::run(&args, out),
        Command::Enqueue(args) => enqueue::run(&place, &args, out).await,
        Command::Status(args) => status::run(&mut open(&place, Access::Existing, out).await?, &args).await,
        Command::Doctor(args) => doctor::run(&place, &args, out).await,
        Command::Jobs(args) => jobs::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Job(args) => job::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Result(args) => result::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Forget(args) => forget::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Revoke(args) => revoke::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Retry(args) => retry::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Delete(args) => delete::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Purge(args) => purge::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Inspect(args) => inspect::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Control(args) => control::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Events(args) => events::run(&open(&place, Access::Existing, out).await?, &args).await,
        Command::Workers => workers::run(&open(&place, Access::Existing, out).await?).await,
    }
}
