//! Asks a running body to come to its end.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Asks a running body to come to its end. Every run has one and few are ever used: it costs next to nothing until somebody
/// waits for it or cancels it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<OnceLock<CancellationToken>>);

impl Cancel {
    /// Not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks.
    pub fn cancel(&self) {
        self.token().cancel();
    }

    /// Whether it was asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// The token behind it, for what takes one.
    pub fn token(&self) -> &CancellationToken {
        self.0.get_or_init(CancellationToken::new)
    }
}
