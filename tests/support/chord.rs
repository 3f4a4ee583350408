//! A chord of the tests: its parts, its dispatch and its end, built in a word.

use std::time::Duration;

use bytes::Bytes;
use queue_core::TaskId;
use queue_core::store::{
    ChordEnd, ChordPart, ChordStart, ChordStep, Delivery, INTERNAL, Outgoing, Settled, Settlement,
};
use serde_json::json;

use crate::{Bench, TestWorker, done};

/// Longer than any test moves its clock.
const MONTH: Option<Duration> = Some(Duration::from_secs(30 * 86_400));

/// A chord whose parts are messages in the bench's queue `mail`; its dispatch is labelled `dispatch`.
#[derive(Debug, Clone)]
pub struct Chord {
    /// The header's group id.
    pub group: String,
    dispatch: Outgoing,
    prefix: String,
    ttl: Option<Duration>,
}

impl Chord {
    /// A chord of this bench by that name; nothing is written yet.
    pub fn new(bench: &Bench, name: &str) -> Self {
        Self::of_group(bench, bench.id(name).as_str())
    }

    /// A chord whose header is that group.
    pub fn of_group(bench: &Bench, group: &str) -> Self {
        let id = bench.id("dispatch");
        let rest = json!({"headers": {"id": id.as_str()}, "group": group}).to_string();
        let payload = Bytes::from([INTERNAL, &rest.as_bytes()[1..]].concat());
        let dispatch = Outgoing { payload, id, ..bench.message("mail", "dispatch") };
        Self { group: group.to_owned(), dispatch, prefix: bench.id("").to_string(), ttl: MONTH }
    }

    /// The same, of which what came in is kept for so long.
    pub fn kept_for(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// The same, of which what came in is kept for ever.
    pub fn kept_for_ever(self) -> Self {
        Self { ttl: None, ..self }
    }

    /// The dispatch, byte for byte.
    pub fn dispatch(&self) -> &Bytes {
        &self.dispatch.payload
    }

    /// How it begins.
    pub fn start(&self, size: u64) -> ChordStart {
        ChordStart { group: self.group.clone(), size, meta: None, ttl: self.ttl }
    }

    /// What is kept of the part of that label.
    pub fn member(&self, label: &str, value: &str) -> Bytes {
        format!("[1, \"{}{label}\", \"SUCCESS\", \"{value}\"]", self.prefix).into()
    }

    /// The part of the task with that label. Its claim would be named `claim of <label>`.
    pub fn part(&self, label: &str, index: Option<i64>, value: &str) -> ChordStep {
        ChordStep::Part(ChordPart {
            group: self.group.clone(),
            id: TaskId::new(format!("{}{label}", self.prefix)).unwrap(),
            index,
            member: self.member(label, value),
            ttl: self.ttl,
            token: format!("claim of {label}"),
            dispatch: self.dispatch.clone(),
        })
    }

    /// More parts.
    pub fn grow(&self, by: u32) -> ChordStep {
        ChordStep::Grow { group: self.group.clone(), by, ttl: self.ttl }
    }

    /// Ends it under the claim of that label.
    pub fn end(&self, delivery: &Delivery, claim: &str, failed: bool) -> Settlement {
        let token = format!("claim of {claim}");
        Settlement {
            chord_end: Some(Box::new(ChordEnd { group: self.group.clone(), token, failed, ttl: self.ttl })),
            ..done(delivery)
        }
    }

    /// Enqueues a task of that label, leases it to `worker` (nothing else may be ready) and settles it as this part.
    pub async fn finish(&self, bench: &Bench, worker: &TestWorker, label: &str, index: i64) -> Settled {
        bench.enqueue("mail", &[label]).await;
        let delivery = worker.take_one().await;
        worker.settle_one(with_chord(done(&delivery), self.part(label, Some(index), label))).await
    }
}

/// The same settlement with one more chord step.
pub fn with_chord(mut settlement: Settlement, step: ChordStep) -> Settlement {
    settlement.chords.push(step);
    settlement
}
