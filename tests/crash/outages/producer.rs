//! A producer that notes what was accepted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use queue_core::store::Store;
use queue_core::{Call, Client, JobHandle, TaskId};
use queue_tests::{Bench, wait_until};

use crate::scene::{QUEUE, Scene};

/// A producer of `crash.note`, which goes on whatever the store says.
pub(crate) struct Producer {
    store: Arc<dyn Store>,
    client: Client,
    queue: String,
    accepted: Mutex<Vec<(String, TaskId)>>,
    /// Accepted, and the store may have forgotten it.
    doubtful: Mutex<Vec<TaskId>>,
    stop: AtomicBool,
}

impl Producer {
    /// One with a connection of its own to `url`.
    pub(crate) async fn at(bench: &Bench, url: &str) -> Arc<Self> {
        let store = bench.reopen(url).await.unwrap();
        let client = Client::new(Arc::clone(&store));
        let queue = bench.queue(QUEUE).to_string();
        Arc::new(Self {
            store,
            client,
            queue,
            accepted: Mutex::default(),
            doubtful: Mutex::default(),
            stop: AtomicBool::new(false),
        })
    }

    /// Sends one after the other until it is told to stop.
    pub(crate) fn go_on(self: &Arc<Self>) -> tokio::task::JoinHandle<()> {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let mut number = 0;
            while !this.stop.load(Ordering::Acquire) {
                this.try_send(&format!("j{number}")).await;
                number += 1;
                // The pace of the load, no more than the workers do.
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        })
    }

    /// Lets it stop, and waits until it has.
    pub(crate) async fn stop(&self, going: tokio::task::JoinHandle<()>) {
        self.stop.store(true, Ordering::Release);
        going.await.unwrap();
    }

    /// Sends one; true when it was accepted.
    pub(crate) async fn try_send(&self, label: &str) -> bool {
        let sent = self.client.send(Call::named("crash.note").args([label]).queue(&self.queue)).await;
        if let Ok(job) = &sent {
            self.accepted.lock().unwrap().push((label.to_owned(), job.id().clone()));
        }
        sent.is_ok()
    }

    /// Sends one, however often it must be tried.
    pub(crate) async fn send(&self, label: &str) {
        wait_until("a job is accepted", || self.try_send(label)).await;
    }

    /// Forgets what was accepted so far: the store has.
    pub(crate) fn forget(&self) {
        self.accepted.lock().unwrap().clear();
    }

    /// How many were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    /// The store may have forgotten what was accepted after the first `sure`.
    pub(crate) fn doubt(&self, sure: usize) {
        let doubtful = self.accepted.lock().unwrap().split_off(sure);
        self.doubtful.lock().unwrap().extend(doubtful.into_iter().map(|(_, id)| id));
    }

    /// Of what is in doubt: how many have ended, which is well, and of how many nothing is known.
    pub(crate) async fn remembered(&self) -> (usize, usize) {
        let doubtful = self.doubtful.lock().unwrap().clone();
        let stored = self.store.get_results(&doubtful).await.unwrap();
        let known: Vec<_> = stored.into_iter().flatten().collect();
        assert!(known.iter().all(|meta| is_success(meta)), "not all that is known of ended well: {known:?}");
        (known.len(), doubtful.len() - known.len())
    }

    /// Waits until all that was accepted has run and its end is stored.
    pub(crate) async fn until_all_ended(&self, scene: &Scene) {
        let (labels, ids): (Vec<_>, Vec<_>) = self.accepted.lock().unwrap().iter().cloned().unzip();
        wait_until("all that was accepted has ended well", || async {
            let done = scene.written("done");
            let stored = self.store.get_results(&ids).await.unwrap_or_default();
            let ended = stored.iter().filter(|meta| meta.as_ref().is_some_and(|meta| is_success(meta))).count();
            ended == ids.len() && labels.iter().all(|label| done.contains_key(label))
        })
        .await;
    }

    /// Waits until the queue has nothing in any state, not even a dead letter.
    pub(crate) async fn until_empty(&self, bench: &Bench) {
        let queue = bench.queue(QUEUE);
        wait_until("the queue is empty", || async {
            let counts = self.store.counts(&queue).await;
            counts.is_ok_and(|c| (c.ready, c.leased, c.scheduled, c.suspects, c.dead) == (0, 0, 0, 0, 0))
        })
        .await;
    }

    /// Whether a good end of this job is stored.
    pub(crate) async fn has_success(&self, job: &JobHandle) -> bool {
        let stored = self.store.get_results(&[job.id().clone()]).await.unwrap().remove(0);
        stored.is_some_and(|meta| is_success(&meta))
    }
}

fn is_success(meta: &[u8]) -> bool {
    meta.starts_with(br#"{"status": "SUCCESS""#)
}
