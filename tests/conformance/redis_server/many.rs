//! A worker of so many queues that the keys of their lists do not fit onto the stack of a server's Lua, some 8,000 places.

use queue_core::Priority;
use queue_core::store::{Outgoing, Settled};
use queue_tests::{Bench, Driver, RedisServer, labels};

/// It beats, takes back what a dead worker held, finds a list that is used for the first time, leases, and signs off.
async fn lives(count: usize, parameters: &str) {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &format!("{}{parameters}", server.url()), |_| ()).await;
    let names: Vec<String> = (0..count).map(|n| format!("q{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (first, last) = (names[0], names[count - 1]);
    let (dead, worker) = (bench.worker("a", &[last]).await, bench.worker("b", &names).await);
    bench.enqueue(last, &["m1"]).await;
    assert_eq!(dead.take(1).await.len(), 1);
    assert_eq!(bench.bury(&[&worker]).await, 1);
    let again = worker.take_one().await;
    assert!(again.suspect);
    assert_eq!(worker.finish(&again).await, Settled::Done);

    // The last list of all.
    let low = Outgoing { priority: Priority::LOWEST, ..bench.message(last, "low") };
    bench.store.enqueue(&[low]).await.unwrap();
    assert!(!worker.pulse().await.ready, "a heartbeat looks at used lists only");
    assert!(worker.pulse().await.ready, "the one before has found it");
    bench.enqueue(first, &["m2"]).await;
    assert_eq!(labels(&worker.take(10).await), ["m2", "low"]);
    worker.close().await.unwrap();
    for queue in [first, last] {
        let counts = bench.counts(queue).await;
        assert_eq!((counts.ready, counts.leased), (1, 0), "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_many_queues_lives() {
    lives(700, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_many_steps_lives() {
    lives(250, "?steps=0,1,2,3,4,5,6,7,8,9").await;
}
