//! Lending messages out: how many, in which order, from which queues.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use queue_core::Priority;
use queue_core::store::{LeaseRequest, Order, Outgoing, Settled, Share};
use queue_tests::{Bench, SECOND, TestWorker, done, labels};

/// A lease never brings more than its limit, and what it brings is the oldest.
async fn the_limit_holds(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2", "m3", "m4", "m5"]).await;
    let worker = bench.worker("a", &["mail"]).await;
    assert_eq!(labels(&worker.take(2).await), ["m1", "m2"]);
    assert_eq!(labels(&worker.take(2).await), ["m3", "m4"]);
    assert_eq!(labels(&worker.take(2).await), ["m5"]);
    assert!(worker.take(2).await.is_empty());
}

/// A delivery says where it came from and that it is new.
async fn a_delivery_tells_its_story(bench: &Bench) {
    let message = Outgoing { priority: Priority::new(4), ..bench.message("mail", "m1") };
    bench.store.enqueue(std::slice::from_ref(&message)).await.unwrap();
    let worker = bench.worker("a", &["mail"]).await;
    let delivery = worker.take_one().await;
    assert_eq!(delivery.queue, bench.queue("mail"));
    assert_eq!(delivery.payload(), &message.payload);
    assert_eq!((delivery.step, delivery.redelivered, delivery.deaths, delivery.suspect), (3, false, 0, false));
}

/// What one worker holds, no other gets, however often they ask.
async fn a_held_message_is_not_lent_twice(bench: &Bench) {
    bench.enqueue("mail", &["m1", "m2"]).await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let first = a.take_one().await;
    let second = b.take(10).await;
    assert_eq!(labels(&second), ["m2"]);
    assert!(a.take(10).await.is_empty() && b.take(10).await.is_empty());
    assert_eq!((a.held().await.unwrap(), b.held().await.unwrap()), (1, 1));
    assert_eq!(a.finish(&first).await, Settled::Done);
    assert_eq!(a.held().await.unwrap(), 0);
}

/// Workers that lease at the same time share the messages between them: each goes to exactly one.
async fn concurrent_leases_share(bench: &Bench) {
    let messages: Vec<_> = (0..400).map(|n| bench.message("mail", &format!("m{n}"))).collect();
    bench.store.enqueue(&messages).await.unwrap();
    let mut workers = Vec::new();
    for letter in ["a", "b", "c", "d"] {
        let worker = bench.worker(letter, &["mail"]).await;
        workers.push(tokio::spawn(async move { worker.finish_all().await }));
    }
    let mut finished = Vec::new();
    for worker in workers {
        finished.extend(worker.await.unwrap());
    }
    let different: std::collections::HashSet<_> = finished.iter().collect();
    assert_eq!((finished.len(), different.len()), (400, 400));
}

async fn fill(bench: &Bench, queue: &str, priority: i64, label: &str) {
    let message = Outgoing { priority: Priority::new(priority), ..bench.message(queue, label) };
    bench.store.enqueue(&[message]).await.unwrap();
}

/// Strict order goes by priority step first, then by the order the queues are named.
async fn strict_order_is_step_before_queue(bench: &Bench) {
    fill(bench, "one", 9, "one at 9").await;
    fill(bench, "two", 3, "two at 3").await;
    fill(bench, "two", 0, "two at 0").await;
    fill(bench, "one", 5, "one at 5").await;
    fill(bench, "one", 0, "one at 0").await;
    fill(bench, "two", 9, "two at 9").await;

    let worker = bench.worker("a", &["one", "two"]).await;
    let order = ["one at 0", "two at 0", "one at 5", "two at 3", "one at 9", "two at 9"];
    assert_eq!(labels(&worker.take(10).await), order);
}

/// Priorities that share a step share a list: first come, first served.
async fn priorities_of_a_step_share_a_list(bench: &Bench) {
    fill(bench, "mail", 2, "at 2").await;
    fill(bench, "mail", 0, "at 0").await;
    fill(bench, "mail", 1, "at 1").await;
    let worker = bench.worker("a", &["mail"]).await;
    let taken = worker.take(10).await;
    assert_eq!(labels(&taken), ["at 2", "at 0", "at 1"]);
    assert!(taken.iter().all(|delivery| delivery.step == 0));
}

/// A worker leases from the queues it asks for, in the order it asks for them, and from no others.
async fn only_the_queues_asked_for(bench: &Bench) {
    for queue in ["one", "two", "three"] {
        bench.enqueue(queue, &[queue]).await;
    }
    let worker = bench.worker("a", &["one", "two", "three"]).await;
    let queues = ["three", "one"].map(|name| Share { queue: bench.queue(name), share: 0 });
    let request = LeaseRequest { queues: queues.to_vec(), ..worker.request(10) };
    assert_eq!(labels(&worker.lease(&request).await.unwrap()), ["three", "one"]);
    assert!(worker.lease(&request).await.unwrap().is_empty());
    assert_eq!(bench.counts("two").await.ready, 1);
}

fn weighted(bench: &Bench, worker: &TestWorker, shares: &[(&str, usize)]) -> LeaseRequest {
    let queues = shares.iter().map(|(name, share)| Share { queue: bench.queue(name), share: *share }).collect();
    let limit = shares.iter().map(|(_, share)| share).sum();
    LeaseRequest { queues, order: Order::Weighted, limit: NonZeroUsize::new(limit).unwrap(), ..worker.request(1) }
}

async fn fill_many(bench: &Bench, queue: &str, count: usize) {
    let messages: Vec<_> = (0..count).map(|n| bench.message(queue, &format!("{queue}{n}"))).collect();
    bench.store.enqueue(&messages).await.unwrap();
}

async fn take_by_queue(bench: &Bench, worker: &TestWorker, request: &LeaseRequest) -> HashMap<String, usize> {
    let deliveries = worker.lease(request).await.unwrap();
    let mut taken = HashMap::new();
    for delivery in &deliveries {
        let queue = ["one", "two", "three"].into_iter().find(|name| bench.queue(name) == delivery.queue).unwrap();
        *taken.entry(queue.to_owned()).or_default() += 1;
    }
    let settlements: Vec<_> = deliveries.iter().map(done).collect();
    assert!(worker.settle(&settlements).await.unwrap().iter().all(|settled| *settled == Settled::Done));
    taken
}

/// Weighted order gives each queue its share of every lease while all have messages, to the message.
async fn shares_are_exact_while_all_are_full(bench: &Bench) {
    fill_many(bench, "one", 300).await;
    fill_many(bench, "two", 300).await;
    fill_many(bench, "three", 300).await;
    let worker = bench.worker("a", &["one", "two", "three"]).await;
    let request = weighted(bench, &worker, &[("one", 1), ("two", 5), ("three", 14)]);
    for _ in 0..20 {
        let taken = take_by_queue(bench, &worker, &request).await;
        assert_eq!((taken["one"], taken["two"], taken["three"]), (1, 5, 14));
    }
}

/// A queue that has no use for its share lends it, to the others in the order named; so no lease runs half empty.
async fn an_empty_queue_lends_its_share(bench: &Bench) {
    fill_many(bench, "one", 3).await;
    fill_many(bench, "three", 100).await;
    let worker = bench.worker("a", &["one", "two", "three"]).await;
    let request = weighted(bench, &worker, &[("one", 10), ("two", 20), ("three", 10)]);
    let taken = take_by_queue(bench, &worker, &request).await;
    assert_eq!((taken.get("one"), taken.get("two"), taken.get("three")), (Some(&3), None, Some(&37)));
}

/// What is left over goes to any queue that still has messages, in the order named.
async fn leftovers_go_in_the_order_named(bench: &Bench) {
    fill_many(bench, "one", 100).await;
    fill_many(bench, "two", 100).await;
    let worker = bench.worker("a", &["one", "two", "three"]).await;
    let request = weighted(bench, &worker, &[("two", 2), ("one", 3), ("three", 5)]);
    let taken = take_by_queue(bench, &worker, &request).await;
    assert_eq!((taken["two"], taken["one"]), (7, 3));
}

/// A queue without a share gets only what is left over.
async fn no_share_gets_the_rest(bench: &Bench) {
    fill_many(bench, "one", 5).await;
    fill_many(bench, "two", 5).await;
    let worker = bench.worker("a", &["one", "two"]).await;
    let mut request = weighted(bench, &worker, &[("one", 0), ("two", 3)]);
    assert_eq!(take_by_queue(bench, &worker, &request).await, HashMap::from([("two".to_owned(), 3)]));
    request.limit = NonZeroUsize::new(4).unwrap();
    let taken = take_by_queue(bench, &worker, &request).await;
    assert_eq!((taken["one"], taken["two"]), (2, 2));
}

/// Within a queue's share, weighted order takes the most urgent first.
async fn shares_are_filled_by_step(bench: &Bench) {
    fill(bench, "one", 9, "low").await;
    fill(bench, "one", 0, "high").await;
    fill(bench, "two", 0, "other").await;
    let worker = bench.worker("a", &["one", "two"]).await;
    let request = weighted(bench, &worker, &[("one", 1), ("two", 1)]);
    let mut taken = labels(&worker.lease(&request).await.unwrap());
    taken.sort();
    assert_eq!(taken, ["high", "other"]);
}

/// A lease promotes what is due before it looks.
async fn a_lease_promotes_first(bench: &Bench) {
    bench.enqueue_in(10 * SECOND, "one", "due in one").await;
    bench.enqueue_in(10 * SECOND, "two", "due in two").await;
    bench.enqueue_in(60 * SECOND, "two", "not yet").await;
    bench.advance(11 * SECOND);
    let worker = bench.worker("a", &["one", "two"]).await;
    assert_eq!(labels(&worker.take(10).await), ["due in one", "due in two"]);
    assert!(worker.take(10).await.is_empty());
}

/// Queue names may be long, and hold spaces, colons, braces and letters of any script.
async fn any_queue_name_works(bench: &Bench) {
    let long = "q".repeat(200);
    for name in ["with space", "a:b:c", "{braces}", "}odd{", "größe-очередь-列", "%s $1 ' \" \\", "*?[a-z]", &long]
    {
        bench.enqueue(name, &["m1"]).await;
        let worker = bench.worker("a", &[name]).await;
        let delivery = worker.take_one().await;
        assert_eq!(delivery.queue, bench.queue(name));
        assert_eq!(worker.finish(&delivery).await, Settled::Done);
        let counts = bench.counts(name).await;
        assert_eq!((counts.ready, counts.leased), (0, 0), "{name}");
    }
}

queue_tests::conformance!(
    the_limit_holds,
    a_delivery_tells_its_story,
    a_held_message_is_not_lent_twice,
    concurrent_leases_share,
    strict_order_is_step_before_queue,
    priorities_of_a_step_share_a_list,
    only_the_queues_asked_for,
    shares_are_exact_while_all_are_full,
    an_empty_queue_lends_its_share,
    leftovers_go_in_the_order_named,
    no_share_gets_the_rest,
    shares_are_filled_by_step,
    a_lease_promotes_first,
    any_queue_name_works,
);
