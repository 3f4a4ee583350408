//! Outages of the store: one log line when one begins and one when it ends, and how long to wait in between.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use queue_core::store::StoreError;
use tokio::sync::Notify;

use crate::logging::causes;

/// Who talks to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Caller {
    /// The fetch loop.
    Fetch = 1,
    /// The settler.
    Settle = 2,
    /// The heartbeat.
    Beat = 4,
}

/// What is known of the store's health.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    state: Mutex<State>,
    /// A caller whose last call had failed was answered.
    answered: Notify,
}

#[derive(Debug)]
struct State {
    /// Those whose last call failed, as bits.
    failing: u8,
    /// Of those, and of those that have stopped asking since, who was not answered yet.
    missed: u8,
    /// When a call failed last.
    failed: Option<Instant>,
    since: Option<Instant>,
    /// How many began so far.
    count: u64,
    /// When a call succeeded last.
    answered: Instant,
}

impl Default for State {
    /// Made when the worker has signed on, which was an answer: a store that goes silent right after it is missed as any other.
    fn default() -> Self {
        Self { failing: 0, missed: 0, failed: None, since: None, count: 0, answered: Instant::now() }
    }
}

impl Outage {
    /// Notes that a call failed which began then; logs where this begins an outage. What the next call finds says more where a
    /// line breaks (but the heartbeat has tried twice), and where somebody was answered since the call began: its failure may be
    /// older, one that was waited for together and is told late.
    pub(crate) fn failed(&self, caller: Caller, began: Instant, error: &StoreError) {
        let mut state = self.lock();
        let first = state.failing & caller as u8 == 0;
        let broke = error.outcome_unknown() && caller != Caller::Beat;
        state.failing |= caller as u8;
        state.missed |= caller as u8;
        state.failed = Some(Instant::now());
        if first && (broke || began < state.answered) {
            tracing::debug!(error = %causes(error), "a call to the store failed");
            return;
        }
        if state.since.is_none() {
            state.count += 1;
            state.since = Some(Instant::now());
            tracing::error!(
                error = %causes(error),
                hint = %error.hint(),
                "the store does not answer; running tasks go on, trying again until it does"
            );
        }
    }

    /// Notes that a call succeeded; logs where this ends an outage. True when this caller's last call had failed.
    pub(crate) fn answered(&self, caller: Caller) -> bool {
        let mut state = self.lock();
        state.answered = Instant::now();
        let had_failed = state.missed & caller as u8 != 0;
        state.missed &= !(caller as u8);
        state.failing &= !(caller as u8);
        state.end();
        drop(state);
        if had_failed {
            self.answered.notify_waiters();
        }
        had_failed
    }

    /// Awaits something else than the store. If that takes time, `caller` asks nothing meanwhile, and what its last call met says
    /// nothing of how the store is now: the others' calls tell.
    pub(crate) async fn aside<F: Future>(&self, caller: Caller, waiting: F) -> F::Output {
        let mut waiting = std::pin::pin!(waiting);
        tokio::select! {
            biased;
            output = &mut waiting => return output,
            () = std::future::ready(()) => {}
        }
        self.asks_no_more(caller);
        waiting.await
    }

    /// `caller` asks nothing for now; an outage that only its last call speaks for is over if another was answered since.
    pub(crate) fn asks_no_more(&self, caller: Caller) {
        let mut state = self.lock();
        state.failing &= !(caller as u8);
        if state.failed.is_none_or(|failed| failed < state.answered) {
            state.end();
        }
    }

    /// Waits before the next try; no longer than until another caller is answered again.
    pub(crate) async fn rest(&self, tries: &mut Tries) {
        tokio::select! {
            () = tokio::time::sleep(tries.next_wait()) => {}
            () = self.answered.notified() => {}
        }
    }

    /// Asks until the store answers, which ends this caller's part in an outage; a refusal is an answer too.
    ///
    /// # Errors
    ///
    /// What the store will say however often it is asked.
    pub(crate) async fn insist<T, F>(&self, caller: Caller, ask: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = Tries::default();
        loop {
            let began = Instant::now();
            match ask().await {
                Err(error) if may_pass(&error) => self.failed(caller, began, &error),
                answer => {
                    self.answered(caller);
                    return answer;
                }
            }
            self.rest(&mut tries).await;
        }
    }

    /// Whether the store is away.
    pub(crate) fn is_on(&self) -> bool {
        self.lock().since.is_some()
    }

    /// For how long the store has been away, if it is.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        self.lock().since.map(|since| since.elapsed())
    }

    /// How many outages there were.
    pub(crate) fn count(&self) -> u64 {
        self.lock().count
    }

    /// How long ago the store answered last.
    pub(crate) fn answered_ago(&self) -> Duration {
        self.lock().answered.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ends the outage, if there is one and nobody's call fails any more.
    fn end(&mut self) {
        if self.failing == 0
            && let Some(since) = self.since.take()
        {
            tracing::info!(outage = %seconds(since.elapsed()), "the store answers again");
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Whether the store may answer otherwise when it is asked again. A password that is being changed is no reason to throw
/// finished work away.
pub(crate) fn may_pass(error: &StoreError) -> bool {
    error.is_transient() || matches!(error, StoreError::Unauthorized { .. } | StoreError::SentinelLogin { .. })
}

/// Waits between tries: 50 ms, doubling up to 1 s, each spread over half to all of it so that a fleet does not come
/// back in step. No longer, since a worker consumes again within 2 s of the store's return.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tries(u32);

impl Tries {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    /// The wait before the next try.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let full = Self::FIRST.saturating_mul(2_u32.saturating_pow(self.0)).min(Self::LONGEST);
        self.0 = self.0.saturating_add(1);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Whether there was no wait yet.
    pub(crate) fn is_first(&self) -> bool {
        self.0 == 0
    }

    /// Starts again from the first wait.
    pub(crate) fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn waits_grow_to_one_second_and_start_again_after_a_success() {
        let mut tries = Tries::default();
        let waits: Vec<_> = (0..40).map(|_| tries.next_wait()).collect();
        assert!(waits[0] >= Duration::from_millis(25) && waits[0] <= Duration::from_millis(50));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(1)));
        assert!(waits[39] >= Duration::from_millis(500));
        tries.reset();
        assert!(tries.next_wait() <= Duration::from_millis(50));
    }

    #[test]
    fn an_outage_ends_when_the_last_caller_that_failed_is_answered() {
        let outage = Outage::default();
        outage.failed(Caller::Fetch, Instant::now(), &StoreError::Leased);
        outage.failed(Caller::Beat, Instant::now(), &StoreError::Leased);
        outage.answered(Caller::Settle);
        outage.answered(Caller::Fetch);
        assert!(outage.state.lock().unwrap().since.is_some());
        outage.answered(Caller::Beat);
        assert!(outage.state.lock().unwrap().since.is_none());
    }

    #[tokio::test]
    async fn an_outage_does_not_wait_for_who_asks_no_more() {
        let outage = Outage::default();
        outage.failed(Caller::Fetch, Instant::now(), &StoreError::Leased);
        // Nothing to wait for: it asks again at once.
        outage.aside(Caller::Fetch, async {}).await;
        outage.answered(Caller::Beat);
        assert!(outage.is_on());
        outage.failed(Caller::Beat, Instant::now(), &StoreError::Leased);
        let waits = outage.aside(Caller::Fetch, std::future::pending::<()>()).now_or_never();
        assert!(waits.is_none() && outage.is_on(), "nobody was answered since");
        outage.answered(Caller::Beat);
        assert!(!outage.is_on());
        assert!(outage.answered(Caller::Fetch), "its next answer is the first after its failure");
        assert!(!outage.answered(Caller::Fetch));
    }

    #[tokio::test]
    async fn who_asks_no_more_ends_an_outage_that_is_over_for_the_others() {
        let outage = Outage::default();
        outage.failed(Caller::Fetch, Instant::now(), &StoreError::Leased);
        outage.answered(Caller::Beat);
        assert!(outage.is_on());
        outage.asks_no_more(Caller::Fetch);
        assert!(!outage.is_on());
        outage.failed(Caller::Fetch, Instant::now(), &StoreError::Leased);
        assert_eq!(outage.count(), 2, "the next is another one");
    }

    #[test]
    fn a_line_that_breaks_is_no_outage_until_the_next_call_fails_too() {
        let broke = StoreError::Unreachable { url: String::new(), unknown: true, source: "broken pipe".into() };
        let outage = Outage::default();
        let lasts = || outage.state.lock().unwrap().since.is_some();
        outage.failed(Caller::Fetch, Instant::now(), &broke);
        assert!(!lasts());
        assert!(outage.answered(Caller::Fetch));
        outage.failed(Caller::Fetch, Instant::now(), &broke);
        outage.failed(Caller::Fetch, Instant::now(), &broke);
        assert!(lasts());
    }

    #[test]
    fn a_failure_that_is_told_late_begins_no_outage() {
        let outage = Outage::default();
        let began = Instant::now();
        outage.failed(Caller::Beat, began, &StoreError::Leased);
        outage.answered(Caller::Beat);
        for caller in [Caller::Fetch, Caller::Beat] {
            outage.failed(caller, began, &StoreError::Leased);
            assert_eq!((outage.count(), outage.is_on()), (1, false), "{caller:?}");
        }
        assert!(outage.answered(Caller::Fetch), "but it is remembered");
        outage.failed(Caller::Beat, began, &StoreError::Leased);
        assert!(outage.is_on(), "two of one caller are an outage, whatever others are told");
    }

    #[tokio::test]
    async fn who_insists_ends_the_outage_that_it_began_whatever_the_answer() {
        let outage = Outage::default();
        for answer in [Ok(7), Err(StoreError::Leased)] {
            let away = StoreError::Unreachable { url: String::new(), unknown: false, source: "no route".into() };
            let answers = Mutex::new(vec![answer, Err(away)]);
            let next = || {
                let answer = answers.lock().unwrap().pop().unwrap();
                std::future::ready(answer)
            };
            let asked = outage.insist(Caller::Settle, next).await;
            assert!(matches!(asked, Ok(7) | Err(StoreError::Leased)), "{asked:?}");
            assert!(answers.lock().unwrap().is_empty() && !outage.is_on());
        }
        assert_eq!(outage.count(), 2);
    }

    #[tokio::test]
    async fn who_is_answered_again_wakes_those_that_rest() {
        let (outage, mut tries) = (Outage::default(), Tries(60));
        outage.failed(Caller::Fetch, Instant::now(), &StoreError::Leased);
        let rested = async {
            for _ in 0..100 {
                outage.failed(Caller::Beat, Instant::now(), &StoreError::Leased);
                tokio::join!(outage.rest(&mut tries), async {
                    assert!(outage.answered(Caller::Beat));
                });
            }
        };
        // A hundred rests of half a second at least.
        tokio::time::timeout(Duration::from_secs(40), rested).await.unwrap();
    }
}
