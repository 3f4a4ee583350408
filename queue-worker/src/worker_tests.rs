use std::sync::atomic::Ordering;

use async_trait::async_trait;
use queue_core::TaskId;
use queue_core::store::{
    Beat, Consumer, Delivery, DeliveryTag, LeaseRequest, Settled, Settlement, StoreError, StoredResult,
};

use super::*;
use crate::engine::Engine;

/// An empty store, and a bug in what beats.
struct Heartless;

#[async_trait]
impl Consumer for Heartless {
    async fn beat(&self) -> Result<Beat, StoreError> {
        panic!("a bug")
    }

    async fn lease(&self, _: &LeaseRequest) -> Result<Vec<Delivery>, StoreError> {
        Ok(Vec::new())
    }
    async fn wait(&self, _: &LeaseRequest, at_most: Duration) -> Result<Vec<Delivery>, StoreError> {
        tokio::time::sleep(at_most).await;
        Ok(Vec::new())
    }
    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        Ok(vec![Settled::Done; settlements.len()])
    }
    async fn give_back(&self, _: &[DeliveryTag]) -> Result<usize, StoreError> {
        Ok(0)
    }
    async fn absolve(&self, _: &DeliveryTag) -> Result<Option<DeliveryTag>, StoreError> {
        Ok(None)
    }
    async fn progress(&self, _: &DeliveryTag, _: &[StoredResult]) -> Result<bool, StoreError> {
        Ok(true)
    }
    async fn consume(&self, _: &[QueueName]) -> Result<(), StoreError> {
        Ok(())
    }
    fn resize(&self, _: usize) {}
    async fn revoked(&self, ids: &[&TaskId]) -> Result<Vec<bool>, StoreError> {
        Ok(vec![false; ids.len()])
    }
    async fn held(&self) -> Result<usize, StoreError> {
        Ok(0)
    }
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The others would take back what it leases, again and again, and it would run all that for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_heart_has_stopped_gives_up() {
    let mut state = StateMap::default();
    state.insert(Mailer::directory("mail"));
    let tasks = Tasks::new(registered(), &state).unwrap();
    let config = Worker::new().config(&tasks, None).unwrap();
    let client = Client::connect("sqlite::memory:").await.unwrap();
    let engine = Starting { config, tasks, state: Arc::new(state), client }.engine().await.unwrap();
    let engine = Arc::into_inner(engine).expect("nobody else has it yet");
    let engine = Arc::new(Engine { consumer: Arc::new(Heartless), ..engine });
    let run = crate::run::run(Arc::clone(&engine), None);
    tokio::time::timeout(Duration::from_secs(30), run).await.expect("it gives up");
    assert!(engine.phase.broken.load(Ordering::Acquire));
}
