//! Makes things happen on a store, and writes down what it answers.

use std::time::{Duration, Instant};

use queue_core::Priority;
use queue_core::store::{Delivery, JobState, LeaseRequest, Outgoing, Settled, Settlement, StoreError};
use queue_tests::{
    Bench, PATIENCE, Proxy, SECOND, TestWorker, dead_letter, done, label, result, with_follow, with_result,
};

use super::book::{Answer, Book};
use super::op::{End, Op, WORKERS};
use crate::reconcile::dropped_after;

const QUEUES: [&str; 2] = ["one", "two"];

pub(crate) struct World {
    bench: Bench,
    proxy: Option<Proxy>,
    workers: Vec<TestWorker>,
    /// What each worker knows that it has.
    hands: Vec<Vec<Delivery>>,
    /// After how many polls the next call is dropped.
    drop_next: Option<usize>,
    pub(crate) book: Book,
}

/// What a call came to: `Err(true)` when nobody knows whether it happened.
type Came<T> = Result<T, bool>;

fn answer<T>(came: &Came<T>) -> Answer {
    match came {
        Ok(_) => Answer::Done,
        Err(true) => Answer::Unknown,
        Err(false) => Answer::Not,
    }
}

impl World {
    pub(crate) async fn new(bench: Bench, proxy: Option<Proxy>) -> Self {
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            workers.push(bench.worker("w", &QUEUES).await);
        }
        let hands = (0..WORKERS).map(|_| Vec::new()).collect();
        Self { bench, proxy, workers, hands, drop_next: None, book: Book::default() }
    }

    pub(crate) async fn step(&mut self, op: Op) {
        match op {
            Op::Enqueue { count, priority, due_in_ms, queue } => self.enqueue(count, priority, due_in_ms, queue).await,
            Op::Lease { worker, limit, suspect } => {
                let consumer = self.workers[worker].clone();
                let request = LeaseRequest { suspect, ..consumer.request(limit) };
                let came = self.call(consumer.lease(&request)).await;
                self.receive(worker, came.unwrap_or_default(), limit);
            }
            Op::Wait { worker, limit } => {
                let consumer = self.workers[worker].clone();
                let request = consumer.request(limit);
                let came = self.call(consumer.wait(&request, Duration::from_millis(3))).await;
                self.receive(worker, came.unwrap_or_default(), limit);
            }
            Op::Settle { worker, pick, ending, again } => self.settle(worker, pick, ending, again).await,
            Op::SettleAll { worker } => self.settle_all(worker).await,
            Op::GiveBack { worker, pick } => {
                let Some(delivery) = self.pick(worker, pick) else { return };
                let consumer = self.workers[worker].clone();
                if self.call(consumer.give_back(std::slice::from_ref(&delivery.tag))).await.is_err() {
                    self.hands[worker].push(delivery);
                }
            }
            Op::Absolve { worker, pick } => {
                let Some(mut delivery) = self.pick(worker, pick) else { return };
                let consumer = self.workers[worker].clone();
                if let Ok(Some(tag)) = self.call(consumer.absolve(&delivery.tag)).await {
                    delivery.tag = tag;
                }
                self.hands[worker].push(delivery);
            }
            Op::Progress { worker, pick } => {
                let Some(delivery) = self.pick(worker, pick) else { return };
                let consumer = self.workers[worker].clone();
                // Under another id: the checks of results are about settlements.
                let report = [result(&self.bench.id("progress"), "PROGRESS", 1)];
                let _ = self.call(consumer.progress(&delivery.tag, &report)).await;
                self.hands[worker].push(delivery);
            }
            Op::Beat { worker } => {
                let consumer = self.workers[worker].clone();
                let _ = self.call(consumer.beat()).await;
            }
            Op::Pass { ms } => self.bench.advance(Duration::from_millis(ms)),
            Op::Reclaim { worker } => {
                for _ in 0..8 {
                    self.bench.advance(2 * SECOND);
                    for other in (0..WORKERS).filter(|other| *other != worker) {
                        let consumer = self.workers[other].clone();
                        let _ = self.call(consumer.beat()).await;
                    }
                }
            }
            Op::Crash { worker } => self.replace(worker).await,
            Op::Close { worker } => {
                let consumer = self.workers[worker].clone();
                let _ = self.call(consumer.close()).await;
                self.replace(worker).await;
            }
            Op::DropNext { polls } => self.drop_next = Some(polls),
            Op::LoseNext => self.proxy.iter().for_each(|proxy| proxy.lose_reply("")),
            Op::RetryDead { queue } => self.retry_dead(queue).await,
            Op::Delete { queue } => self.delete(queue).await,
        }
    }

    /// Lets everybody live again until nothing is left, and nothing left over, then reads what is stored.
    pub(crate) async fn drain(&mut self) {
        self.drop_next = None;
        self.proxy.iter().for_each(|proxy| _ = proxy.disarm());
        self.workers.push(self.bench.worker("last", &QUEUES).await);
        self.hands.push(Vec::new());
        let started = Instant::now();
        for round in 0.. {
            let stranded = round > 60 && started.elapsed() > PATIENCE / 3;
            assert!(!stranded, "stranded: {:?}\n{:#?}", self.left().await, self.book);
            self.bench.advance(2 * SECOND);
            if round > 12 {
                // Lines that were cut come back in their own time.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            for worker in 0..self.workers.len() {
                let consumer = self.workers[worker].clone();
                let _ = self.call(consumer.beat()).await;
                let came = self.call(consumer.lease(&consumer.request(100))).await;
                self.receive(worker, came.unwrap_or_default(), 100);
                for delivery in std::mem::take(&mut self.hands[worker]) {
                    self.finish(&consumer, &delivery).await;
                }
            }
            // Twelve rounds, so that whoever died at the very end is found as well.
            if round >= 12 && self.left().await == [(0, 0, 0, 0); 2] {
                break;
            }
        }
        assert_eq!(self.bench.orphans().await, [], "left over\n{:#?}", self.book);
        self.read_what_is_stored().await;
    }

    /// Settles without a mark, and asks until there is an answer.
    async fn finish(&mut self, consumer: &TestWorker, delivery: &Delivery) {
        let mut unsure = false;
        for _ in 0..100 {
            match self.call(consumer.settle(&[done(delivery)])).await {
                Ok(answers) if answers == [Settled::Done] => {
                    return self.book.take(&label(delivery.payload()), Answer::Done);
                }
                Ok(_) if unsure => return self.book.take(&label(delivery.payload()), Answer::Unknown),
                Ok(_) => return,
                Err(unknown) => unsure |= unknown,
            }
        }
        panic!("a settlement gets no answer in a hundred tries");
    }

    async fn left(&self) -> [(u64, u64, u64, usize); 2] {
        let mut left = [(0, 0, 0, 0); 2];
        for (queue, left) in QUEUES.iter().zip(&mut left) {
            let counts = self.bench.counts(queue).await;
            *left = (counts.ready, counts.scheduled, counts.leased, 0);
        }
        for worker in &self.workers {
            left[0].3 += worker.held().await.unwrap();
        }
        left
    }

    async fn read_what_is_stored(&mut self) {
        for queue in QUEUES {
            for job in self.bench.page(queue, JobState::Dead, 1000).await.jobs {
                self.book.see(&job.dead.unwrap().1.error);
            }
        }
        for message in self.book.messages() {
            if let Some(meta) = self.bench.result(&message).await {
                let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
                self.book.result(&message, meta["result"].as_str().unwrap().to_owned());
            }
        }
    }

    /// Makes a call, with the fault that was announced for it.
    async fn call<T>(&mut self, call: impl Future<Output = Result<T, StoreError>>) -> Came<T> {
        let came = match self.drop_next.take() {
            Some(polls) => dropped_after(polls, call).await,
            None => Some(call.await),
        };
        match came {
            Some(Ok(came)) => Ok(came),
            Some(Err(error @ StoreError::Unreachable { .. })) if self.proxy.is_some() => Err(error.outcome_unknown()),
            Some(Err(error)) => panic!("{error:?}\n{:#?}", self.book),
            None => Err(true),
        }
    }

    fn receive(&mut self, worker: usize, came: Vec<Delivery>, limit: usize) {
        assert!(came.len() <= limit, "asked for {limit}, got {}", came.len());
        for delivery in came {
            self.book.see(&label(delivery.payload()));
            self.hands[worker].push(delivery);
        }
    }

    fn pick(&mut self, worker: usize, pick: usize) -> Option<Delivery> {
        let hand = &mut self.hands[worker];
        (!hand.is_empty()).then(|| hand.swap_remove(pick % hand.len()))
    }

    async fn due(&self, due_in_ms: Option<u64>) -> Option<queue_core::Timestamp> {
        due_in_ms.map(|ms| self.bench.clock.now().after(Duration::from_millis(ms)))
    }

    async fn enqueue(&mut self, count: usize, priority: i64, due_in_ms: Option<u64>, queue: usize) {
        let due = self.due(due_in_ms).await;
        let labels: Vec<_> = (0..count).map(|_| self.book.label('m')).collect();
        let message = |label: &String| Outgoing {
            priority: Priority::new(priority),
            due,
            ..self.bench.message(QUEUES[queue], label)
        };
        let messages: Vec<_> = labels.iter().map(message).collect();
        let store = self.bench.store.clone();
        let came = self.call(store.enqueue(&messages)).await;
        labels.iter().for_each(|label| self.book.put(label, answer(&came)));
    }

    /// A settlement with a mark of its own.
    async fn settlement(&mut self, delivery: &Delivery, ending: End) -> (Settlement, usize) {
        let message = label(delivery.payload());
        let mark = self.book.label(if matches!(ending, End::Dead) { 'd' } else { 'f' });
        let number = self.book.attempt(&message, &mark);
        let (state, settlement) = match ending {
            End::Dead => ("FAILURE", dead_letter(delivery, &mark)),
            End::Done => ("SUCCESS", with_follow(done(delivery), self.bench.message(QUEUES[0], &mark))),
            End::Retry { due_in_ms } => {
                let due = self.due(due_in_ms).await;
                let next = Outgoing { due, ..self.bench.message(QUEUES[1], &mark) };
                ("RETRY", with_follow(done(delivery), next))
            }
        };
        (with_result(settlement, result(&self.bench.id(&message), state, mark)), number)
    }

    async fn settle(&mut self, worker: usize, pick: usize, ending: End, again: bool) {
        let Some(delivery) = self.pick(worker, pick) else { return };
        let (settlement, number) = self.settlement(&delivery, ending).await;
        let batch = [settlement];
        if self.settle_batch(worker, &batch, &[number]).await {
            return;
        }
        // Nobody knows. A worker settles the same again; but what if it thinks of something else?
        if !again || !self.settle_batch(worker, &batch, &[number]).await {
            self.hands[worker].push(delivery);
        }
    }

    async fn settle_all(&mut self, worker: usize) {
        let hand = std::mem::take(&mut self.hands[worker]);
        let (mut batch, mut numbers) = (Vec::new(), Vec::new());
        for delivery in &hand {
            let (settlement, number) = self.settlement(delivery, End::Done).await;
            batch.push(settlement);
            numbers.push(number);
        }
        if !self.settle_batch(worker, &batch, &numbers).await {
            self.hands[worker] = hand;
        }
    }

    /// True when the store has answered.
    async fn settle_batch(&mut self, worker: usize, batch: &[Settlement], numbers: &[usize]) -> bool {
        let consumer = self.workers[worker].clone();
        let came = self.call(consumer.settle(batch)).await;
        for (n, number) in numbers.iter().enumerate() {
            let told = match &came {
                Ok(answers) if answers[n] == Settled::LeaseLost => Answer::Not,
                other => answer(other),
            };
            self.book.answer(*number, told);
        }
        came.is_ok()
    }

    async fn replace(&mut self, worker: usize) {
        self.hands[worker].clear();
        self.proxy.iter().for_each(|proxy| _ = proxy.disarm());
        self.workers[worker] = self.bench.worker("w", &QUEUES).await;
    }

    async fn retry_dead(&mut self, queue: usize) {
        self.proxy.iter().for_each(|proxy| _ = proxy.disarm());
        let Some(job) = self.bench.page(QUEUES[queue], JobState::Dead, 5).await.jobs.pop() else { return };
        self.book.see(&job.dead.unwrap().1.error);
        let store = self.bench.store.clone();
        let came = self.call(store.retry_dead(&[(job.key, job.payload.clone())])).await;
        if came != Ok(0) {
            self.book.put(&label(&job.payload), answer(&came));
        }
    }

    async fn delete(&mut self, queue: usize) {
        self.proxy.iter().for_each(|proxy| _ = proxy.disarm());
        let Some(job) = self.bench.page(QUEUES[queue], JobState::Ready, 5).await.jobs.pop() else { return };
        self.book.see(&label(&job.payload));
        let store = self.bench.store.clone();
        let came = self.call(store.delete(&[job.key])).await;
        if came != Ok(0) {
            self.book.take(&label(&job.payload), answer(&came));
        }
    }
}
