//! A worker of the tests: a consumer that knows its letter and its queues.

use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use queue_core::QueueName;
use queue_core::store::{Beat, Consumer, Delivery, LeaseRequest, Order, Settled, Settlement, Share};

use crate::{done, message::label};

/// A worker by letter. What [`Consumer`] has, it has; its own methods unwrap.
#[derive(Clone)]
pub struct TestWorker {
    consumer: Arc<dyn Consumer>,
    incarnation: Arc<str>,
    queues: Vec<QueueName>,
}

impl Deref for TestWorker {
    type Target = dyn Consumer;
    fn deref(&self) -> &Self::Target {
        &*self.consumer
    }
}

impl TestWorker {
    pub(crate) fn new(consumer: Arc<dyn Consumer>, incarnation: Arc<str>, queues: Vec<QueueName>) -> Self {
        Self { consumer, incarnation, queues }
    }

    /// The incarnation it signed on with.
    pub fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// Asks for `limit` messages in strict order, one suspect among them at most.
    pub fn request(&self, limit: usize) -> LeaseRequest {
        LeaseRequest {
            queues: self.queues.iter().map(|queue| Share { queue: queue.clone(), share: 0 }).collect(),
            order: Order::Strict,
            limit: NonZeroUsize::new(limit).unwrap(),
            suspect: true,
        }
    }

    /// Leases up to `limit` messages now.
    pub async fn take(&self, limit: usize) -> Vec<Delivery> {
        self.lease(&self.request(limit)).await.unwrap()
    }

    /// Leases up to `limit` messages now, none of them a suspect.
    pub async fn take_unsuspected(&self, limit: usize) -> Vec<Delivery> {
        self.lease(&LeaseRequest { suspect: false, ..self.request(limit) }).await.unwrap()
    }

    /// Leases the next message, which must be there.
    pub async fn take_one(&self) -> Delivery {
        self.take(1).await.pop().expect("there should be a message to lease")
    }

    /// Waits for up to `limit` messages.
    pub async fn wait_for(&self, limit: usize, at_most: Duration) -> Vec<Delivery> {
        self.wait(&self.request(limit), at_most).await.unwrap()
    }

    /// Settles one delivery.
    pub async fn settle_one(&self, settlement: Settlement) -> Settled {
        let answers = self.settle(&[settlement]).await.unwrap();
        assert_eq!(answers.len(), 1, "one settlement, one answer");
        answers[0]
    }

    /// Settles one delivery as done.
    pub async fn finish(&self, delivery: &Delivery) -> Settled {
        self.settle_one(done(delivery)).await
    }

    /// Gives deliveries back.
    pub async fn return_all(&self, deliveries: &[Delivery]) -> usize {
        let tags: Vec<_> = deliveries.iter().map(|delivery| delivery.tag.clone()).collect();
        self.give_back(&tags).await.unwrap()
    }

    /// One heartbeat.
    pub async fn pulse(&self) -> Beat {
        self.beat().await.unwrap()
    }

    /// Leases and finishes everything there is right now; the labels, in the order leased.
    pub async fn finish_all(&self) -> Vec<String> {
        let mut finished = Vec::new();
        loop {
            let batch = self.take(100).await;
            if batch.is_empty() {
                return finished;
            }
            for delivery in &batch {
                assert_eq!(self.finish(delivery).await, Settled::Done);
                finished.push(label(delivery.payload()));
            }
        }
    }
}
