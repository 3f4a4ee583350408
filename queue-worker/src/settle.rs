//! Ends deliveries, many at a time.
//!
//! One settle is in flight; what ends meanwhile gathers behind it and goes out with the next. The batch is the speed:
//! a fast task costs its share of one call.

mod batch;
mod refused;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use queue_core::store::{Consumer, Ending, Settled, Settlement, StoreError};
use queue_core::{QueueName, failpoint};
use tokio::sync::{Notify, oneshot};

use self::batch::Batch;
pub(crate) use self::refused::{Failing, in_words};
use crate::emitter::Telling;
use crate::health::Health;
use crate::health::tally::{Outcome, Tally};
use crate::jobs::Held;
use crate::logging::{self, causes};
use crate::reconnect::{Caller, Outage, Tries, may_pass};
use crate::slots::{Slot, SuspectGuard};
use crate::wakeups::Wakes;

/// Unsettled bytes beyond which no more messages are taken in.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// No lease is lost in less time without a heartbeat.
const SHORTER_THAN_A_LEASE: Duration = Duration::from_secs(5);

/// One end on its way to the store.
pub(crate) struct Item {
    /// What becomes of the delivery.
    pub(crate) settlement: Settlement,
    /// The queue, for the log.
    pub(crate) queue: QueueName,
    /// The job, for the log, and to fail should the store refuse this end; `None` when it was not to be read.
    pub(crate) held: Option<Arc<Held>>,
    /// The size of the envelope, which goes along to name the delivery.
    pub(crate) payload: usize,
    /// A suspect is one until the store knows its end.
    pub(crate) suspect: Option<SuspectGuard>,
    /// Taken until the store knows its end: what a crash may run again is never more than there are slots.
    pub(crate) slot: Option<Slot>,
    /// Who waits for the answer.
    pub(crate) answer: Option<oneshot::Sender<Settled>>,
    /// Where it counts once it is settled, and as what.
    pub(crate) counted: Option<(&'static Tally, Outcome)>,
    /// What is true once it is settled.
    pub(crate) telling: Telling,
}

impl Item {
    /// The end of `held`, with nothing that hangs on it.
    pub(crate) fn of(held: &Arc<Held>, settlement: Settlement) -> Self {
        Self {
            settlement,
            queue: held.queue.clone(),
            held: Some(Arc::clone(held)),
            payload: held.payload.len(),
            suspect: None,
            slot: None,
            answer: None,
            counted: None,
            telling: Telling::default(),
        }
    }

    fn bytes(&self) -> usize {
        // Of what was acknowledged early the settlement does not name the delivery.
        self.settlement.bytes() + self.settlement.tag.as_ref().map_or(self.payload, |_| 0)
    }
}

/// Takes what ended; [`Settler::run`] carries it to the store.
pub(crate) struct Settler {
    consumer: Arc<dyn Consumer>,
    outage: Arc<Outage>,
    health: Arc<Health>,
    bound: usize,
    waiting: Mutex<Waiting>,
    /// It sleeps: only then must it be woken.
    idle: AtomicBool,
    arrived: Notify,
    wakes: Arc<Wakes>,
    /// Some of what waited has been settled.
    settled: Notify,
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    /// Those of `items` and those in flight.
    count: usize,
    bytes: usize,
}

impl Settler {
    /// A settler that asks for a pause once more than `bound` ends wait.
    pub(crate) fn new(
        consumer: Arc<dyn Consumer>,
        outage: Arc<Outage>,
        health: Arc<Health>,
        wakes: Arc<Wakes>,
        bound: usize,
    ) -> Self {
        let (waiting, idle) = (Mutex::default(), AtomicBool::new(false));
        let (arrived, settled) = (Notify::new(), Notify::new());
        Self { consumer, outage, health, bound, waiting, idle, arrived, wakes, settled }
    }

    /// Queues one end.
    pub(crate) fn settle(&self, item: Item) {
        let mut waiting = self.lock();
        waiting.count += 1;
        waiting.bytes += item.bytes();
        waiting.items.push_back(item);
        drop(waiting);
        if self.idle.swap(false, Ordering::AcqRel) {
            self.wakes.note();
            self.arrived.notify_one();
        }
    }

    /// Queues one end and waits for what came of it.
    pub(crate) async fn settle_and_wait(&self, mut item: Item) -> Settled {
        let (tell, told) = oneshot::channel();
        item.answer = Some(tell);
        self.settle(item);
        told.await.unwrap_or(Settled::LeaseLost)
    }

    /// Waits until there is room for more to end.
    pub(crate) async fn room(&self) {
        self.until(|waiting| self.fits(waiting)).await;
    }

    /// Whether there is room for more to end.
    pub(crate) fn has_room(&self) -> bool {
        self.fits(&self.lock())
    }

    fn fits(&self, waiting: &Waiting) -> bool {
        waiting.count < self.bound && waiting.bytes < MAX_WAITING_BYTES
    }

    /// Waits until all is settled.
    pub(crate) async fn drained(&self) {
        self.until(|waiting| waiting.count == 0).await;
    }

    /// How many ends wait for the store.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().count
    }

    /// Settles what comes, for ever; what the store refuses for good as `failing` says.
    pub(crate) async fn run(&self, failing: &Failing) {
        loop {
            while let Some(batch) = self.next_batch() {
                self.settle_batch(batch, failing).await;
            }
            self.idle.store(true, Ordering::Release);
            // What came in between did not wake it.
            if self.waiting() > 0 {
                self.idle.store(false, Ordering::Release);
                continue;
            }
            self.arrived.notified().await;
        }
    }

    async fn until(&self, ready: impl Fn(&Waiting) -> bool) {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            settled.as_mut().enable();
            if ready(&self.lock()) {
                return;
            }
            settled.await;
        }
    }

    /// No more than a store ends in one step, so that a call is answered for all or for none.
    fn next_batch(&self) -> Option<Batch> {
        let mut waiting = self.lock();
        let room = waiting.items.len().min(Settlement::MOST_WORK);
        let (settlements, origins) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let mut batch = Batch { settlements, origins, bytes: 0 };
        let mut work = 0;
        while let Some(item) = waiting.items.front() {
            let bytes = item.bytes();
            work += item.settlement.work();
            let fits = work <= Settlement::MOST_WORK && batch.bytes + bytes <= Settlement::MOST_BYTES;
            if !fits && !batch.origins.is_empty() {
                break;
            }
            let Some(item) = waiting.items.pop_front() else { break };
            batch.push(item, bytes);
        }
        (!batch.origins.is_empty()).then_some(batch)
    }

    async fn settle_batch(&self, batch: Batch, failing: &Failing) {
        let (count, bytes) = (batch.origins.len(), batch.bytes);
        failpoint::hit("settle.before");
        failpoint::hit_when("chord.before-settle", || batch.ends_chord());
        let mut unanswered = None;
        match self.send(&batch.settlements, &mut unanswered).await {
            Ok(answers) => {
                self.health.batches.record(count as u64);
                batch.tell(answers, &self.health);
            }
            Err(error) => self.settle_one_by_one(batch, &error, unanswered, failing).await,
        }
        let mut waiting = self.lock();
        waiting.count -= count;
        waiting.bytes -= bytes;
        drop(waiting);
        self.settled.notify_waiters();
    }

    /// Sends `settlements` until the store answers; notes in `unanswered` since when a try may have done it all the same.
    ///
    /// # Errors
    ///
    /// What the store will refuse however often it is asked.
    async fn send(
        &self,
        settlements: &[Settlement],
        unanswered: &mut Option<Instant>,
    ) -> Result<Vec<Settled>, StoreError> {
        let mut tries = Tries::default();
        loop {
            // What is about to be final is in the log before; in an outage, what ended meanwhile is too.
            logging::write_out();
            let began = Instant::now();
            match self.consumer.settle(settlements).await {
                Ok(answers) => {
                    self.outage.answered(Caller::Settle);
                    return Ok(answers
                        .into_iter()
                        .zip(settlements)
                        .map(|(answer, settlement)| {
                            in_doubt(answer, *unanswered, settlement.tag.is_none() || carries_nothing(settlement))
                        })
                        .collect());
                }
                // The lease may still stand when the store is back: nothing is lost by asking until it says no.
                Err(error) if may_pass(&error) => {
                    if error.outcome_unknown() {
                        unanswered.get_or_insert_with(Instant::now);
                    }
                    self.outage.failed(Caller::Settle, began, &error);
                }
                Err(error) => {
                    // A refusal is an answer.
                    self.outage.answered(Caller::Settle);
                    return Err(error);
                }
            }
            self.outage.rest(&mut tries).await;
        }
    }

    /// After a refusal: the others of the batch must not suffer for the one that is refused. An earlier try that got no
    /// answer may have ended each of them.
    async fn settle_one_by_one(
        &self,
        batch: Batch,
        refusal: &StoreError,
        unanswered: Option<Instant>,
        failing: &Failing,
    ) {
        if batch.origins.len() > 1 {
            tracing::warn!(error = %causes(refusal), "the store refused a batch of results, sending them one by one");
        }
        for (settlement, origin) in batch.settlements.into_iter().zip(batch.origins) {
            let mut unanswered = unanswered;
            match self.send(std::slice::from_ref(&settlement), &mut unanswered).await {
                Ok(answers) => {
                    self.health.batches.record(1);
                    origin.log(in_one(&answers), &self.health);
                }
                Err(error) => self.set_aside(settlement, origin, &error, failing).await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to one settlement.
fn in_one(answers: &[Settled]) -> Settled {
    answers.first().copied().unwrap_or(Settled::LeaseLost)
}

/// What `answer` means after a try that got no answer: what that one did is now [`Settled::LeaseLost`]. It was that
/// one, unless so much time has passed that the lease may have been lost since. A settlement that is `bare` has what it
/// asked for either way; an early acknowledgement is one, and a job that may run twice is better than one that never does.
fn in_doubt(answer: Settled, unanswered: Option<Instant>, bare: bool) -> Settled {
    match (answer, unanswered) {
        (Settled::LeaseLost, Some(since)) if bare || since.elapsed() < SHORTER_THAN_A_LEASE => Settled::Done,
        (answer, _) => answer,
    }
}

/// Whether all that it asks is that the message be gone from our hands.
fn carries_nothing(settlement: &Settlement) -> bool {
    matches!(settlement.ending, Ending::Done)
        && settlement.results.is_empty()
        && settlement.follow.is_empty()
        && settlement.chords.is_empty()
        && settlement.chord_end.is_none()
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
