//! Who waits in this process, and who is to be woken.
//!
//! Each message that becomes ready wakes one waiter, the one that waits longest. A waiter that leaves without having
//! used its wake-up passes it on. The writing thread says what its own transactions did; the poller says what other
//! processes did, and what has become due.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use super::bus::Ears;
use super::tx::{Due, Effects, Wake};
use crate::clock::Timestamp;
use crate::names::TaskId;
use crate::store::Ready;

#[cfg(test)]
mod tests;

/// Everybody who waits on one open store.
#[derive(Debug, Default)]
pub(super) struct Hub {
    state: Mutex<State>,
    /// Rung for the poller.
    bell: Condvar,
    revocations: AtomicI64,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiters: VecDeque<Waiter>,
    results: HashMap<TaskId, Vec<ResultWaiter>>,
    due: HashMap<i64, Timestamp>,
    ears: Ears,
    /// Somebody has begun to wait: look at the tables even if they did not change.
    fresh: bool,
    closed: bool,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    queues: Vec<i64>,
    suspect: bool,
    woken: Option<(i64, Wake)>,
    notify: Arc<Notify>,
}

impl Waiter {
    fn wants(&self, queue: i64, wake: Wake) -> bool {
        self.queues.contains(&queue) && (self.suspect || wake == Wake::Fresh)
    }
}

struct ResultWaiter {
    number: u64,
    ready: Ready,
    /// The poller was told to look for it.
    looked: bool,
    reply: oneshot::Sender<Bytes>,
}

impl std::fmt::Debug for ResultWaiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultWaiter").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What the poller is to look at.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Queues that somebody waits for.
    pub(super) queues: Vec<i64>,
    /// Whether somebody waits for a result.
    pub(super) results: bool,
    /// Those that nobody was told to look for yet.
    pub(super) new_results: Vec<TaskId>,
    /// Whether somebody listens to posts.
    pub(super) posts: bool,
    /// Somebody has begun to wait since the last time.
    pub(super) fresh: bool,
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait for messages. To be called before looking for them, so that none is missed between.
    pub(super) fn wait_for_messages(self: &Arc<Self>, queues: Vec<i64>, suspect: bool) -> Waiting {
        let notify = Arc::new(Notify::new());
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        state.waiters.push_back(Waiter { number, queues, suspect, woken: None, notify: Arc::clone(&notify) });
        state.fresh = true;
        self.bell.notify_one();
        Waiting { hub: Arc::clone(self), number, notify }
    }

    /// Begins to wait for a result. To be called before looking for it.
    pub(super) fn wait_for_result(self: &Arc<Self>, id: &TaskId, ready: Ready) -> ResultWaiting {
        let (reply, answer) = oneshot::channel();
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        let waiter = ResultWaiter { number, ready, looked: false, reply };
        state.results.entry(id.clone()).or_default().push(waiter);
        state.fresh = true;
        self.bell.notify_one();
        ResultWaiting { hub: Arc::clone(self), id: id.clone(), number, answer }
    }

    /// Wakes up to `n` waiters for what became ready in a queue.
    pub(super) fn wake(&self, queue: i64, wake: Wake, n: usize) {
        self.state().wake(queue, wake, n);
    }

    /// Begins to listen; what `topics` covers is put into `posts`, from when `stands` is told.
    pub(super) fn listen(
        &self,
        topics: impl Fn(&str) -> bool + Send + 'static,
        posts: mpsc::Sender<Bytes>,
        stands: Option<oneshot::Sender<()>>,
    ) -> u64 {
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        state.ears.add(number, Box::new(topics), posts, stands);
        state.fresh = true;
        self.bell.notify_one();
        number
    }

    /// Ends a listening.
    pub(super) fn unlisten(&self, number: u64) {
        self.state().ears.remove(number);
    }

    /// What is posted from now on will be given to those who listen by now.
    pub(super) fn listening_stands(&self) {
        self.state().ears.stand();
    }

    /// Gives a post to those who listen; how many they are.
    pub(super) fn post(&self, topic: &str, payload: &[u8]) -> usize {
        self.state().ears.tell(topic, payload)
    }

    /// A queue's next message is due then.
    pub(super) fn due(&self, queue: i64, at: Option<Timestamp>) {
        self.state().due(queue, Due::At(at));
    }

    /// Gives a stored result to those who wait for it.
    pub(super) fn result(&self, id: &TaskId, meta: &Bytes) {
        self.state().result(id, meta);
    }

    /// Tells everybody what a transaction did.
    pub(super) fn apply(&self, effects: &Effects) {
        let mut state = self.state();
        for &(queue, wake, n) in &effects.wakes {
            state.wake(queue, wake, n);
        }
        for &(queue, due) in &effects.dues {
            state.due(queue, due);
        }
        if !state.results.is_empty() {
            for (id, meta) in &effects.results {
                state.result(id, meta);
            }
        }
    }

    /// How often `revoke` was called, as far as this process knows.
    pub(super) fn revocations(&self) -> i64 {
        self.revocations.load(Ordering::Acquire)
    }

    /// It was called at least so often.
    pub(super) fn know_revocations(&self, count: i64) {
        self.revocations.fetch_max(count, Ordering::AcqRel);
    }

    /// For the poller: sleeps while nobody waits, else for `pause`; `None` when the store is closed.
    pub(super) fn next_watch(&self, pause: Duration) -> Option<Watch> {
        let mut state = self.state();
        while state.waiters.is_empty() && state.results.is_empty() && state.ears.is_empty() && !state.closed {
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.fresh && !state.closed {
            state = self.bell.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        (!state.closed).then(|| state.watch())
    }

    /// For the poller: the tasks whose results somebody waits for.
    pub(super) fn awaited(&self) -> Vec<TaskId> {
        self.state().results.keys().cloned().collect()
    }

    /// For the poller: wakes a waiter of each queue whose message has become due.
    pub(super) fn wake_due(&self, now: Timestamp) {
        let mut state = self.state();
        let due: Vec<i64> = state.due.iter().filter(|(_, at)| **at <= now).map(|(queue, _)| *queue).collect();
        for queue in due {
            // The lease that follows says what is due next. Without a waiter it stays for the next one.
            if state.wake(queue, Wake::Fresh, 1) > 0 {
                state.due.remove(&queue);
            }
        }
    }

    /// Ends the poller.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.bell.notify_all();
    }
}

impl State {
    fn wake(&mut self, queue: i64, wake: Wake, n: usize) -> usize {
        let idle = self.waiters.iter_mut().filter(|waiter| waiter.woken.is_none() && waiter.wants(queue, wake));
        let mut woken = 0;
        for waiter in idle.take(n) {
            waiter.woken = Some((queue, wake));
            waiter.notify.notify_one();
            woken += 1;
        }
        woken
    }

    fn due(&mut self, queue: i64, due: Due) {
        match due {
            Due::At(None) => drop(self.due.remove(&queue)),
            Due::At(Some(at)) => drop(self.due.insert(queue, at)),
            Due::By(at) => {
                let due = self.due.entry(queue).or_insert(at);
                *due = at.min(*due);
            }
        }
    }

    fn result(&mut self, id: &TaskId, meta: &Bytes) {
        let Some(waiters) = self.results.get_mut(id) else { return };
        for waiter in waiters.extract_if(.., |waiter| (waiter.ready)(meta)) {
            // It may have just gone away.
            drop(waiter.reply.send(meta.clone()));
        }
        if waiters.is_empty() {
            self.results.remove(id);
        }
    }

    fn watch(&mut self) -> Watch {
        let mut queues: Vec<i64> = self.waiters.iter().flat_map(|waiter| waiter.queues.iter().copied()).collect();
        queues.sort_unstable();
        queues.dedup();
        let fresh = std::mem::take(&mut self.fresh);
        let mut new_results = Vec::new();
        if fresh {
            for (id, waiters) in &mut self.results {
                if waiters.iter().any(|waiter| !waiter.looked) {
                    new_results.push(id.clone());
                    waiters.iter_mut().for_each(|waiter| waiter.looked = true);
                }
            }
        }
        let (results, posts) = (!self.results.is_empty(), !self.ears.is_empty());
        Watch { queues, results, new_results, posts, fresh }
    }
}

/// A place among those who wait for messages; given up when dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    hub: Arc<Hub>,
    number: u64,
    notify: Arc<Notify>,
}

impl Waiting {
    /// Until there may be something; then look, before waiting again.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
        let mut state = self.hub.state();
        if let Some(waiter) = state.waiters.iter_mut().find(|waiter| waiter.number == self.number) {
            waiter.woken = None;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        let Some(place) = state.waiters.iter().position(|waiter| waiter.number == self.number) else { return };
        if let Some((queue, wake)) = state.waiters.remove(place).and_then(|waiter| waiter.woken) {
            state.wake(queue, wake, 1);
        }
    }
}

/// A place among those who wait for a result; given up when dropped.
#[derive(Debug)]
pub(super) struct ResultWaiting {
    hub: Arc<Hub>,
    id: TaskId,
    number: u64,
    answer: oneshot::Receiver<Bytes>,
}

impl ResultWaiting {
    /// The result, once it is ready; `None` when the store is gone.
    pub(super) async fn result(&mut self) -> Option<Bytes> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for ResultWaiting {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        if let Some(waiters) = state.results.get_mut(&self.id) {
            waiters.retain(|waiter| waiter.number != self.number);
            if waiters.is_empty() {
                state.results.remove(&self.id);
            }
        }
    }
}
