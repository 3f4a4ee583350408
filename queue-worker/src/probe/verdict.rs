//! Whether a worker lives and is ready, and why not.
//!
//! *Live* means that starting it again would not help: only a blocked event loop speaks against it. A store that is away is no
//! reason, or an outage of Redis would become a restart of every worker. *Ready* means that it takes jobs.

use std::time::Duration;

use serde::Serialize;

use crate::engine::Engine;

/// A worker that could not exchange a word with the store for so long is not ready, whatever it thinks of the store.
const STALE: Duration = Duration::from_secs(15);
/// A runtime that shows no life for so long takes no jobs.
const STALLED: Duration = Duration::from_secs(10);

/// What is known of a worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    starting: bool,
    stopping: bool,
    /// It was told to consume no queue.
    without_queues: bool,
    /// How long the runtime has shown no life, and may.
    silence: Duration,
    patience: Duration,
    /// Since when the store has been away.
    outage: Option<Duration>,
    /// Since the store answered last; not while it starts.
    exchange: Option<Duration>,
    /// Tasks that block threads of the runtime.
    blocking: Vec<String>,
}

/// What is answered.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Verdict {
    status: &'static str,
    reasons: Vec<String>,
    event_loop_silent_seconds: f64,
    store_answered_seconds_ago: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocking_tasks: Vec<String>,
}

impl Facts {
    /// Those of a worker; of none while it starts.
    pub(super) fn of(engine: Option<&Engine>) -> Self {
        let Some(engine) = engine else { return Self { starting: true, ..Self::default() } };
        let blocking = engine.health.blocking().into_iter();
        Self {
            starting: false,
            stopping: engine.phase.stop.is_cancelled(),
            without_queues: engine.queues.now().is_empty(),
            silence: engine.health.pulse.silence(),
            patience: engine.health.patience.runtime,
            outage: engine.outage.lasts(),
            exchange: Some(engine.outage.answered_ago()),
            blocking: blocking
                .map(|one| format!("{}[{}] for {}", one.task, one.id, seconds(one.since.elapsed())))
                .collect(),
        }
    }

    pub(super) fn live(&self) -> Verdict {
        let blocked = self.silence > self.patience && !self.starting;
        self.verdict(blocked.then(|| self.blocked()).into_iter().collect())
    }

    pub(super) fn ready(&self) -> Verdict {
        let mut reasons = Vec::new();
        if self.starting {
            reasons.push("starting".to_owned());
            return self.verdict(reasons);
        }
        if self.stopping {
            reasons.push("stopping".to_owned());
        }
        if self.without_queues {
            reasons.push("it consumes no queue".to_owned());
        }
        match (self.outage, self.exchange) {
            (Some(time), _) => reasons.push(format!("the store does not answer, for {}", seconds(time))),
            (None, Some(time)) if time > STALE => {
                reasons.push(format!("no exchange with the store for {}", seconds(time)));
            }
            _ => {}
        }
        if self.silence > STALLED.min(self.patience) {
            reasons.push(self.blocked());
        }
        self.verdict(reasons)
    }

    fn blocked(&self) -> String {
        format!("the event loop has not turned for {}", seconds(self.silence))
    }

    fn verdict(&self, reasons: Vec<String>) -> Verdict {
        Verdict {
            status: if reasons.is_empty() { "ok" } else { "unavailable" },
            reasons,
            event_loop_silent_seconds: rounded(self.silence),
            store_answered_seconds_ago: self.exchange.map(rounded),
            blocking_tasks: self.blocking.clone(),
        }
    }
}

impl Verdict {
    pub(super) fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }
}

fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Facts {
        let (patience, exchange) = (Duration::from_secs(60), Some(Duration::from_secs(1)));
        Facts { patience, exchange, ..Facts::default() }
    }

    fn said(facts: &Facts) -> (Vec<String>, Vec<String>) {
        (facts.live().reasons, facts.ready().reasons)
    }

    #[test]
    fn a_healthy_worker_is_live_and_ready() {
        assert_eq!(said(&healthy()), (vec![], vec![]));
    }

    #[test]
    fn a_store_that_is_away_makes_it_unready_and_no_less_live() {
        let away = Facts { outage: Some(Duration::from_secs(3600)), ..healthy() };
        assert_eq!(said(&away), (vec![], vec!["the store does not answer, for 3600 s".to_owned()]));
        let stale = Facts { exchange: Some(Duration::from_secs(16)), ..healthy() };
        assert_eq!(said(&stale), (vec![], vec!["no exchange with the store for 16 s".to_owned()]));
    }

    #[test]
    fn a_worker_that_starts_or_stops_is_live_and_not_ready() {
        assert_eq!(said(&Facts::of(None)), (vec![], vec!["starting".to_owned()]));
        assert_eq!(said(&Facts { stopping: true, ..healthy() }), (vec![], vec!["stopping".to_owned()]));
    }

    #[test]
    fn a_worker_that_was_told_to_consume_nothing_is_not_ready() {
        let without = Facts { without_queues: true, ..healthy() };
        assert_eq!(said(&without), (vec![], vec!["it consumes no queue".to_owned()]));
    }

    #[test]
    fn a_blocked_event_loop_makes_it_unready_soon_and_dead_after_a_minute() {
        let silent = |s| Facts { silence: Duration::from_secs(s), ..healthy() };
        assert_eq!(said(&silent(10)), (vec![], vec![]));
        assert_eq!(said(&silent(60)), (vec![], vec!["the event loop has not turned for 60 s".to_owned()]));
        let why = vec!["the event loop has not turned for 61 s".to_owned()];
        assert_eq!(said(&silent(61)), (why.clone(), why));
    }
}
