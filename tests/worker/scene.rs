//! A worker on a bench, and the switches that the test's tasks listen to.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use queue_core::store::{DeadReason, Job, JobState};
use queue_core::{Client, ClientOptions};
use queue_tests::{Bench, wait_until};
use queue_worker::{Worker, WorkerHandle};

/// Long enough for whatever should come.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A client whose default queue is the bench's `q`.
pub(crate) fn client(bench: &Bench) -> Client {
    let options = ClientOptions { default_queue: bench.queue("q"), ..ClientOptions::default() };
    Client::with_options(Arc::clone(&bench.store), options)
}

/// A worker of the bench's `q` with four slots, not yet started.
pub(crate) fn worker(bench: &Bench, stage: &Stage) -> Worker {
    Worker::new().queue(bench.queue("q").as_str()).concurrency(4).hostname("w@test").state(stage.clone())
}

/// Such a worker, started.
pub(crate) async fn start(bench: &Bench, stage: &Stage) -> WorkerHandle {
    worker(bench, stage).start(client(bench)).await.unwrap()
}

/// The one dead letter of the bench's `q`, waited for.
pub(crate) async fn dead_letter(bench: &Bench) -> (Job, DeadReason, String) {
    wait_until("a dead letter", || async { bench.counts("q").await.dead > 0 }).await;
    let job = bench.page("q", JobState::Dead, 10).await.jobs.remove(0);
    let (_, letter) = job.dead.clone().unwrap();
    (job, letter.reason, letter.error)
}

/// Waits until the bench's `q` holds nothing but dead letters.
pub(crate) async fn settled(bench: &Bench) {
    wait_until("all settled", || async {
        let counts = bench.counts("q").await;
        counts.ready + counts.scheduled + counts.leased == 0
    })
    .await;
}

/// What the test's tasks tell the test, and what they wait for. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Stage(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<Told>,
    changed: Condvar,
    notify: tokio::sync::Notify,
}

#[derive(Default)]
struct Told {
    lines: Vec<String>,
    open: bool,
}

impl Stage {
    /// A task says something.
    pub(crate) fn say(&self, line: impl Into<String>) {
        self.0.state.lock().unwrap().lines.push(line.into());
        self.0.notify.notify_waiters();
    }

    /// What was said so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.0.state.lock().unwrap().lines.clone()
    }

    /// How often `line` was said.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.said().iter().filter(|said| *said == line).count()
    }

    /// Waits until `line` was said so often.
    pub(crate) async fn heard(&self, line: &str, times: usize) {
        let heard = async {
            loop {
                let mut notified = std::pin::pin!(self.0.notify.notified());
                notified.as_mut().enable();
                if self.count(line) >= times {
                    return;
                }
                notified.await;
            }
        };
        let heard = tokio::time::timeout(SOON, heard).await;
        assert!(heard.is_ok(), "`{line}` was not said {times} times, but {:?}", self.said());
    }

    /// Lets go on what waits.
    pub(crate) fn open(&self) {
        self.0.state.lock().unwrap().open = true;
        self.0.changed.notify_all();
        self.0.notify.notify_waiters();
    }

    /// A task waits until the stage is open.
    pub(crate) async fn opened(&self) {
        loop {
            let mut notified = std::pin::pin!(self.0.notify.notified());
            notified.as_mut().enable();
            if self.0.state.lock().unwrap().open {
                return;
            }
            notified.await;
        }
    }

    /// As [`Stage::opened`], blocking its thread.
    pub(crate) fn opened_blocking(&self) {
        let state = self.0.state.lock().unwrap();
        drop(self.0.changed.wait_while(state, |told| !told.open).unwrap());
    }
}
