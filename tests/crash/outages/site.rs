//! A server of the test's own, workers on it, a producer that notes what was accepted, and the check at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use queue_core::store::Store;
use queue_core::{Call, Client, JobHandle, TaskId};
use queue_tests::{Bench, Child, wait_until};

use crate::scene::{QUEUE, Scene};

/// What a worker logs when the store goes away, and when it is back.
pub(crate) const AWAY: &str = "the store does not answer";
pub(crate) const BACK: &str = "the store answers again";

/// Keys that are for ever by design.
const FOR_EVER: [&str; 2] = ["queue:queues", "queue:revoked:version"];

/// A producer of `crash.note`, which goes on whatever the store says.
pub(crate) struct Producer {
    store: Arc<dyn Store>,
    client: Client,
    queue: String,
    name: &'static str,
    accepted: Mutex<Vec<(String, TaskId)>>,
    stop: AtomicBool,
}

impl Producer {
    /// One with a connection of its own to `url`.
    pub(crate) async fn at(bench: &Bench, url: &str, name: &'static str) -> Arc<Self> {
        let store = bench.reopen(url).await.unwrap();
        let client = Client::new(Arc::clone(&store));
        let queue = bench.queue(QUEUE).to_string();
        Arc::new(Self { store, client, queue, name, accepted: Mutex::default(), stop: AtomicBool::new(false) })
    }

    /// Sends one after the other until it is told to stop.
    pub(crate) fn go_on(self: &Arc<Self>) -> tokio::task::JoinHandle<()> {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let mut number = 0;
            while !this.stop.load(Ordering::Acquire) {
                this.try_send(&format!("{}{number}", this.name)).await;
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

    /// Waits until all that was accepted has run and its end is stored.
    pub(crate) async fn until_all_ended(&self, scene: &Scene<'_>) {
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
}

fn is_success(meta: &[u8]) -> bool {
    meta.starts_with(br#"{"status": "SUCCESS""#)
}

impl Scene<'_> {
    /// The same with the environment of an outage: where its store is.
    pub(crate) fn worker_at(&self, url: &str, concurrency: usize, env: &[(&str, &str)]) -> Child {
        let env: Vec<_> = [("QUEUE_URL", url)].into_iter().chain(env.iter().copied()).collect();
        self.worker_with(concurrency, &[], &env)
    }

    /// How many lines of the log have this text.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until as many outages have ended as began, and one at least.
    pub(crate) async fn until_back(&self) {
        wait_until("the worker says that the store is back", || async {
            self.logged(BACK) > 0 && self.logged(AWAY) == self.logged(BACK)
        })
        .await;
    }

    /// The end of every case: all that was accepted has ended, the queue is empty, the workers stop in good order, and no key
    /// is left but those that go by themselves.
    pub(crate) async fn close(&self, url: &str, producers: &[&Producer], workers: Vec<Child>) {
        for producer in producers {
            producer.until_all_ended(self).await;
        }
        producers[0].until_empty(self.bench).await;
        for worker in workers {
            self.stop(worker).await;
        }
        let mut server = redis::Client::open(url).unwrap().get_connection().unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut server).unwrap();
        for key in &keys {
            let ttl: i64 = redis::cmd("TTL").arg(key).query(&mut server).unwrap();
            assert!(ttl >= 0 || FOR_EVER.contains(&key.as_str()), "{key} never goes; there are {keys:?}");
            let kind: String = redis::cmd("TYPE").arg(key).query(&mut server).unwrap();
            assert_ne!(kind, "list", "{key} holds messages");
        }
    }

    /// A job's end is stored, and it is a good one.
    pub(crate) async fn assert_success(&self, url: &str, job: &JobHandle) {
        let store = self.bench.reopen(url).await.unwrap();
        let stored = store.get_results(&[job.id().clone()]).await.unwrap().remove(0);
        assert!(stored.as_ref().is_some_and(|meta| is_success(meta)), "{stored:?}");
    }

    /// Nothing was taken from a worker, and nothing ran twice.
    pub(crate) fn nobody_was_taken_for_dead(&self) {
        assert_eq!(self.logged("took back what dead workers held"), 0, "{}", self.log());
        assert_eq!(self.logged("silent for so long"), 0, "{}", self.log());
        let twice: Vec<_> = self.written("done").into_iter().filter(|(_, times)| *times > 1).collect();
        assert!(twice.is_empty(), "ran twice: {twice:?}");
    }
}
