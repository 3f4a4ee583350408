//! Taking messages in: in order, whole batches or nothing, byte for byte.

use std::time::Duration;

use bytes::Bytes;
use queue_core::Priority;
use queue_core::store::{JobState, Outgoing, StoreError};
use queue_tests::{Bench, SECOND, labels};

/// Messages of one list come out in the order they went in, over several calls.
async fn order_is_kept(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    bench.enqueue("mail", &["m3"]).await;
    bench.enqueue("mail", &["m4", "m5", "m6"]).await;

    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(labels(&worker.take(10).await), ["m1", "m2", "m3", "m4", "m5", "m6"]);
}

/// One call may fill several queues and priorities.
async fn a_batch_goes_to_several_queues(bench: &Bench) {
    let urgent = bench.message("mail", "urgent");
    let later = Outgoing { priority: Priority::LOWEST, ..bench.message("mail", "later") };
    let other = bench.message("report", "other");
    bench.store.enqueue(&[later, other, urgent]).await.unwrap();

    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(labels(&worker.take(10).await), ["urgent", "later"]);
    let worker = bench.worker("b", &["report"]).await;
    assert_eq!(labels(&worker.take(10).await), ["other"]);
}

/// A batch of no messages is no error.
async fn an_empty_batch_is_nothing(bench: &Bench) {
    bench.store.enqueue(&[]).await.unwrap();
    assert_eq!(bench.counts("mail").await.ready, 0);
}

/// More messages than a driver puts into one step still arrive all, in order.
async fn a_large_batch_arrives_whole(bench: &Bench) {
    let messages: Vec<_> = (0..2500).map(|n| bench.message("mail", &format!("m{n}"))).collect();
    bench.store.enqueue(&messages).await.unwrap();
    assert_eq!(bench.counts("mail").await.ready, 2500);

    let worker = bench.worker("a", &["mail"]).await;
    let mut taken = Vec::new();
    while taken.len() < 2500 {
        let batch = worker.take(1000).await;
        assert!(!batch.is_empty(), "only {} of 2500 arrived", taken.len());
        taken.extend(labels(&batch));
    }
    assert!(taken.iter().enumerate().all(|(n, label)| *label == format!("m{n}")));
}

/// A message that is due later waits in the store, and is not ready before.
async fn a_due_message_waits(bench: &Bench) {
    bench.enqueue_in(60 * SECOND, "mail", "later").await;
    let worker = bench.worker("a", &["mail"]).await;
    assert!(worker.take(10).await.is_empty());
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.scheduled), (0, 1));

    bench.advance(61 * SECOND);
    assert_eq!(labels(&worker.take(10).await), ["later"]);
}

/// A due time that has passed already is no wait.
async fn a_passed_due_time_is_now(bench: &Bench) {
    let now = bench.store.now().await.unwrap().as_millis();
    let past = queue_core::Timestamp::from_millis(now - 5000);
    bench.store.enqueue(&[Outgoing { due: Some(past), ..bench.message("mail", "m1") }]).await.unwrap();
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(labels(&worker.take(10).await), ["m1"]);
}

/// One payload over the limit, and nothing of its batch is written.
async fn too_large_writes_nothing(bench: &Bench) {
    let limit = bench.options().max_payload;
    let huge = Outgoing { payload: Bytes::from(vec![b'x'; limit + 1]), ..bench.message("mail", "huge") };
    let later = bench.message_in(SECOND, "mail", "later").await;
    let refused = bench.store.enqueue(&[bench.message("mail", "m1"), later, huge]).await.unwrap_err();

    match &refused {
        StoreError::TooLarge { id, size, limit: said } => {
            assert_eq!((id.as_str(), *size, *said), (bench.id("huge").as_str(), limit + 1, limit));
        }
        other => panic!("{other:?}"),
    }
    assert!(!refused.outcome_unknown() && !refused.is_transient());
    let counts = bench.counts("mail").await;
    assert_eq!((counts.ready, counts.scheduled), (0, 0));
}

/// Eight mebibytes arrive as they were sent.
async fn a_big_payload_arrives(bench: &Bench) {
    let big: Bytes = (0..8 * 1024 * 1024).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    bench.store.enqueue(&[Outgoing { payload: big.clone(), ..bench.message("mail", "big") }]).await.unwrap();
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    assert!(delivery.payload() == &big, "{} bytes came back", delivery.payload().len());
    assert_eq!(worker.finish(&delivery).await, queue_core::store::Settled::Done);
}

/// A store moves bytes: every byte value, line ends, an empty payload, also through the waiting room.
async fn any_bytes_arrive(bench: &Bench) {
    let payloads = [
        Bytes::from((0..=255).collect::<Vec<u8>>()),
        Bytes::from_static(b"\r\n$-1\r\n"),
        Bytes::from_static(b"{\"a\": 1e400, \"b\": NaN, \"c\": [], \"d\": 123456789012345678901234567890}"),
        Bytes::from_static(b"\xff\xfe\0\0"),
    ];
    for (n, payload) in payloads.iter().enumerate() {
        let plain = Outgoing { payload: payload.clone(), ..bench.message("mail", &format!("m{n}")) };
        let later = bench.message_in(SECOND, "later", &format!("l{n}")).await;
        bench.store.enqueue(&[plain, Outgoing { payload: payload.clone(), ..later }]).await.unwrap();
    }
    bench.advance(2 * SECOND);
    for queue in ["mail", "later"] {
        let worker = bench.worker("a", &[queue]).await;
        let mut came: Vec<_> = worker.take(10).await.iter().map(|delivery| delivery.payload().clone()).collect();
        let mut sent = payloads.to_vec();
        came.sort();
        sent.sort();
        assert_eq!(came, sent, "queue {queue}");
    }
}

/// The same bytes sent twice are two messages.
async fn twice_the_same_bytes_are_two_messages(bench: &Bench) {
    let twin = bench.message("mail", "twin");
    bench.store.enqueue(&[twin.clone(), twin]).await.unwrap();
    let later = bench.message_in(60 * SECOND, "mail", "late twin").await;
    bench.store.enqueue(std::slice::from_ref(&later)).await.unwrap();
    bench.store.enqueue(&[later]).await.unwrap();
    assert_eq!(bench.counts("mail").await.scheduled, 2);

    bench.advance(61 * SECOND);
    let worker = bench.worker("a", &["mail"]).await;
    let mut finished = worker.finish_all().await;
    finished.sort();
    assert_eq!(finished, ["late twin", "late twin", "twin", "twin"]);
}

/// When `enqueue` has returned, another store on the same data sees the messages.
async fn another_store_sees_them(bench: &Bench) {
    let other = bench.other_store().await;
    bench.enqueue("mail", &["m1"]).await;
    let worker = bench.worker_on(&other, "b", &["mail"]).await;
    assert_eq!(labels(&worker.take(1).await), ["m1"]);
}

/// Messages due at several times become ready in the order of their times.
async fn due_messages_come_by_time(bench: &Bench) {
    for (label, seconds) in [("third", 30), ("first", 10), ("second", 20)] {
        bench.enqueue_in(seconds * SECOND, "mail", label).await;
    }
    bench.advance(31 * SECOND);
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(labels(&worker.take(10).await), ["first", "second", "third"]);
    assert_eq!(bench.page("mail", JobState::Scheduled, 10).await.jobs.len(), 0);
}

/// A due message goes to the list of its own priority.
async fn a_due_message_keeps_its_priority(bench: &Bench) {
    let later = bench.message_in(Duration::from_millis(1), "mail", "low").await;
    bench.store.enqueue(&[Outgoing { priority: Priority::new(7), ..later }]).await.unwrap();
    bench.advance(SECOND);
    let worker = bench.worker("a", &["mail"]).await;
    let _ = worker.pulse().await;
    bench.enqueue("mail", &["high"]).await;

    let taken = worker.take(10).await;
    assert_eq!(labels(&taken), ["high", "low"]);
    assert_eq!((taken[0].step, taken[1].step), (0, 6));
}

queue_tests::conformance!(
    order_is_kept,
    a_batch_goes_to_several_queues,
    an_empty_batch_is_nothing,
    a_large_batch_arrives_whole,
    a_due_message_waits,
    a_passed_due_time_is_now,
    too_large_writes_nothing,
    a_big_payload_arrives,
    any_bytes_arrive,
    twice_the_same_bytes_are_two_messages,
    another_store_sees_them,
    due_messages_come_by_time,
    a_due_message_keeps_its_priority,
);
