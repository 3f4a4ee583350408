//! How much waits in the worker's queues: asked of the store when somebody wants to know, at most every few seconds.
//!
//! The question runs on the worker's own runtime, where the store's connections live; here only the answer is waited for, and
//! not for long. A store that is away, or a runtime that is blocked, costs the numbers and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use queue_core::QueueName;
use queue_core::message::{DecodeLimits, Message};
use queue_core::store::{QueueCounts, StoreError};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::health::tally::waited;

/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_secs(5);
/// How long it is remembered that there was none, so that many who ask do not wait one after the other.
const NONE_FOR: Duration = Duration::from_secs(1);
/// How long a scrape waits for one.
const AT_MOST: Duration = Duration::from_secs(2);
/// No more queues than this are asked about.
const MOST_QUEUES: usize = 100;

/// One queue.
#[derive(Debug, Clone)]
pub(super) struct Depth {
    pub(super) queue: QueueName,
    pub(super) counts: QueueCounts,
    /// How long the oldest ready message has waited, where it says since when.
    pub(super) oldest: Option<Duration>,
}

type Answer = Result<Vec<Depth>, StoreError>;

/// See the module.
#[derive(Default)]
pub(super) struct Depths(Mutex<State>);

#[derive(Default)]
struct State {
    known: Option<(Instant, Option<Vec<Depth>>)>,
    /// A question that had no answer yet, and when it was asked: no other is asked before it ends.
    asking: Option<(Instant, JoinHandle<Answer>)>,
}

impl Depths {
    /// Those of now, or of a few seconds ago; `None` when the store does not say.
    pub(super) async fn now(&self, engine: &Arc<Engine>) -> Option<Vec<Depth>> {
        let mut state = self.0.lock().await;
        if let Some((at, known)) = &state.known
            && at.elapsed() < if known.is_some() { GOOD_FOR } else { NONE_FOR }
        {
            return known.clone();
        }
        let depths = state.ask(engine).await;
        state.known = Some((Instant::now(), depths.clone()));
        depths
    }
}

impl State {
    async fn ask(&mut self, engine: &Arc<Engine>) -> Option<Vec<Depth>> {
        // Its answer came when nobody waited for it any more, and tells how it was then.
        self.asking.take_if(|(asked, asking)| asking.is_finished() && asked.elapsed() >= GOOD_FOR);
        let begin = || (Instant::now(), engine.runtime.spawn(ask(Arc::clone(engine))));
        let (_, asking) = self.asking.get_or_insert_with(begin);
        let answer = tokio::time::timeout(AT_MOST, asking).await.ok()?;
        self.asking = None;
        match answer {
            Ok(Ok(depths)) => Some(depths),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the store did not say how much waits");
                None
            }
            // The runtime is shutting down.
            Err(_) => None,
        }
    }
}

async fn ask(engine: Arc<Engine>) -> Answer {
    let mut depths = Vec::new();
    for (queue, _) in engine.queues.now().iter().take(MOST_QUEUES) {
        let counts = match engine.client.store().counts(queue).await {
            Ok(counts) => counts,
            // Something else has its name: it must not hide the others.
            Err(StoreError::Foreign { .. }) => continue,
            Err(error) => return Err(error),
        };
        let oldest = counts.oldest.as_ref().and_then(|bytes| Message::decode(bytes, &DecodeLimits::default()).ok());
        let oldest = oldest.and_then(|message| waited(&message, engine.time.now()));
        depths.push(Depth { queue: queue.clone(), counts, oldest });
    }
    Ok(depths)
}
