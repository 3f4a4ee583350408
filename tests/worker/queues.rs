//! Which messages a worker takes, and how many.

use queue_core::prelude::*;
use queue_tests::{Bench, wait_until};

use crate::scene::{SOON, Stage, client, start, worker};
use crate::tasks::*;

async fn no_more_is_leased_than_there_are_slots(bench: &Bench) {
    let stage = Stage::default();
    client(bench).send_many((0..10).map(|_| hold.s())).await.unwrap();
    let _worker = start(bench, &stage).await;
    stage.heard("started", 4).await;
    let counts = bench.counts("q").await;
    assert_eq!((counts.leased, counts.ready), (4, 6));
    stage.open();
    stage.heard("ended", 10).await;
}

async fn prefetched_messages_are_held_beyond_the_slots_and_given_back_at_the_end(bench: &Bench) {
    let stage = Stage::default();
    client(bench).send_many((0..10).map(|_| hold.s())).await.unwrap();
    let worker = worker(bench, &stage).prefetch(3).grace(Duration::ZERO).start(client(bench)).await.unwrap();
    stage.heard("started", 4).await;
    wait_until("all held", || async { bench.counts("q").await.leased == 7 }).await;
    assert_eq!(stage.count("started"), 4);
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().given_back, 7);
    assert_eq!(bench.counts("q").await.ready, 10);
}

async fn weights_share_out_the_slots(bench: &Bench) {
    let stage = Stage::default();
    let client = client(bench);
    for queue in ["mail", "bulk"] {
        let name = bench.queue(queue);
        client.send_many((0..300).map(|_| say.s(queue).queue(name.as_str()))).await.unwrap();
    }
    let (mail, bulk) = (bench.queue("mail"), bench.queue("bulk"));
    let worker = queue_worker::Worker::new().state(stage.clone()).concurrency(1);
    let worker = worker.weighted_queue(mail.as_str(), 3).weighted_queue(bulk.as_str(), 1);
    let _worker = worker.start(client.clone()).await.unwrap();
    stage.heard("bulk", 300).await;
    let first: Vec<String> = stage.said().into_iter().take(200).collect();
    let mails = first.iter().filter(|line| *line == "mail").count();
    assert!((148..=152).contains(&mails), "{mails} of 200");
}

async fn without_weights_the_queue_named_first_is_served_first(bench: &Bench) {
    let stage = Stage::default();
    let client = client(bench);
    for queue in ["bulk", "mail"] {
        let name = bench.queue(queue);
        client.send_many((0..20).map(|_| say.s(queue).queue(name.as_str()))).await.unwrap();
    }
    let (mail, bulk) = (bench.queue("mail"), bench.queue("bulk"));
    let worker = queue_worker::Worker::new().state(stage.clone()).concurrency(1);
    let _worker = worker.queue(mail.as_str()).queue(bulk.as_str()).start(client.clone()).await.unwrap();
    stage.heard("bulk", 20).await;
    assert!(stage.said()[..20].iter().all(|line| line == "mail"), "{:?}", stage.said());
}

async fn idle_worker_takes_what_comes(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let client = client(bench);
    for n in 0..20 {
        assert_eq!(client.send(add.s(n, n)).await.unwrap().get(SOON).await.unwrap(), 2 * n);
    }
}

/// By its first name: the second changes neither its place nor its weight.
async fn queue_that_is_named_twice_is_consumed_once(bench: &Bench) {
    let (mail, bulk) = (bench.queue("mail"), bench.queue("bulk"));
    let host = format!("w@{mail}");
    let worker = queue_worker::Worker::new().state(Stage::default()).hostname(&host);
    let worker = worker.queue(mail.as_str()).queue(bulk.as_str()).weighted_queue(mail.as_str(), 3);
    let handle = worker.start(client(bench)).await.unwrap();
    let workers = bench.store.workers().await.unwrap();
    let described = workers.into_iter().find(|one| one.hostname == host).unwrap();
    assert_eq!(described.queues, [mail, bulk]);
    handle.abort();
}

async fn suspects_run_one_at_a_time_beside_other_jobs(bench: &Bench) {
    let client = client(bench);
    client.send_many((0..3).map(|_| hold.s())).await.unwrap();
    let doomed = bench.worker("a", &["q"]).await;
    let sweeper = bench.worker("s", &["q"]).await;
    assert_eq!(doomed.lease(&doomed.request(10)).await.unwrap().len(), 3);
    bench.bury(&[&sweeper]).await;
    assert_eq!(bench.counts("q").await.suspects, 3);

    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    stage.heard("started", 1).await;
    assert_eq!(client.send(add.s(1, 1)).await.unwrap().get(SOON).await.unwrap(), 2);
    assert_eq!(stage.count("started"), 1, "the other suspects wait for the first");
    stage.open();
    stage.heard("ended", 3).await;
}

queue_tests::conformance!(
    no_more_is_leased_than_there_are_slots,
    prefetched_messages_are_held_beyond_the_slots_and_given_back_at_the_end,
    weights_share_out_the_slots,
    without_weights_the_queue_named_first_is_served_first,
    idle_worker_takes_what_comes,
    queue_that_is_named_twice_is_consumed_once,
    suspects_run_one_at_a_time_beside_other_jobs,
);
