//! Tasks revoked by their stamps. Kept in this worker's memory only: a worker that starts later does not know of them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use queue_core::message::Message;
use serde_json::{Map, Value};

use super::args::texts;

/// By the stamp's name, the values that are revoked.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    any: AtomicBool,
    revoked: Mutex<HashMap<String, HashSet<String>>>,
}

impl Stamps {
    /// Whether a message carries one of them.
    pub(crate) fn cover(&self, message: &Message) -> bool {
        // Nearly always not.
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        carries(message, |name, value| revoked.get(name).is_some_and(|values| values.contains(value)))
    }

    pub(super) fn revoke(&self, headers: &Map<String, Value>) {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, values) in headers {
            revoked.entry(name.clone()).or_default().extend(texts(values));
        }
        self.any.store(true, Ordering::Release);
    }
}

/// Whether a message carries one of these stamps.
pub(super) fn stamped(message: &Message, headers: &Map<String, Value>) -> bool {
    carries(message, |name, value| headers.get(name).is_some_and(|values| texts(values).iter().any(|v| v == value)))
}

fn carries(message: &Message, fits: impl Fn(&str, &str) -> bool) -> bool {
    let Ok(headers) = message.headers.entries() else { return false };
    let stamps = headers.filter(|(name, _)| name == "stamps").last().and_then(|(_, stamps)| stamps.parse().ok());
    let Some(Value::Object(stamps)) = stamps else { return false };
    stamps.iter().any(|(name, values)| texts(values).iter().any(|value| fits(name, value)))
}
