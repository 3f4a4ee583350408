//! Where a listing left off, as text that survives a shell.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use queue_core::QueueName;
use queue_core::store::{Cursor, JobState, StoreError};

/// A place in the walk over queues and states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// The queue being read.
    pub(crate) queue: QueueName,
    /// The state being read.
    pub(crate) state: JobState,
    /// The store's own cursor of the page; `None` is the first page.
    pub(crate) page: Option<Cursor>,
    /// How many jobs of that page were looked at already.
    pub(crate) skip: usize,
}

impl Position {
    /// As opaque text.
    pub(crate) fn encode(&self) -> String {
        let page = self.page.as_ref().map(|cursor| cursor.0.as_str());
        let parts = serde_json::json!([self.queue.as_str(), self.state, page, self.skip]);
        BASE64_URL_SAFE_NO_PAD.encode(parts.to_string())
    }

    /// Reads [`encode`](Self::encode)'s text.
    pub(crate) fn decode(text: &str) -> Result<Self, StoreError> {
        let bad = || StoreError::BadCursor(text.to_owned());
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let parts: (String, JobState, Option<String>, usize) = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        let queue = QueueName::new(&parts.0).map_err(|_| bad())?;
        Ok(Self { queue, state: parts.1, page: parts.2.map(Cursor), skip: parts.3 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_comes_back_as_it_was() {
        for page in [None, Some(Cursor("17:x/ä\"".into()))] {
            let position = Position { queue: QueueName::new("mail 1").unwrap(), state: JobState::Dead, page, skip: 7 };
            let text = position.encode();
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text}");
            assert_eq!(Position::decode(&text).unwrap(), position);
        }
    }

    #[test]
    fn foreign_text_is_no_cursor() {
        for text in ["", "x", "17", "eyJhIjoxfQ", "💥"] {
            assert!(matches!(Position::decode(text), Err(StoreError::BadCursor(_))), "{text:?}");
        }
    }
}
