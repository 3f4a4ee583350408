//! Jobs that were held for a while before their turn: a gate that they passed when they came may be closed by now.

use queue_core::store::DeadReason;

use super::Run;
use crate::ending::Subject;
use crate::health::tally::Outcome;
use crate::reconnect::{Tries, may_pass};

impl Run {
    /// Whether it was revoked while it waited for its place; asks until the store says, as when it came. Of an outage those tell
    /// who ask without an occasion.
    pub(super) async fn revoked_meanwhile(&self) -> bool {
        let (engine, message) = (&self.engine, &self.held.message);
        let mut tries = Tries::default();
        loop {
            match engine.consumer.revoked(&[&message.id]).await {
                Ok(revoked) => return revoked.contains(&true),
                Err(error) if may_pass(&error) => engine.outage.rest(&mut tries).await,
                Err(error) => {
                    tracing::warn!(%error, "the store does not say whether this task was revoked while it waited for a slot");
                    return false;
                }
            }
        }
    }

    /// Whether its time is over. By the store's clock: this host's may have been set while nothing was asked.
    pub(super) async fn has_expired(&self) -> bool {
        let time = &self.engine.time;
        let is_over = || self.held.message.expires.is_some_and(|expires| expires <= time.now());
        if is_over()
            && let Err(error) = time.adjust(false).await
        {
            tracing::debug!(%error, "the store did not tell its time");
        }
        is_over()
    }

    /// Ends a job whose time was over before its body began.
    pub(super) fn end_expired(self) {
        let engine = std::sync::Arc::clone(&self.engine);
        let Some(_claim) = engine.jobs.claim(&self.held) else { return };
        tracing::warn!("task expired before it started, set aside");
        let settlement = Subject::new(&engine, &self.held).expired();
        let telling = engine.emitter.about("task-revoked", &self.held.message).revoked(None, true);
        self.hand_in(settlement, telling, Outcome::Dead(DeadReason::Expired));
    }
}
