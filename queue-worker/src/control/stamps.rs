//! Tasks revoked by their stamps. Kept in this worker's memory only: a worker that starts later does not know of them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use queue_core::message::Message;
use serde_json::{Map, Value};

use super::args::texts;

/// By the stamp's name, the values that are revoked.
pub(super) type Revoked = HashMap<String, HashSet<String>>;

/// What was revoked since this worker started.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    any: AtomicBool,
    revoked: Mutex<Revoked>,
}

impl Stamps {
    /// Whether a message carries one of them.
    pub(crate) fn cover(&self, message: &Message) -> bool {
        // Nearly always not.
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        carries(message, &revoked)
    }

    pub(super) fn revoke(&self, stamps: &Revoked) {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, values) in stamps {
            revoked.entry(name.clone()).or_default().extend(values.iter().cloned());
        }
        self.any.store(true, Ordering::Release);
    }
}

/// The stamps that a request names.
pub(super) fn named(headers: &Map<String, Value>) -> Revoked {
    headers.iter().map(|(name, values)| (name.clone(), texts(values).into_iter().collect())).collect()
}

/// Whether a message carries one of these stamps.
pub(super) fn carries(message: &Message, revoked: &Revoked) -> bool {
    let Ok(headers) = message.headers.entries() else { return false };
    let stamps = headers.filter(|(name, _)| name == "stamps").last().and_then(|(_, stamps)| stamps.parse().ok());
    let Some(Value::Object(stamps)) = stamps else { return false };
    stamps.iter().any(|(name, values)| {
        revoked.get(name).is_some_and(|revoked| texts(values).iter().any(|value| revoked.contains(value)))
    })
}
