//! Runs one job: acknowledges early where the task says so, runs the body within its limits, and hands its end to
//! the settler.

pub(crate) mod brevity;
mod limits;
pub(crate) mod runners;
mod thread;
mod waited;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use queue_core::failpoint;
use queue_core::message::Json;
use queue_core::store::{DeadReason, Ending, Settled, Settlement};
use queue_core::task::{Body, Context, ContextParts, Overrides, RunFuture, TaskError};
use tracing::Instrument;

use self::limits::{absolving, unless_terminated, within};
use self::thread::{Thread, leave_stuck, lost_thread, no_thread};
use crate::emitter::Telling;
use crate::ending::{Subject, in_words};
use crate::engine::Engine;
use crate::health::tally::{Outcome as Counted, waited};
use crate::jobs::Held;
use crate::panics::{Caught, catch};
use crate::progress::Reporter;
use crate::settle::Item;
use crate::shutdown::put_back;
use crate::slots::{Slot, SuspectGuard};
use crate::startup::Task;
use crate::verdict::{Attempt, Verdict, verdict};

/// How long a suspect runs before others of its kind may start, when no worker has died of it yet. Doubles with each
/// death.
const ABSOLVED_AFTER: Duration = Duration::from_secs(30);

/// How long a plain function that is terminated has to notice it, before its slot counts as stuck.
const OBEDIENCE: Duration = Duration::from_secs(10);

type Outcome = Result<Json, TaskError>;

/// How long one run may take.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    soft: Option<Duration>,
    hard: Option<Duration>,
    /// How long until it is no suspect any more, if it is one.
    absolved_after: Option<Duration>,
}

impl Bounds {
    /// Nearly all jobs.
    fn is_unbounded(self) -> bool {
        self.soft.is_none() && self.hard.is_none() && self.absolved_after.is_none()
    }

    fn overrun(self) -> TaskError {
        TaskError::time_limit(self.hard.unwrap_or_default())
    }
}

/// One job about to run.
pub(crate) struct Run {
    pub(crate) engine: Arc<Engine>,
    pub(crate) held: Arc<Held>,
    pub(crate) task: &'static Task,
    /// Moves to its thread with a blocking body.
    pub(crate) slot: Option<Slot>,
    pub(crate) suspect: Option<SuspectGuard>,
}

impl Run {
    /// From the slot to the settler.
    pub(crate) async fn run(self) {
        let message = &self.held.message;
        let span = tracing::info_span!(
            "task", task = message.display_name(), id = %message.id, queue = %self.held.queue, retries = message.retries
        );
        let (engine, held) = (Arc::clone(&self.engine), Arc::clone(&self.held));
        // Bodies are caught where they run. What panics beside them (a destructor at the time limit, a bug of ours)
        // must not leave the message with a worker that has forgotten it.
        let steps = std::pin::pin!(self.steps().instrument(span));
        if let Err(panic) = Caught(steps).await {
            set_aside(&engine, &held, &panic);
        }
    }

    async fn steps(mut self) {
        if self.held.course.is_cut_off() {
            return;
        }
        let was_held = match &mut self.slot {
            Some(slot) => self.engine.slots.start(slot).await,
            None => false,
        };
        let revoked = was_held && Box::pin(self.revoked_meanwhile()).await;
        // By its stamps it may have been revoked since the gate, however short that is.
        let revoked = revoked || self.engine.control.stamps.cover(&self.held.message);
        // It may have waited for its place until now.
        if self.held.course.is_cut_off() {
            return;
        }
        if self.engine.phase.interrupted.load(Ordering::Acquire) {
            return self.leave();
        }
        let now = self.engine.time.now();
        if revoked || !self.held.course.start(now) {
            return self.end_revoked("revoked", None);
        }
        if self.held.message.expires.is_some() && Box::pin(self.has_expired()).await {
            return self.end_expired();
        }
        self.task.accepted.fetch_add(1, Ordering::Relaxed);
        // What few jobs need is boxed: the future of every job has room for all that it may hold.
        if self.acks_early() && !Box::pin(self.acknowledge()).await {
            return;
        }
        let track = self.task.options.track_started || self.engine.config.track_started;
        if track && !Box::pin(self.say_started()).await {
            return;
        }
        if let Some(waited) = waited(&self.held.message, now) {
            self.task.tally.wait.record_time(waited);
        }
        tracing::debug!(redelivered = self.held.redelivered, "task started");
        self.engine.emitter.started(&self.held.message);
        if self.engine.emitter.is_on() {
            // A body that blocks this thread would keep the emitter, which was just woken on it, from running anywhere.
            tokio::task::yield_now().await;
        }
        let started = Instant::now();
        let context = self.context();
        failpoint::hit("body.before");
        let outcome = self.body(context.clone()).await;
        failpoint::hit("body.done");
        self.end(outcome, started.elapsed(), &context);
    }

    fn acks_early(&self) -> bool {
        Overrides::of(&self.held.message).acks_early.unwrap_or(self.task.options.acks_early)
    }

    /// Acknowledges before the run; false when the lease was lost, so that the job is somebody else's.
    async fn acknowledge(&mut self) -> bool {
        let Some(tag) = self.held.set_tag(None) else { return true };
        // What follows is not a lease any more, so no crash can be blamed on it either.
        let item = self.item(Settlement::done(tag), None);
        let settled = self.engine.settler.settle_and_wait(item).await;
        if settled == Settled::LeaseLost {
            drop(self.engine.jobs.claim(&self.held));
        }
        settled == Settled::Done
    }

    /// Stores STARTED; false when the lease was lost. A store that does not answer does not stop the task.
    async fn say_started(&self) -> bool {
        let subject = Subject::new(&self.engine, &self.held);
        if subject.ignore_result {
            return true;
        }
        match Reporter::new(&self.engine, &self.held).store(subject.started()).await {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!("the lease of this task was lost before it started: not run here");
                drop(self.engine.jobs.claim(&self.held));
                false
            }
            Err(error) => {
                tracing::warn!(%error, "STARTED could not be stored");
                true
            }
        }
    }

    fn time_limit(&self) -> Option<Duration> {
        let told = || self.engine.control.limits.of(self.task.name).map(|limits| limits.hard);
        self.held.message.time_limit.or_else(|| told().unwrap_or(self.task.options.time_limit))
    }

    fn soft_time_limit(&self) -> Option<Duration> {
        let told = || self.engine.control.limits.of(self.task.name).map(|limits| limits.soft);
        self.held.message.soft_time_limit.or_else(|| told().unwrap_or(self.task.options.soft_time_limit))
    }

    fn context(&self) -> Context {
        let (engine, held) = (&self.engine, &self.held);
        Context::new(ContextParts {
            message: Arc::clone(&held.message),
            queue: held.queue.clone(),
            worker: engine.config.hostname.clone(),
            redelivered: held.redelivered,
            cancel: held.cancel.clone(),
            // A limit beyond what a clock can say is none.
            deadline: self.time_limit().and_then(|limit| tokio::time::Instant::now().checked_add(limit)),
            state: Arc::clone(&engine.state),
            client: engine.client.clone(),
            progress: Arc::new(Reporter::new(engine, held)),
        })
    }

    async fn body(&mut self, context: Context) -> Outcome {
        let bounds = self.bounds();
        match self.task.body {
            Body::Async(body) => self.on_runtime(body, context, bounds).await,
            Body::Blocking(body) => Box::pin(self.on_thread(body, context, bounds)).await,
        }
    }

    fn bounds(&self) -> Bounds {
        let absolved_after = self.suspect.is_some().then(|| ABSOLVED_AFTER * 2_u32.saturating_pow(self.held.deaths));
        Bounds { soft: self.soft_time_limit(), hard: self.time_limit(), absolved_after }
    }

    async fn on_runtime(&mut self, body: fn(Context) -> RunFuture, context: Context, bounds: Bounds) -> Outcome {
        let (inner, held) = (context.clone(), Arc::clone(&self.held));
        // Handed on by reference: by value each of those that wait for it would have room for it twice.
        let running = std::pin::pin!(context.enter(async move {
            let body = async {
                let body = catch(|| body(inner))?;
                Caught(body).await.flatten()
            };
            held.polls.count(body).await
        }));
        // Dropped at once when it is terminated: an asynchronous body cleans up by being dropped.
        let outcome = if bounds.is_unbounded() {
            unless_terminated(running, &self.held, Duration::ZERO).await
        } else {
            Box::pin(self.bounded(running, bounds, Duration::ZERO)).await
        };
        outcome.unwrap_or_else(|| Err(bounds.overrun()))
    }

    async fn on_thread(&mut self, body: fn(Context) -> Outcome, context: Context, bounds: Bounds) -> Outcome {
        let thread = match Thread::start(&self.engine, &self.held, self.slot.take(), body, context) {
            Ok(thread) => thread,
            Err(error) => return Err(no_thread(&error)),
        };
        let Thread { outcome, late } = thread;
        match self.bounded(outcome, bounds, OBEDIENCE).await {
            Some(Ok((outcome, slot))) => {
                self.slot = slot;
                outcome
            }
            Some(Err(_)) => Err(lost_thread()),
            None => {
                leave_stuck(&self.engine, &self.held, bounds.hard, &late);
                Err(bounds.overrun())
            }
        }
    }

    /// Awaits `running` within its bounds; `None` when it had not ended by then.
    async fn bounded<F: Future>(&mut self, running: F, bounds: Bounds, obedience: Duration) -> Option<F::Output> {
        let cancel = self.held.cancel.clone();
        let limited = within(running, bounds.soft, bounds.hard, &cancel);
        let limited = unless_terminated(limited, &self.held, obedience);
        absolving(limited, bounds.absolved_after, &self.engine, &self.held, &mut self.suspect).await.flatten()
    }

    /// Decides what becomes of the job, and hands it on.
    fn end(self, outcome: Outcome, runtime: Duration, context: &Context) {
        let engine = Arc::clone(&self.engine);
        // Kept until the end is with the settler: a stop waits for it.
        let Some(_claim) = engine.jobs.claim(&self.held) else { return };
        let interrupted = self.engine.phase.interrupted.load(Ordering::Acquire);
        let attempt = Attempt::new(&self.task.options, &self.held.message, interrupted);
        if let (Err(_), Some(signal)) = (&outcome, self.held.course.terminated()) {
            return self.hand_in_revoked("terminated", Some(signal));
        }
        let about = |kind: &str| self.engine.emitter.about(kind, &self.held.message);
        let took = runtime;
        let runtime = tracing::field::display(Seconds(took));
        let mut subject = Subject::new(&self.engine, &self.held);
        (subject.children, subject.added) = (context.children(), context.take_added());
        self.task.tally.run.record_time(took);
        // Of one that waited its runner has noted that.
        if self.held.polls.only_one() {
            self.task.brevity.ended(took);
        }
        let (settlement, telling, outcome) = match verdict(outcome, attempt) {
            Verdict::Succeed(value) => {
                tracing::info!(runtime, "task succeeded");
                let telling = about("task-succeeded").returned(&value, took);
                (subject.succeed(value), telling, Counted::Succeeded)
            }
            Verdict::Replace(sig) => {
                tracing::info!(runtime, by = sig.name(), "task replaced");
                (subject.replaced(*sig), Telling::default(), Counted::Succeeded)
            }
            Verdict::Retry { wait, why, again } => {
                tracing::warn!(runtime, ?wait, error = %in_words(&why), "task failed, retrying");
                let telling = about("task-retried").why(&why);
                (subject.retry(wait, &why, again), telling, Counted::Retried)
            }
            Verdict::Snooze { wait } => {
                tracing::info!(runtime, ?wait, "task snoozed");
                (subject.snooze(wait), Telling::default(), Counted::Snoozed)
            }
            Verdict::DeadLetter { reason, why } => {
                tracing::error!(runtime, ?reason, error = %in_words(&why), "task failed, set aside");
                let telling = match reason {
                    DeadReason::Rejected => about("task-rejected").with("requeue", || false.into()),
                    _ => about("task-failed").why(&why),
                };
                (subject.dead(reason, &why), telling, Counted::Dead(reason))
            }
            Verdict::GiveBack => {
                tracing::info!(runtime, "task interrupted by the shutdown");
                self.held.course.hand_on();
                put_back(&self.engine, &self.held);
                return;
            }
        };
        let telling = match &settlement.ending {
            // What should follow is not possible.
            Ending::Dead(letter) if !matches!(outcome, Counted::Dead(_)) => {
                about("task-failed").with("exception", || letter.error.as_str().into())
            }
            Ending::Dead(_) | Ending::Done => telling,
        };
        failpoint::hit("settle.built");
        settlement.follow.iter().filter_map(|message| message.due).for_each(|due| self.engine.wakeups.due(due));
        self.hand_in(settlement, telling, outcome);
    }

    /// The others are being asked to end: this one does not begin any more.
    fn leave(self) {
        if let Some(_claim) = self.engine.jobs.claim(&self.held) {
            self.held.course.hand_on();
            put_back(&self.engine, &self.held);
        }
    }

    /// Ends a job that was revoked before its body began.
    fn end_revoked(self, why: &str, signal: Option<i32>) {
        let engine = Arc::clone(&self.engine);
        if let Some(_claim) = engine.jobs.claim(&self.held) {
            self.hand_in_revoked(why, signal);
        }
    }

    fn hand_in_revoked(self, why: &str, signal: Option<i32>) {
        tracing::info!("task {why}");
        let settlement = Subject::new(&self.engine, &self.held).revoked(why);
        let telling = self.engine.emitter.about("task-revoked", &self.held.message).revoked(signal, false);
        self.hand_in(settlement, telling, Counted::Revoked);
    }

    fn hand_in(mut self, settlement: Settlement, telling: Telling, outcome: Counted) {
        let counted = Some((&self.task.tally, Counted::of(&settlement, outcome)));
        let mut slot = self.slot.take();
        if slot.as_mut().is_some_and(Slot::ended) {
            self.engine.wakes.note();
        }
        let item = Item { telling, counted, ..self.item(settlement, slot) };
        self.held.course.hand_on();
        self.engine.settler.settle(item);
    }

    fn item(&mut self, settlement: Settlement, slot: Option<Slot>) -> Item {
        Item { suspect: self.suspect.take(), slot, ..Item::of(&self.held, settlement) }
    }
}

/// A time in seconds, as Celery logs it.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.6}", self.0.as_secs_f64())
    }
}

/// Ends a job whose run panicked outside its body.
fn set_aside(engine: &Engine, held: &Arc<Held>, panic: &TaskError) {
    // Whoever claimed it may be what panicked: then its end is still open.
    let claim = engine.jobs.claim(held);
    if claim.is_none() && held.course.was_handed_on() {
        return;
    }
    held.course.hand_on();
    let (task, id) = (held.message.display_name(), &held.message.id);
    tracing::error!(task, %id, error = %in_words(&panic.exception), "the run of this task panicked, set aside");
    let settlement = Subject::new(engine, held).dead(DeadReason::Failed, &panic.exception);
    let telling = engine.emitter.about("task-failed", &held.message).why(&panic.exception);
    let counted = Some((engine.tasks.tally(&held.message.task), Counted::Dead(DeadReason::Failed)));
    engine.settler.settle(Item { telling, counted, ..Item::of(held, settlement) });
}
