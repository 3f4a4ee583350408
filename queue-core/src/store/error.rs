//! Why a store did not do what it was asked.

/// Any error, boxed, as the source of ours.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The server cannot be reached, or the connection broke.
    #[error("store `{url}` is unreachable")]
    Unreachable {
        /// The URL, secrets masked.
        url: String,
        /// Whether what was asked may have happened all the same (the connection broke after it was sent).
        unknown: bool,
        /// What the driver said.
        #[source]
        source: BoxError,
    },
    /// The server refused the password or the user.
    #[error("store `{url}` refused the user name or password")]
    Unauthorized {
        /// The URL, secrets masked.
        url: String,
        /// What the driver said.
        #[source]
        source: BoxError,
    },
    /// A sentinel refused the password or the user that the URL has for sentinels.
    #[error("sentinel {sentinel} of store `{url}` refused the login for sentinels")]
    SentinelLogin {
        /// The URL, secrets masked.
        url: String,
        /// Its host and port.
        sentinel: String,
        /// What the driver said.
        #[source]
        source: BoxError,
    },
    /// No room: disk full, Redis at `maxmemory` without eviction, or unable to save its snapshots.
    #[error("store `{url}` has no room left")]
    Full {
        /// The URL, secrets masked.
        url: String,
        /// What the driver said.
        #[source]
        source: BoxError,
    },
    /// The file or the server (a replica) takes no writes.
    #[error("store `{url}` is read-only")]
    ReadOnly {
        /// The URL, secrets masked.
        url: String,
        /// What the driver said.
        #[source]
        source: BoxError,
    },
    /// Somebody else held the file's lock for too long.
    #[error("store `{url}` was locked by another process for {waited:?}")]
    Locked {
        /// The URL.
        url: String,
        /// How long we tried.
        waited: std::time::Duration,
    },
    /// The file or the keys are not ours, or too new.
    #[error("store `{url}` is not usable: {why}")]
    Foreign {
        /// The URL, secrets masked.
        url: String,
        /// What was found.
        why: String,
    },
    /// A payload is over the configured size; nothing was written.
    #[error("message of task `{id}` has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The task's id.
        id: String,
        /// Bytes it has.
        size: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// A leased message cannot be deleted; revoke its task instead.
    #[error("message is leased to a worker")]
    Leased,
    /// A cursor that this store did not make.
    #[error("cursor `{}` is not one of this store's", .0.escape_debug())]
    BadCursor(String),
    /// The server answered with an error of another kind.
    #[error("store `{url}` refused the request")]
    Refused {
        /// The URL, secrets masked.
        url: String,
        /// What the driver said.
        #[source]
        source: BoxError,
    },
}

impl StoreError {
    /// Whether the same call may succeed if tried again later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Full { .. } | Self::Locked { .. } | Self::ReadOnly { .. })
    }

    /// Whether what was asked may have happened all the same. Where not, it has not happened.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Unreachable { unknown: true, .. })
    }

    /// Whether a connection that stood broke: the next one may stand, where one that cannot be made will not so soon.
    pub fn is_broken_connection(&self) -> bool {
        let Self::Unreachable { source, .. } = self else { return false };
        source.downcast_ref::<redis::RedisError>().is_some_and(redis::RedisError::is_connection_dropped)
    }

    /// The same, of a call that an earlier try may have done.
    pub(crate) fn of_unknown_outcome(self) -> Self {
        match self {
            Self::Unreachable { url, source, .. } => Self::Unreachable { url, unknown: true, source },
            Self::Unauthorized { ref url, .. }
            | Self::SentinelLogin { ref url, .. }
            | Self::Full { ref url, .. }
            | Self::ReadOnly { ref url, .. }
            | Self::Locked { ref url, .. }
            | Self::Foreign { ref url, .. }
            | Self::Refused { ref url, .. } => {
                Self::Unreachable { url: url.clone(), unknown: true, source: Box::new(self) }
            }
            // Said before anything is sent, so by the first try or by none.
            Self::TooLarge { .. } | Self::Leased | Self::BadCursor(_) => self,
        }
    }

    /// The same, of a call of several steps: once some are done, not all of it can be said not to have happened.
    pub(crate) fn after_some(self, done: bool) -> Self {
        if done { self.of_unknown_outcome() } else { self }
    }

    /// The same, of a call that changes nothing.
    pub(crate) fn of_known_outcome(self) -> Self {
        match self {
            Self::Unreachable { url, source, .. } => Self::Unreachable { url, unknown: false, source },
            other => other,
        }
    }

    /// What a person can do about it, in one line; empty when there is nothing to say.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreachable { unknown: true, .. } => {
                "it may have happened all the same: look, or send it again with the same idempotency key".into()
            }
            Self::Unreachable { url, .. } if url.starts_with("sqlite:") => {
                "is the file at its place, and its disk well? what is to use another file has to be started again"
                    .into()
            }
            Self::Unreachable { url, .. } if url.starts_with("rediss") => {
                "is the server running, are host and port right, and does it speak TLS there?".into()
            }
            Self::Unreachable { .. } => "is the server running, and are host and port right?".into(),
            Self::Unauthorized { .. } => {
                "the URL's user and password go before the host: redis://user:password@host:6379/0".into()
            }
            Self::SentinelLogin { .. } => {
                "look at `sentinel_password` and `sentinel_user` in the URL's query: the login before the hosts is the master's"
                    .into()
            }
            Self::Full { .. } => {
                "free some space, on the server's disk too, or raise `maxmemory`; nothing was lost".into()
            }
            Self::ReadOnly { .. } => "check the file's permissions, or connect to the primary".into(),
            Self::Locked { .. } => "another process holds a long transaction on this file".into(),
            Self::TooLarge { .. } => "store the data elsewhere and send its key".into(),
            Self::Leased => "revoke the task, or wait until it is done".into(),
            Self::Foreign { .. } | Self::BadCursor(_) | Self::Refused { .. } => String::new(),
        }
    }
}
