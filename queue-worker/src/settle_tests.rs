use async_trait::async_trait;
use bytes::Bytes;
use queue_core::TaskId;
use queue_core::store::{
    Beat, ChordEnd, ChordPart, ChordStep, Delivery, DeliveryTag, LeaseRequest, Outgoing, StoredResult,
};

use super::*;

/// A store that answers as told, and remembers what it was asked.
#[derive(Default)]
struct Fake {
    asked: Mutex<Vec<Vec<String>>>,
    answers: Mutex<VecDeque<StoreError>>,
    /// Refuses every batch with this task in it, unless it is a dead letter.
    refused: Option<&'static str>,
    lost: bool,
}

/// None of the messages here was read.
fn unread(_: &Held, _: &str) -> (Settlement, Telling) {
    unreachable!()
}

fn health() -> Arc<Health> {
    Arc::new(Health::new(crate::health::Patience::default()))
}

fn unreachable(unknown: bool) -> StoreError {
    StoreError::Unreachable { url: "fake:".into(), unknown, source: "gone".into() }
}

#[async_trait]
impl Consumer for Fake {
    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let ids = settlements.iter().map(|one| match &one.ending {
            Ending::Done => one.results[0].id.to_string(),
            Ending::Dead(letter) => format!("dead: {}", letter.error),
        });
        let ids: Vec<String> = ids.collect();
        self.asked.lock().unwrap().push(ids.clone());
        if let Some(error) = self.answers.lock().unwrap().pop_front() {
            return Err(error);
        }
        if self.refused.is_some_and(|refused| ids.iter().any(|id| id == refused)) {
            return Err(StoreError::Refused { url: "fake:".into(), source: "not this one".into() });
        }
        Ok(vec![if self.lost { Settled::LeaseLost } else { Settled::Done }; settlements.len()])
    }

    async fn lease(&self, _: &LeaseRequest) -> Result<Vec<Delivery>, StoreError> {
        unreachable!()
    }
    async fn wait(&self, _: &LeaseRequest, _: Duration) -> Result<Vec<Delivery>, StoreError> {
        unreachable!()
    }
    async fn give_back(&self, _: &[DeliveryTag]) -> Result<usize, StoreError> {
        unreachable!()
    }
    async fn absolve(&self, _: &DeliveryTag) -> Result<Option<DeliveryTag>, StoreError> {
        unreachable!()
    }
    async fn progress(&self, _: &DeliveryTag, _: &[StoredResult]) -> Result<bool, StoreError> {
        unreachable!()
    }
    async fn beat(&self) -> Result<Beat, StoreError> {
        unreachable!()
    }
    async fn consume(&self, _: &[QueueName]) -> Result<(), StoreError> {
        unreachable!()
    }
    fn resize(&self, _: usize) {
        unreachable!()
    }
    async fn revoked(&self, _: &[&TaskId]) -> Result<Vec<bool>, StoreError> {
        unreachable!()
    }
    async fn held(&self) -> Result<usize, StoreError> {
        unreachable!()
    }
    async fn close(&self) -> Result<(), StoreError> {
        unreachable!()
    }
}

fn item(id: &str, bytes: usize) -> Item {
    let id = TaskId::new(id).unwrap();
    let result = StoredResult { id, meta: Bytes::from(vec![b'x'; bytes]), ttl: None };
    let settlement = Settlement { results: vec![result], ..Settlement::early() };
    Item {
        settlement,
        queue: QueueName::celery(),
        held: None,
        payload: 0,
        suspect: None,
        slot: None,
        answer: None,
        counted: None,
        telling: Default::default(),
    }
}

/// Settles `items` with `fake`; what it was asked.
async fn settle(fake: Fake, items: Vec<Item>) -> Vec<Vec<String>> {
    let fake = Arc::new(fake);
    let settler = Settler::new(Arc::clone(&fake) as Arc<dyn Consumer>, Arc::default(), health(), Arc::default(), 10);
    items.into_iter().for_each(|item| settler.settle(item));
    tokio::select! {
        () = settler.run(&unread) => {}
        () = settler.drained() => {}
    }
    fake.asked.lock().unwrap().clone()
}

#[tokio::test]
async fn what_gathered_goes_out_in_one_call() {
    let asked = settle(Fake::default(), vec![item("a", 1), item("b", 1), item("c", 1)]).await;
    assert_eq!(asked, [["a", "b", "c"]]);
}

#[tokio::test]
async fn a_call_is_bounded_in_number_and_in_bytes() {
    let many = settle(Fake::default(), (0..2_500).map(|n| item(&n.to_string(), 1)).collect()).await;
    assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [250; 10]);
    let half = Settlement::MOST_BYTES / 2;
    let large =
        settle(Fake::default(), vec![item("a", half), item("b", half), item("c", 3 * half), item("d", 1)]).await;
    assert_eq!(large, [vec!["a", "b"], vec!["c"], vec!["d"]]);
}

/// What a store would end in several steps is asked for in as many calls: a call whose second step fails after the first has
/// happened would leave its caller in the dark about both.
#[tokio::test]
async fn a_call_is_no_more_than_a_store_ends_in_one_step() {
    let part = |n: usize| {
        let mut item = item(&n.to_string(), 1);
        let (queue, group, token) = (QueueName::celery(), "g".to_owned(), "t".to_owned());
        let (id, payload) = (TaskId::random(), Bytes::new());
        let priority = queue_core::Priority::HIGHEST;
        let dispatch = Outgoing { queue, priority, due: None, id: id.clone(), task: "t".into(), payload };
        let part = ChordPart { group, id, index: None, member: Bytes::new(), ttl: None, token, dispatch };
        item.settlement.chords.push(ChordStep::Part(part));
        item
    };
    let parts = settle(Fake::default(), (0..250).map(part).collect()).await;
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [83, 83, 83, 1]);
}

#[tokio::test]
async fn an_outage_is_waited_out() {
    let fake = Fake { answers: Mutex::new([unreachable(false), unreachable(true)].into()), ..Fake::default() };
    assert_eq!(settle(fake, vec![item("a", 1)]).await, [["a"], ["a"], ["a"]]);
}

#[tokio::test]
async fn one_that_is_refused_is_set_aside_and_the_others_are_settled() {
    let fake = Fake { refused: Some("b"), ..Fake::default() };
    let asked = settle(fake, vec![item("a", 1), item("b", 1), item("c", 1)]).await;
    let aside = "dead: the store refused the end of this task: store `fake:` refused the request: not this one";
    assert_eq!(asked, [vec!["a", "b", "c"], vec!["a"], vec!["b"], vec![aside], vec!["c"]]);
}

#[tokio::test]
async fn a_lease_lost_after_a_try_without_answer_was_that_try() {
    let answer = |answers: Vec<StoreError>| async {
        let fake = Fake { answers: Mutex::new(answers.into()), lost: true, ..Fake::default() };
        let settler = Settler::new(Arc::new(fake), Arc::default(), health(), Arc::default(), 10);
        tokio::select! {
            () = settler.run(&unread) => panic!("it never ends"),
            answer = settler.settle_and_wait(item("a", 1)) => answer,
        }
    };
    assert_eq!(answer(vec![]).await, Settled::LeaseLost);
    assert_eq!(answer(vec![unreachable(false)]).await, Settled::LeaseLost);
    assert_eq!(answer(vec![unreachable(true)]).await, Settled::Done);
}

/// The first try of the batch ended them all, its answer is lost, and the second is refused.
#[tokio::test]
async fn a_batch_in_doubt_leaves_each_of_it_in_doubt_when_it_is_refused() {
    let refusal = StoreError::Refused { url: "fake:".into(), source: "too much at once".into() };
    let answers = Mutex::new([unreachable(true), refusal].into());
    let fake = Fake { answers, lost: true, ..Fake::default() };
    let settler = Settler::new(Arc::new(fake), Arc::default(), health(), Arc::default(), 10);
    tokio::select! {
        () = settler.run(&unread) => panic!("it never ends"),
        answers = async { tokio::join!(settler.settle_and_wait(item("a", 1)), settler.settle_and_wait(item("b", 1))) } => {
            assert_eq!(answers, (Settled::Done, Settled::Done));
        }
    }
}

#[tokio::test]
async fn no_room_while_too_many_wait() {
    use futures_util::FutureExt;
    let settler = Settler::new(Arc::new(Fake::default()), Arc::default(), health(), Arc::default(), 2);
    settler.settle(item("a", 1));
    assert_eq!(settler.room().now_or_never(), Some(()));
    settler.settle(item("b", 1));
    assert_eq!(settler.room().now_or_never(), None);
    tokio::select! {
        () = settler.run(&unread) => {}
        () = settler.room() => {}
    }
}

#[test]
fn the_end_of_a_chord_is_something_that_a_settlement_carries() {
    let chord_end = Some(Box::new(ChordEnd { group: "g".into(), token: "t".into(), failed: false, ttl: None }));
    assert!(carries_nothing(&Settlement::early()));
    assert!(!carries_nothing(&Settlement { chord_end, ..Settlement::early() }));
}

#[test]
fn an_early_acknowledgement_in_doubt_counts_as_given_however_long_it_took() {
    let long_ago = Instant::now().checked_sub(SHORTER_THAN_A_LEASE * 2);
    assert!(long_ago.is_some());
    assert_eq!(in_doubt(Settled::LeaseLost, long_ago, true), Settled::Done);
    assert_eq!(in_doubt(Settled::LeaseLost, long_ago, false), Settled::LeaseLost);
    assert_eq!(in_doubt(Settled::LeaseLost, None, true), Settled::LeaseLost);
}
