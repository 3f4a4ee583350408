//! Channels that the server does not let this user listen to: each is told once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// See the module. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Refusals {
    /// Each result has a channel of its own, and one right stands for all of them: this pattern.
    every_result: Arc<str>,
    said: Arc<Mutex<HashSet<String>>>,
}

impl Refusals {
    pub(super) fn new(every_result: &str) -> Self {
        Self { every_result: every_result.into(), said: Arc::default() }
    }

    /// Says once which right is missing for `channel`.
    pub(super) fn say(&self, channel: &str) {
        let right = self.right(channel);
        if self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(right.to_owned()) {
            tracing::warn!(
                missing = format!("&{right}"),
                "this Redis user may not listen to this channel: what comes there is looked for instead, if it can be; \
                 allow it with ACL SETUSER"
            );
        }
    }

    /// What a user must be allowed for `channel`.
    fn right<'a>(&'a self, channel: &'a str) -> &'a str {
        match self.every_result.strip_suffix('*') {
            Some(start) if channel.starts_with(start) => &self.every_result,
            _ => channel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_results_are_one_right() {
        let refusals = Refusals::new("shop-celery-task-meta-*");
        for (channel, right) in [
            ("shop-celery-task-meta-0b1c", "shop-celery-task-meta-*"),
            ("celery-task-meta-0b1c", "celery-task-meta-0b1c"),
            ("{mail}:due", "{mail}:due"),
        ] {
            refusals.say(channel);
            assert_eq!(refusals.right(channel), right);
        }
        refusals.say("shop-celery-task-meta-2d3e");
        assert_eq!(refusals.said.lock().unwrap().len(), 3);
    }
}
