//! The scene of an outage, from the first job to the check at the end: a store on a server of the test's own, a producer,
//! workers that stay, and, where the case wants one, a long job that lasts through the outage.

use std::collections::BTreeMap;
use std::ops::{Deref, RangeInclusive};
use std::sync::Arc;

use queue_core::JobHandle;
use queue_tests::{Bench, Child, Driver, wait_until};
use tokio::task::JoinHandle;

use super::producer::Producer;
use crate::leftovers;
use crate::scene::Scene;

/// What a worker logs when the store goes away, and when it is back.
pub(crate) const AWAY: &str = "the store does not answer";
const BACK: &str = "the store answers again";

/// The long job.
const LONG: &str = "long";

pub(crate) struct Site {
    scene: Scene,
    pub(crate) producer: Arc<Producer>,
    url: String,
    workers: Vec<Child>,
    /// Those that stayed to the end.
    stayed: Vec<u32>,
    load: Option<JoinHandle<()>>,
    held: Option<JobHandle>,
}

impl Deref for Site {
    type Target = Scene;
    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Site {
    /// The store at `url`, with a producer and nobody else.
    pub(crate) async fn at(url: &str) -> Self {
        let bench = Bench::at(Driver::Redis, url, |_| ()).await;
        let scene = Scene::new(&bench).await;
        scene.dismiss_undertaker().await;
        let producer = Producer::at(&bench, url).await;
        Self { scene, producer, url: url.to_owned(), workers: Vec::new(), stayed: Vec::new(), load: None, held: None }
    }

    /// Starts a worker of so many slots that stays to the end.
    pub(crate) fn hire(&mut self, slots: usize) {
        self.hire_at(&self.url.clone(), slots, &[]);
    }

    /// As [`Site::hire`], with another way to the store and more variables; its process id.
    pub(crate) fn hire_at(&mut self, url: &str, slots: usize, env: &[(&str, &str)]) -> u32 {
        let env: Vec<_> = [("QUEUE_URL", url)].into_iter().chain(env.iter().copied()).collect();
        let worker = self.worker_with(slots, &[], &env);
        self.keep(worker)
    }

    /// Lets this worker stay to the end; its process id.
    pub(crate) fn keep(&mut self, worker: Child) -> u32 {
        let pid = worker.pid();
        self.workers.push(worker);
        pid
    }

    /// A worker runs the long job from now on, until [`Scene::open_gate`] or [`Site::let_go`].
    pub(crate) async fn hold(&mut self) {
        self.held = Some(self.send("crash.hold", [LONG]).await);
        wait_until("a worker holds the long job", || async { self.written("began").contains_key(LONG) }).await;
    }

    /// Lets the long job end, and waits until its body has.
    pub(crate) async fn let_go(&self) {
        self.open_gate("all");
        wait_until("the long one ends", || async { self.written("done").contains_key(LONG) }).await;
    }

    /// The producer sends all the time, until [`Site::unload`] or the end.
    pub(crate) fn load(&mut self) {
        self.load = Some(self.producer.go_on());
    }

    /// The producer stops.
    pub(crate) async fn unload(&mut self) {
        if let Some(load) = self.load.take() {
            self.producer.stop(load).await;
        }
    }

    /// So many more of the jobs under load have run.
    pub(crate) async fn until_more(&self, count: usize) {
        let so_far = self.written("done").len();
        self.until_written("done", so_far + count).await;
    }

    /// Twenty new jobs are accepted, and they and all before them have ended well.
    pub(crate) async fn until_it_goes_on(&self) {
        for n in 0..20 {
            self.producer.send(&format!("after{n}")).await;
        }
        self.until_all_ended().await;
    }

    /// All that was accepted has run, and its end is stored.
    pub(crate) async fn until_all_ended(&self) {
        self.producer.until_all_ended(self).await;
    }

    /// Each worker is listed with its name. A heartbeat or two are enough: whoever waits longer than this does has forgotten it.
    pub(crate) async fn until_all_are_described(&self) {
        let hired = self.workers.len();
        wait_until("each worker is listed with its name", || async {
            let listed = self.bench.store.workers().await.unwrap_or_default();
            listed.len() == hired && listed.iter().all(|worker| worker.hostname != "?")
        })
        .await;
    }

    /// Waits for the next heartbeat of each worker, whose line stands by then.
    pub(crate) async fn until_all_beat(&self) {
        let ends = async || {
            let workers = self.bench.store.workers().await.unwrap();
            workers.into_iter().map(|worker| (worker.incarnation, worker.lease_ends)).collect::<BTreeMap<_, _>>()
        };
        let before = ends().await;
        wait_until("each worker beats", || async {
            let now = ends().await;
            before.iter().all(|(worker, end)| now.get(worker).is_some_and(|now| now > end))
        })
        .await;
    }

    /// The end of every case: all that was accepted has ended well, the long job too; the queue is empty, the workers have said
    /// of each outage that it is over and stop in good order, and no key is left but those that go by themselves. The watchdog had
    /// nothing to do: it would hide that a line is dead and nobody else noticed.
    pub(crate) async fn close(&mut self) {
        self.close_at(&self.url.clone()).await;
    }

    /// The same where the store is at another URL by now.
    pub(crate) async fn close_at(&mut self, url: &str) {
        self.unload().await;
        self.until_all_ended().await;
        self.producer.until_empty(&self.bench).await;
        let over = || async { self.logged(AWAY) == self.logged(BACK) };
        wait_until("the workers say that the store is back", over).await;
        assert_eq!(self.logged("nothing is leased: reconnecting"), 0, "only the watchdog helped:\n{}", self.log());
        for worker in std::mem::take(&mut self.workers) {
            self.stayed.push(worker.pid());
            self.stop(worker).await;
        }
        leftovers::keys(url);
        if let Some(job) = &self.held {
            assert!(self.producer.has_success(job).await, "no good end of the long job is stored");
        }
    }

    /// How many lines of the log have this text.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until each worker has said so often that the store is away.
    pub(crate) async fn until_each_is_away(&self, times: usize) {
        wait_until(&format!("each says `{AWAY}`, {times} times"), || async { self.each_says(AWAY, times) }).await;
    }

    /// Waits until each worker has said so often that the store is back.
    pub(crate) async fn until_each_is_back(&self, times: usize) {
        wait_until(&format!("each says `{BACK}`, {times} times"), || async { self.each_says(BACK, times) }).await;
    }

    fn each_says(&self, text: &str, times: usize) -> bool {
        self.workers.iter().all(|worker| self.log_of(worker.pid()).matches(text).count() >= times)
    }

    /// Each worker that stayed has said so often that the store was away, and each time once that it is back.
    pub(crate) fn each_told_outages(&self, count: usize) {
        self.each_told_some(count..=count);
    }

    /// The same where it is not sure how often.
    pub(crate) fn each_told_some(&self, count: RangeInclusive<usize>) {
        for pid in &self.stayed {
            let log = self.log_of(*pid);
            let told: Vec<_> = [AWAY, BACK].into_iter().cycle().zip(log.lines().filter(|line| tells(line))).collect();
            assert!(told.iter().all(|(text, line)| line.contains(text)), "not by turns: {told:#?}");
            assert_eq!(told.len() % 2, 0, "an outage has no end: {told:#?}");
            assert!(count.contains(&(told.len() / 2)), "outages told, which should be {count:?}: {told:#?}\n{log}");
        }
    }

    /// Nothing was taken from a worker.
    pub(crate) fn nothing_was_taken_back(&self) {
        assert_eq!(self.logged("took back what dead workers held"), 0, "{}", self.log());
    }

    /// Nothing was taken from a worker, and nothing ran twice.
    pub(crate) fn nobody_was_taken_for_dead(&self) {
        self.nothing_was_taken_back();
        assert_eq!(self.logged("silent for so long"), 0, "{}", self.log());
        let twice: Vec<_> = self.written("done").into_iter().filter(|(_, times)| *times > 1).collect();
        assert!(twice.is_empty(), "ran twice: {twice:?}");
    }
}

/// Whether this line of a log says that the store is away, or back.
fn tells(line: &str) -> bool {
    line.contains(AWAY) || line.contains(BACK)
}
