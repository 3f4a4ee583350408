//! What went wrong, in one line and a hint, and the exit code it means.

use std::error::Error;
use std::fmt::Write as _;

use queue_core::store::{ConnectError, StoreError, UrlError};

use crate::exit::Exit;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The store said no.
    #[error("{}", chain(.0))]
    Store(#[from] StoreError),
    /// The same, after part of the work was done.
    #[error("{}; {done}", chain(.source))]
    Midway {
        /// How far it got.
        done: String,
        /// What the store said.
        source: StoreError,
    },
    /// The URL is wrong.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// Anything the command itself found.
    #[error("{text}")]
    Said {
        /// What it means for the caller.
        exit: Exit,
        /// One line, or a few where something is quoted.
        text: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// Whoever read our output has gone: no error, but the end.
    #[error("output was closed")]
    PipeClosed,
    /// Output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(std::io::Error),
}

impl CliError {
    /// The command line, or what is in it, is wrong.
    pub(crate) fn usage(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Usage, text: text.into(), hint: hint.into() }
    }

    /// There is no such thing.
    pub(crate) fn not_found(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Said { exit: Exit::NotFound, text: text.into(), hint: hint.into() }
    }

    /// Nobody confirmed.
    pub(crate) fn aborted(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Aborted, text: text.into(), hint: hint.into() }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Store(StoreError::Leased) | Self::Midway { source: StoreError::Leased, .. } => Exit::NotFound,
            Self::Store(StoreError::BadCursor(_) | StoreError::TooLarge { .. }) | Self::Url(_) => Exit::Usage,
            Self::Store(_) | Self::Midway { .. } | Self::Output(_) => Exit::Store,
            Self::Said { exit, .. } => *exit,
            Self::PipeClosed => Exit::Ok,
        }
    }

    /// What a person can do about it; empty when there is nothing to say.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Store(StoreError::BadCursor(_)) => {
                "give `--cursor` the text that the page before ended with, and the same filters".to_owned()
            }
            Self::Store(StoreError::Foreign { .. }) => {
                "it was left as it is; say where the jobs are with --url or QUEUE_URL".to_owned()
            }
            Self::Store(error) => error.hint(),
            Self::Midway { source, .. } => match source.hint() {
                // What is done stays done, so that no key is needed to go on.
                hint if hint.is_empty() || source.outcome_unknown() => "run the same command again to go on".to_owned(),
                hint => format!("{hint} Run the same command again to go on."),
            },
            Self::Url(error) => error.hint().to_owned(),
            Self::Said { hint, .. } => hint.clone(),
            Self::PipeClosed | Self::Output(_) => String::new(),
        }
    }
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Url(error) => error.into(),
            ConnectError::Store(error) => error.into(),
            other => Self::Said { exit: Exit::Store, text: chain(&other), hint: String::new() },
        }
    }
}

/// An error and its sources in one line, each said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let said = source.to_string();
        if !text.contains(&said) {
            // Writing to a `String` cannot fail.
            let _ = write!(text, ": {said}");
        }
        next = source.source();
    }
    text.replace('\n', " ")
}
