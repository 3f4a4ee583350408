//! Enqueueing once: by number for whoever tries again by itself, by key for one whose caller may.

use std::time::{Duration, Instant};

use bytes::Bytes;
use queue_core::store::{Outgoing, Parcel, SendKey, SendNumber, Settled, StoreError};
use queue_core::{Call, Client, SendError, Signature};
use queue_tests::{Bench, Chord, SECOND, done, wait_until, with_chord};

use crate::drain::drain;

pub(crate) fn number(producer: &Bench, lane: u32, number: u64) -> SendNumber {
    SendNumber { producer: producer.id("producer").as_str().into(), lane, number }
}

pub(crate) fn keyed(bench: &Bench, key: &str, messages: Vec<Outgoing>) -> Parcel {
    let value = Bytes::from(messages.first().map(|message| message.id.to_string()).unwrap_or_default());
    let key = SendKey { key: bench.id(key).as_str().into(), ttl: Duration::from_secs(3600), value };
    Parcel { key: Some(key), ..Parcel::of(messages) }
}

pub(crate) async fn once(bench: &Bench, parcels: &[Parcel], number: Option<SendNumber>) -> Vec<Option<Bytes>> {
    bench.store.enqueue_once(parcels, number.as_ref()).await.unwrap()
}

/// A call whose number was seen changes nothing, ready messages, later ones and other queues alike.
async fn a_number_counts_once(bench: &Bench) {
    let later = bench.message_in(3600 * SECOND, "mail", "later").await;
    let parcel = [Parcel::of(vec![bench.message("mail", "m1"), later, bench.message("post", "m2")])];
    for _ in 0..3 {
        assert_eq!(once(bench, &parcel, Some(number(bench, 1, 1))).await, [None]);
    }
    let (mail, post) = (bench.counts("mail").await, bench.counts("post").await);
    assert_eq!((mail.ready, mail.scheduled, post.ready), (1, 1, 1));
    // The next number, another lane, another producer, none: each is another call.
    once(bench, &parcel, Some(number(bench, 1, 2))).await;
    once(bench, &parcel, Some(number(bench, 2, 1))).await;
    let other = SendNumber { producer: bench.id("other").as_str().into(), lane: 1, number: 1 };
    once(bench, &parcel, Some(other)).await;
    once(bench, &parcel, None).await;
    let (mail, post) = (bench.counts("mail").await, bench.counts("post").await);
    assert_eq!((mail.ready, mail.scheduled, post.ready), (5, 5, 5));
}

/// A key that is to stand longer than any clock can hold stands, and what it is of is enqueued.
async fn a_key_may_stand_for_ages(bench: &Bench) {
    let mut parcel = keyed(bench, "k", vec![bench.message("mail", "m1")]);
    parcel.key.as_mut().unwrap().ttl = Duration::MAX;
    assert_eq!(once(bench, &[parcel.clone()], None).await, [None]);
    bench.advance(86_400 * SECOND);
    once(bench, &[parcel], None).await;
    assert_eq!(bench.counts("mail").await.ready, 1);
}

/// A call that comes after a later one of its lane had been given up: it changes nothing.
async fn a_call_that_comes_late_is_refused(bench: &Bench) {
    let parcel = |label: &str| [Parcel::of(vec![bench.message("mail", label)])];
    once(bench, &parcel("second"), Some(number(bench, 1, 2))).await;
    once(bench, &parcel("first"), Some(number(bench, 1, 1))).await;
    once(bench, &parcel("third"), Some(number(bench, 1, 3))).await;
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(drain(bench, "mail", &[&worker], 2).await, ["second", "third"]);
}

/// What has run and was forgotten is not sent again either: looking into the queue would prove nothing.
async fn what_has_run_is_not_sent_again(bench: &Bench) {
    let parcel = [Parcel::of(vec![bench.message("mail", "m1")]), keyed(bench, "k", vec![bench.message("mail", "m2")])];
    once(bench, &parcel, Some(number(bench, 1, 1))).await;
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(worker.finish_all().await, ["m1", "m2"]);
    assert_eq!(once(bench, &parcel, Some(number(bench, 1, 1))).await, [None, None]);
    assert_eq!(once(bench, &parcel[1..], None).await, [None], "the same value is the same send");
    assert_eq!(bench.counts("mail").await.ready, 0);
}

/// While a key stands, whoever comes with it enqueues nothing and is told its value; later and ready messages alike.
async fn a_key_stands(bench: &Bench) {
    let first = [keyed(bench, "k", vec![bench.message("mail", "m1")])];
    assert_eq!(once(bench, &first, None).await, [None]);
    let later = bench.message_in(3600 * SECOND, "post", "m2").await;
    for again in [bench.message("mail", "m2"), later.clone()] {
        let told = once(bench, &[keyed(bench, "k", vec![again])], None).await;
        assert_eq!(told, [Some(Bytes::from(bench.id("m1").to_string()))]);
    }
    assert_eq!((bench.counts("mail").await.ready, bench.counts("post").await.scheduled), (1, 0));
    assert_eq!(once(bench, &[keyed(bench, "other", vec![later])], None).await, [None]);
    assert_eq!(bench.counts("post").await.scheduled, 1);
}

/// Each parcel of a call has a key of its own, and the order of the rest stays.
async fn each_parcel_has_its_own_key(bench: &Bench) {
    once(bench, &[keyed(bench, "b", vec![bench.message("mail", "m0")])], None).await;
    let parcels = [
        Parcel::of(vec![bench.message("mail", "m1")]),
        keyed(bench, "a", vec![bench.message("mail", "m2"), bench.message("mail", "m3")]),
        keyed(bench, "b", vec![bench.message("mail", "never")]),
        keyed(bench, "a", vec![bench.message("mail", "nor this")]),
        Parcel::of(vec![bench.message("mail", "m4")]),
    ];
    let told = once(bench, &parcels, Some(number(bench, 1, 1))).await;
    let value = |label: &str| Some(Bytes::from(bench.id(label).to_string()));
    let expected = [None, None, value("m0"), value("m2"), None];
    assert_eq!(told, expected);
    assert_eq!(once(bench, &parcels, Some(number(bench, 1, 1))).await, expected, "the same answer for the same call");
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(drain(bench, "mail", &[&worker], 5).await, ["m0", "m1", "m2", "m3", "m4"]);
}

/// A key stands for its time and is then free.
async fn a_key_ends(bench: &Bench) {
    let parcel = |label: &str| {
        let mut parcel = keyed(bench, "k", vec![bench.message("mail", label)]);
        parcel.key.as_mut().unwrap().ttl = SECOND;
        [parcel]
    };
    once(bench, &parcel("m1"), None).await;
    let second = parcel("m2");
    wait_until("the key is free", || async { once(bench, &second, None).await == [None] && ready(bench).await == 2 })
        .await;
}

/// A try that hears of nobody's key says the truth: what a key kept out is not enqueued, so that once it is free the next try
/// of the call enqueues it, and only that.
async fn what_a_key_kept_out_is_tried_again(bench: &Bench) {
    let parcel = |key: &str, label: &str, ttl| {
        let mut parcel = keyed(bench, key, vec![bench.message("mail", label)]);
        parcel.key.as_mut().unwrap().ttl = ttl;
        parcel
    };
    let (soon, hour) = (3 * SECOND, 3600 * SECOND);
    once(bench, &[parcel("k", "m1", soon)], None).await;
    let plain = Parcel::of(vec![bench.message("mail", "m2")]);
    let call = [plain, parcel("own", "m3", soon), parcel("k", "m4", hour)];
    let told = once(bench, &call, Some(number(bench, 1, 1))).await;
    assert_eq!(told, [None, None, Some(Bytes::from(bench.id("m1").to_string()))]);
    assert_eq!(ready(bench).await, 3);
    wait_until("the keys are free", || async {
        once(bench, &call, Some(number(bench, 1, 1))).await == [None, None, None]
    })
    .await;
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(drain(bench, "mail", &[&worker], 4).await, ["m1", "m2", "m3", "m4"]);
    assert_eq!(once(bench, &call, Some(number(bench, 1, 1))).await, [None, None, None]);
    assert_eq!(ready(bench).await, 0);
}

async fn ready(bench: &Bench) -> u64 {
    bench.counts("mail").await.ready
}

/// What is refused is refused as a whole: neither the key nor the number was used up.
async fn what_is_refused_uses_nothing_up(bench: &Bench) {
    let large = Outgoing {
        payload: Bytes::from(vec![b'x'; bench.options().max_payload + 1]),
        ..bench.message("mail", "large")
    };
    let parcels = [keyed(bench, "k", vec![bench.message("mail", "m1")]), Parcel::of(vec![large])];
    let refused = bench.store.enqueue_once(&parcels, Some(&number(bench, 1, 1))).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    assert_eq!(ready(bench).await, 0);
    let again = [keyed(bench, "k", vec![bench.message("mail", "m2")])];
    assert_eq!(once(bench, &again, Some(number(bench, 1, 1))).await, [None]);
    assert_eq!(ready(bench).await, 1);
}

/// Many at once with the same key: one of them is enqueued, and all the others are told of it.
async fn of_many_at_once_one_is_enqueued(bench: &Bench) {
    let store = bench.other_store().await;
    let sends = (0..20).map(|n| {
        let parcel = [keyed(bench, "k", vec![bench.message("mail", &format!("m{n}"))])];
        let store = if n % 2 == 0 { bench.store.clone() } else { store.clone() };
        tokio::spawn(async move { store.enqueue_once(&parcel, None).await.unwrap().remove(0) })
    });
    let mut told = Vec::new();
    for send in sends.collect::<Vec<_>>() {
        told.push(send.await.unwrap());
    }
    told.sort();
    let first = told.pop().flatten().unwrap();
    assert!(told.remove(0).is_none() && told.iter().all(|other| *other == Some(first.clone())), "{told:?}");
    assert_eq!(ready(bench).await, 1);
}

/// A chord begins with its header, once: a call that is made again, or whose key stands, does not begin it anew when it is over.
async fn a_chord_begins_with_its_header_once(bench: &Bench) {
    let chord = Chord::new(bench, "c");
    let begin = Parcel { chords: vec![chord.start(1)], ..Parcel::of(vec![bench.message("mail", "p0")]) };
    once(bench, &[keyed(bench, "k", Vec::new())], None).await;
    once(bench, std::slice::from_ref(&begin), Some(number(bench, 1, 1))).await;

    let worker = bench.worker("a", &["mail"]).await;
    let part = worker.take_one().await;
    let _ = worker.settle_one(with_chord(done(&part), chord.part("p0", Some(0), "v"))).await;
    let dispatch = worker.take_one().await;
    assert_eq!(worker.settle_one(chord.end(&dispatch, "p0", false)).await, Settled::Done);

    let again = keyed(bench, "k", vec![bench.message("mail", "again")]);
    let mut again = Parcel { chords: vec![chord.start(1)], ..again };
    again.key.as_mut().unwrap().value = "another".into();
    for (parcel, number) in [(begin, Some(number(bench, 1, 1))), (again, None)] {
        once(bench, &[parcel], number).await;
        assert_eq!(chord.finish(bench, &worker, "p0", 0).await, Settled::Done, "the part is late");
        assert!(worker.take(10).await.is_empty(), "the chord began anew");
    }
}

fn client(bench: &Bench) -> Client {
    Client::new(bench.store.clone())
}

fn call(bench: &Bench, key: &str) -> Call {
    Call::named("t.confirm").queue(bench.queue("mail").as_str()).idempotency_key(bench.id(key).as_str())
}

/// The caller's second send gives the first one's handle, from whichever client, also of what is due later.
async fn a_call_is_sent_once(bench: &Bench) {
    let first = client(bench).send(call(bench, "order")).await.unwrap();
    let again = client(bench).send(call(bench, "order").countdown(60 * SECOND)).await.unwrap();
    assert_eq!(first.id(), again.id());
    let later = client(bench).send(call(bench, "later").countdown(3600 * SECOND)).await.unwrap();
    assert_eq!(client(bench).send(call(bench, "later")).await.unwrap().id(), later.id());
    let linked = call(bench, "linked").link(Call::named("t.next"));
    let first = client(bench).send(linked.clone()).await.unwrap();
    assert_eq!(client(bench).send(linked).await.unwrap().id(), first.id());
    let counts = bench.counts("mail").await;
    // Beside Celery a Python worker may have to hold it back.
    let waits = u64::from(!bench.store.has_celery());
    assert_eq!((counts.ready, counts.scheduled), (3 - waits, waits));
}

/// Of many calls each has its own key, and the handles come in order.
async fn of_many_each_has_its_key(bench: &Bench) {
    let client = client(bench);
    let one = client.send(call(bench, "b")).await.unwrap();
    let plain = Call::named("t.confirm").queue(bench.queue("mail").as_str());
    let calls = [call(bench, "a"), plain.clone(), call(bench, "b"), call(bench, "a"), plain];
    let jobs = client.send_many(calls.clone()).await.unwrap();
    let ids: Vec<_> = jobs.iter().map(|job| job.id().clone()).collect();
    assert_eq!((&ids[2], &ids[3]), (one.id(), &ids[0]));
    assert_eq!(ready(bench).await, 4);
    let again = client.send_many(calls).await.unwrap();
    assert_eq!((again[0].id(), again[2].id(), again[3].id()), (&ids[0], &ids[2], &ids[0]));
    assert_eq!(ready(bench).await, 6);
}

/// A key that stands for no time would guard nothing.
async fn a_key_stands_for_a_second_at_least(bench: &Bench) {
    let client = client(bench);
    for ttl in [Duration::ZERO, Duration::from_millis(999)] {
        let error = client.send(call(bench, "order").idempotency_ttl(ttl)).await.unwrap_err();
        assert!(format!("{error:?}").contains("stands for a second at least"), "{error:?}");
        let mut sig: Signature = Call::named("t.step").queue(bench.queue("mail").as_str()).into();
        sig.set_key(bench.id("workflow").as_str());
        sig.set_key_ttl(ttl);
        assert!(client.send(sig).await.is_err());
    }
    assert_eq!(ready(bench).await, 0);
    let began = Instant::now();
    client.send(call(bench, "order").idempotency_ttl(SECOND)).await.unwrap();
    client.send(call(bench, "order").idempotency_ttl(SECOND)).await.unwrap();
    let sent = ready(bench).await;
    assert!(sent == 1 || (sent == 2 && began.elapsed() >= SECOND), "{sent} were sent within a second");
}

/// A key of another task is an error that says whose it is, and nothing is lost of the others.
async fn another_tasks_key_is_an_error(bench: &Bench) {
    let client = client(bench);
    client.send(call(bench, "order")).await.unwrap();
    let other = || Call::named("t.bill").queue(bench.queue("mail").as_str());
    let error = client.send(other().idempotency_key(bench.id("order").as_str())).await.unwrap_err();
    let SendError::KeyTaken { task, first, .. } = &error else { panic!("{error:?}") };
    assert_eq!((&**task, &**first), ("t.bill", "t.confirm"));
    assert!(!error.outcome_unknown() && !error.is_transient());
    let error = client.send_many([other().idempotency_key(bench.id("order").as_str()), other()]).await.unwrap_err();
    assert!(matches!(error, SendError::KeyTaken { .. }), "{error:?}");
    assert_eq!(ready(bench).await, 2);
}

/// A workflow is sent once as a whole, with the first one's results; a step of it has no key.
async fn a_workflow_is_sent_once(bench: &Bench) {
    let client = client(bench);
    let step = || -> Signature { Call::named("t.step").queue(bench.queue("mail").as_str()).into() };
    let send = async |mut sig: Signature, key: &str| {
        sig.set_key(bench.id(key).as_str());
        client.send(sig).await
    };
    for (nth, workflow) in [
        Signature::chain([step(), step()]),
        Signature::group([step(), step()]),
        Signature::chord([step(), step()], step()),
        Signature::group([]),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("w{nth}");
        let before = ready(bench).await;
        let first = send(workflow.clone(), &key).await.unwrap();
        let after = ready(bench).await;
        let again = send(workflow, &key).await.unwrap();
        assert_eq!((first.id(), ready(bench).await), (again.id(), after));
        assert_eq!(after - before, [1, 2, 2, 0][nth]);
    }
    let many = Signature::group((0..1001).map(|_| step()));
    let error = send(many, "many").await.unwrap_err();
    assert!(matches!(error, SendError::Canvas(_)), "{error:?}");
    let mut part = step();
    part.set_key("part");
    for workflow in [Signature::chain([step(), part.clone()]), Signature::group([part.clone()])] {
        let error = client.send(workflow).await.unwrap_err();
        assert!(matches!(error, SendError::Canvas(_)), "{error:?}");
    }
    assert_eq!(ready(bench).await, 5);
}

queue_tests::conformance! {
    variants:
    a_number_counts_once,
    a_call_that_comes_late_is_refused,
    what_has_run_is_not_sent_again,
    a_key_stands,
    each_parcel_has_its_own_key,
    a_key_ends,
    a_key_may_stand_for_ages,
    what_a_key_kept_out_is_tried_again,
    what_is_refused_uses_nothing_up,
    of_many_at_once_one_is_enqueued,
    a_chord_begins_with_its_header_once,
    a_call_is_sent_once,
    of_many_each_has_its_key,
    a_key_stands_for_a_second_at_least,
    another_tasks_key_is_an_error,
    a_workflow_is_sent_once,
}
