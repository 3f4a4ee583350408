//! Where output goes: data to stdout, everything else to stderr, and no panic when a pipe closes.

use std::io::{self, IsTerminal as _, Write as _};

use queue_core::QueueName;
use serde::Serialize;

use crate::error::CliError;
use crate::render::style::{Paint, Style};

/// How output is to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    /// One JSON document instead of tables.
    pub(crate) json: bool,
    /// Colours on stdout.
    pub(crate) paint: Paint,
    /// Colours on stderr.
    pub(crate) paint_err: Paint,
    /// Columns of the terminal; `None` when stdout is none.
    pub(crate) width: Option<u16>,
}

impl Out {
    /// Writes `text` and a line feed to stdout.
    pub(crate) fn data(self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()))
    }

    /// Writes one JSON document to stdout.
    pub(crate) fn document<T: Serialize>(self, value: &T) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(|error| CliError::Output(error.into()))?;
        self.data(&text)
    }

    /// Writes a line to stderr. Where even that fails there is nobody to tell.
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Writes `hint: …` to stderr.
    pub(crate) fn hint(self, text: &str) {
        self.note(&format!("{} {text}", self.paint_err.on(Style::Good, "hint:")));
    }

    /// Writes an error and its hint to stderr.
    pub(crate) fn error(self, error: &CliError) {
        self.note(&format!("{} {error}", self.paint_err.on(Style::Bad, "error:")));
        let hint = error.hint();
        if !hint.is_empty() {
            self.hint(&hint);
        }
    }

    /// Writes what is wrong with one queue of many to stderr.
    pub(crate) fn of_queue(self, queue: &QueueName, error: &str) {
        self.note(&format!("{} queue `{queue}`: {error}", self.paint_err.on(Style::Bad, "error:")));
    }

    /// Whether there is somebody who can be asked.
    pub(crate) fn interactive() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }
}

/// A reader that has gone is the end, not an error.
fn written(result: io::Result<()>) -> Result<(), CliError> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::PipeClosed,
        _ => CliError::Output(error),
    })
}
