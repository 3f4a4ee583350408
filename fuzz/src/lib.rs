//! What several targets share, and the code of the programs that is no library's: it is compiled here as it stands there.

#![allow(dead_code, reason = "a target uses a part of a program")]

pub mod command;
pub mod control;
pub mod parts;

// The command `queue`: its own crate root has the same modules.
#[path = "../../queue-cli/src/cli.rs"]
mod cli;
#[path = "../../queue-cli/src/commands/mod.rs"]
mod commands;
#[path = "../../queue-cli/src/confirm.rs"]
mod confirm;
#[path = "../../queue-cli/src/cursor.rs"]
mod cursor;
#[path = "../../queue-cli/src/error.rs"]
mod error;
#[path = "../../queue-cli/src/exit.rs"]
mod exit;
#[path = "../../queue-cli/src/filter.rs"]
mod filter;
#[path = "../../queue-cli/src/open.rs"]
mod open;
#[path = "../../queue-cli/src/out.rs"]
mod out;
#[path = "../../queue-cli/src/outcome.rs"]
mod outcome;
#[path = "../../queue-cli/src/pick.rs"]
mod pick;
#[path = "../../queue-cli/src/progress.rs"]
mod progress;
#[path = "../../queue-cli/src/remote.rs"]
mod remote;
#[path = "../../queue-cli/src/render/mod.rs"]
mod render;
#[path = "../../queue-cli/src/seen.rs"]
mod seen;
#[path = "../../queue-cli/src/summary.rs"]
mod summary;
#[path = "../../queue-cli/src/walk.rs"]
mod walk;
