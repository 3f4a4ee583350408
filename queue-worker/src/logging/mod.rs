//! The worker's log: text for people or JSON for programs, on stderr.
//!
//! A line about each job costs more than most jobs, so how lines are made (`text`, `json`) and written (`lines`) is ours; spans,
//! levels and what is logged at all are the usual crate's. Text on a terminal, in colours, is the crate's as well.

mod json;
mod lines;
#[cfg(test)]
mod tests;
mod text;

use std::error::Error;
use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use self::lines::Lines;
pub(crate) use self::lines::write_out;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Sends this process's log to stderr.
///
/// Lines that say how a job ended well are written together, right before the store is told of these ends; every other line, one of a
/// task's body among them, is written at once, after those.
///
/// # Errors
///
/// When the program has set up a log of its own already, which then stays.
pub fn init(format: LogFormat, level: &Targets) -> Result<(), TryInitError> {
    let (filter, lines) = (level.clone(), fmt::layer().with_writer(Lines));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match format {
        LogFormat::Text if colours => {
            tracing_subscriber::registry().with(lines.with_ansi(true).with_target(false)).with(filter).try_init()
        }
        LogFormat::Text => {
            let lines = lines.with_ansi(false).fmt_fields(text::Text).event_format(text::Text);
            tracing_subscriber::registry().with(lines).with(filter).try_init()
        }
        LogFormat::Json => {
            let lines = lines.with_ansi(false).fmt_fields(json::Json).event_format(json::Json);
            tracing_subscriber::registry().with(lines).with(filter).try_init()
        }
    }
}

/// An error and its causes on one line.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        // Some errors repeat their source in their own text.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = source.source();
    }
    text
}
