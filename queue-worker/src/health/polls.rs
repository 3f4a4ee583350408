//! Finds bodies that never await: an `async` body runs on a thread of the runtime, and one that computes, or calls what
//! blocks, keeps that thread from all others.
//!
//! A body notes when a poll of it begins and when it ends, by counting: an odd number is inside. The heartbeat's thread
//! looks every second; a number that is odd and stays the same is a poll that does not end. So a body pays two atomic
//! additions per poll, and no clock is read.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Blocking, Patience};
use crate::engine::{Engine, count};
use crate::execute::runners;
use crate::jobs::Held;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);
/// The longest pause before a body that still blocks is named again.
const REMINDER: Duration = Duration::from_secs(600);

/// Counts the beginnings and ends of polls.
#[derive(Debug, Default)]
pub(crate) struct Polls(AtomicU64);

impl Polls {
    /// The number of the poll under way; `None` between polls.
    pub(crate) fn inside(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|count| count % 2 == 1)
    }

    /// Whether one poll was enough.
    pub(crate) fn only_one(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 2
    }

    fn turn(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Polls {
    /// Awaits `body`, counting its polls.
    pub(crate) async fn count<F: Future>(&self, body: F) -> F::Output {
        let mut body = std::pin::pin!(body);
        std::future::poll_fn(|cx| {
            self.turn();
            let outcome = body.as_mut().poll(cx);
            self.turn();
            outcome
        })
        .await
    }
}

/// A poll seen under way.
struct Seen {
    held: Arc<Held>,
    number: u64,
    since: Instant,
    /// How long it may last before it is named, the next time.
    named_after: Duration,
    named: bool,
}

/// What was seen at the last look.
#[derive(Default)]
struct Watch(HashMap<u64, Seen>);

/// All bodies that are inside a poll now, as if it had just begun.
pub(crate) fn inside(engine: &Engine) -> Vec<Blocking> {
    engine.jobs.inside().iter().map(|(held, _)| blocking(held, Instant::now())).collect()
}

fn blocking(held: &Held, since: Instant) -> Blocking {
    Blocking { task: held.message.display_name().to_owned(), id: held.message.id.to_string(), since }
}

/// Looks for ever.
pub(crate) async fn watch(engine: &Arc<Engine>) {
    let mut ticks = tokio::time::interval(LOOK.min(engine.health.patience.poll));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watch = Watch::default();
    loop {
        ticks.tick().await;
        watch.look(engine, Instant::now());
        runners::relieve(engine);
    }
}

impl Watch {
    fn look(&mut self, engine: &Engine, now: Instant) {
        let inside = engine.jobs.inside();
        if inside.is_empty() && self.0.is_empty() {
            return;
        }
        let gone = self.note(inside, now, engine.health.patience);
        gone.iter().filter(|seen| seen.named).for_each(|seen| say_returned(seen, now));
        for seen in self.0.values_mut().filter(|seen| now - seen.since >= seen.named_after) {
            if !std::mem::replace(&mut seen.named, true) {
                count(&engine.tasks.tally(&seen.held.message.task).blocked);
            }
            seen.named_after = (2 * seen.named_after).min(now - seen.since + REMINDER);
            say_blocked(seen, now);
        }
        let blocking = self.0.values().filter(|seen| seen.named).map(|seen| blocking(&seen.held, seen.since));
        engine.health.set_blocking(blocking.collect());
    }

    /// Takes in what is under way now; what was and is not any more.
    fn note(&mut self, inside: Vec<(Arc<Held>, u64)>, now: Instant, patience: Patience) -> Vec<Seen> {
        let mut before = std::mem::take(&mut self.0);
        for (held, number) in inside {
            let key = held.key;
            let same = before.remove(&key).filter(|seen| seen.number == number);
            let fresh = || Seen { held, number, since: now, named_after: patience.poll, named: false };
            self.0.insert(key, same.unwrap_or_else(fresh));
        }
        before.into_values().collect()
    }
}

fn say_blocked(seen: &Seen, now: Instant) {
    let message = &seen.held.message;
    tracing::error!(
        task = message.display_name(), id = %message.id, queue = %seen.held.queue, blocked = ?now - seen.since,
        "a task blocks a thread of the runtime: it has not awaited for so long; what computes or blocks belongs into a \
         plain `fn`, or into `spawn_blocking`"
    );
}

fn say_returned(seen: &Seen, now: Instant) {
    let message = &seen.held.message;
    tracing::warn!(
        task = message.display_name(), id = %message.id, queue = %seen.held.queue, blocked = ?now - seen.since,
        "a task that blocked a thread of the runtime gave it back"
    );
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a_poll_has_a_number_while_it_lasts() {
        let (polls, mut seen) = (Polls::default(), Vec::new());
        let body = std::future::poll_fn(|_| {
            seen.push(polls.inside());
            if seen.len() < 2 { Poll::Pending } else { Poll::Ready(()) }
        });
        let mut counted = Box::pin(polls.count(body));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(counted.as_mut().poll(&mut cx).is_pending());
        assert_eq!(polls.inside(), None);
        assert!(counted.as_mut().poll(&mut cx).is_ready());
        assert_eq!(polls.inside(), None);
        drop(counted);
        assert_eq!(seen, [Some(1), Some(3)]);
    }
}
