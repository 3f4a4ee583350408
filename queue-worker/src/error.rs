//! Why a worker did not start, or ended otherwise than by being asked to; and the exit codes of its program.

use std::process::ExitCode;

use queue_core::NameError;
use queue_core::store::{ConnectError, StoreError};

use crate::builtins::MailerError;

/// Why a worker did not start, or ended otherwise than by being asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// A queue's name is none.
    #[error(transparent)]
    QueueName(#[from] NameError),
    /// More tasks at once, or more messages beyond them, than a worker can hold.
    #[error("{what} of {given} is too much: at most {most} are possible")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were asked for.
        given: usize,
        /// How many there may be.
        most: usize,
    },
    /// Two tasks of this binary have one name.
    #[error("two tasks are named `{name}`: {first} and {second}")]
    DuplicateTask {
        /// The name.
        name: &'static str,
        /// `file:line` of one.
        first: String,
        /// `file:line` of the other.
        second: String,
    },
    /// A task extracts a `State` that this worker does not have.
    #[error("task `{task}` needs a state of type `{state}`")]
    MissingState {
        /// The task.
        task: &'static str,
        /// The type.
        state: &'static str,
    },
    /// The environment describes no mailer.
    #[error(transparent)]
    Mailer(#[from] MailerError),
    /// The store could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The store refused the worker at its start.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The probe cannot listen where it should.
    #[error("the probe cannot listen on {address}")]
    Probe {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The probe's host is not known.
    #[error("the probe cannot find the host of `{given}`")]
    ProbeHost {
        /// What was given, a host and a port.
        given: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The operating system refused a thread, a runtime or a signal handler.
    #[error("cannot start")]
    Io(#[from] std::io::Error),
    /// Half of the slots are held by blocking tasks that do not return.
    #[error("{stuck} of {slots} slots are stuck in blocking tasks that do not return")]
    Stuck {
        /// How many.
        stuck: usize,
        /// Of how many.
        slots: usize,
    },
    /// Tasks that never await block every thread of the runtime.
    #[error("the runtime is blocked by tasks that never await: {tasks}")]
    Blocked {
        /// Which, with their ids.
        tasks: String,
    },
    /// The worker's own task panicked: a bug of this crate.
    #[error("the worker itself panicked")]
    Panicked,
}

impl WorkerError {
    /// What a person can do about it, in one line; empty when there is nothing to say.
    pub fn hint(&self) -> String {
        match self {
            Self::QueueName(_) => "queues are named like `-Q mail,celery` or `-Q mail:3,celery:1`".into(),
            Self::DuplicateTask { .. } => "give one of them another name: #[task(name = \"…\")]".into(),
            Self::MissingState { state, .. } => {
                format!("add it before the start: Worker::new().state(…) with a `{state}`")
            }
            Self::Connect(ConnectError::Url(error)) => error.hint().into(),
            Self::Connect(ConnectError::Store(error)) | Self::Store(error) => error.hint(),
            Self::Stuck { .. } => "see the log for their names; give those tasks limits of their own on I/O".into(),
            Self::Mailer(_) => "see the variables SMTP_URL, MAIL_DIR and MAIL_FROM".into(),
            Self::Probe { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                "another process has this port (a second worker on this host?): give each worker a --probe of its own"
                    .into()
            }
            Self::Probe { .. } | Self::ProbeHost { .. } => {
                "--probe takes a name or an address of this host and a port, like localhost:9091 or 0.0.0.0:9091".into()
            }
            Self::Blocked { .. } => {
                "what computes or blocks belongs into a plain `fn`, or into `spawn_blocking`".into()
            }
            Self::TooMany { .. } | Self::Connect(_) | Self::Io(_) | Self::Panicked => String::new(),
        }
    }

    /// The exit code of a worker program that ends with this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::QueueName(_) | Self::TooMany { .. } | Self::Mailer(_) | Self::Connect(ConnectError::Url(_)) => {
                Exit::Usage
            }
            Self::Connect(_) | Self::Store(_) => Exit::Store,
            Self::Stuck { .. } | Self::Blocked { .. } => Exit::Stuck,
            Self::DuplicateTask { .. }
            | Self::MissingState { .. }
            | Self::Probe { .. }
            | Self::ProbeHost { .. }
            | Self::Io(_)
            | Self::Panicked => Exit::Failure,
        }
    }
}

/// The exit codes of a worker program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It was asked to stop, and did.
    Clean = 0,
    /// It cannot run: a task without its state, two tasks of one name, no threads.
    Failure = 1,
    /// The command line, a variable, the URL or a queue's name is wrong.
    Usage = 2,
    /// The store cannot be opened.
    Store = 3,
    /// Half of its slots are stuck in blocking tasks, or its runtime is blocked: to be started again by its supervisor.
    Stuck = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
