//! Hosts whose clocks are wrong by a day, ahead or behind, beside a store whose clock is right: nothing changes.

use std::sync::Arc;
use std::time::Duration;

use queue_core::store::{Settled, Store, StoreOptions, connect_with};
use queue_core::{Call, Client, ClientOptions, JobError};
use queue_tests::{Bench, wait_until};

use crate::scene::{SOON, Stage, dead_letter, worker};
use crate::tasks::{add, flaky, held_up, hold, say};

const DAY_MS: i64 = 86_400_000;
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A client on a host whose clock is wrong by so much.
async fn host(bench: &Bench, wrong_ms: i64) -> Client {
    let options = StoreOptions { clock: bench.clock.wrong_by(wrong_ms), ..bench.options().clone() };
    let store: Arc<dyn Store> = connect_with(bench.url(), options).await.unwrap();
    let options = ClientOptions { default_queue: bench.queue("q"), ..ClientOptions::default() };
    Client::with_options(store, options)
}

async fn scene(bench: &Bench, producer_ms: i64, worker_ms: i64) {
    let stage = Stage::default();
    let (producer, workers) = (host(bench, producer_ms).await, host(bench, worker_ms).await);
    let running = worker(bench, &stage).start(workers.clone()).await.unwrap();

    // What runs at once, what is tried again, what expires later.
    let sum = producer.send(add.s(2, 3).expires(MINUTE)).await.unwrap();
    assert_eq!(sum.get(SOON).await.unwrap(), 5);
    let again = producer.send(flaky.s(2)).await.unwrap();
    assert_eq!(again.get(SOON).await.unwrap(), 2);
    producer.send_many([say.s("one of many").expires(MINUTE)]).await.unwrap();
    stage.heard("one of many", 1).await;
    lives_a_day(sum.id().as_str()).await;

    // What waits, in the store or given to a worker too early, waits as long as it was told.
    let before = bench.store.now().await.unwrap();
    producer.send(say.s("counted down").countdown(HOUR)).await.unwrap();
    let due = bench.counts("q").await.next_due.unwrap();
    assert!(
        due > before.after(HOUR - MINUTE) && due < before.after(HOUR + MINUTE),
        "{before} and an hour is not {due}"
    );
    producer.send(Call::named("t.say").args(("named",)).countdown(HOUR)).await.unwrap();
    producer.send(say.s("at that time").eta(before.after(HOUR))).await.unwrap();
    wait_until("all wait", || async { bench.counts("q").await.scheduled == 3 }).await;

    // A host whose clock is set while it runs.
    producer.store().clock().set_wrong_by(-producer_ms);
    workers.store().clock().set_wrong_by(-worker_ms);
    producer.send(say.s("set").expires(MINUTE)).await.unwrap();
    stage.heard("set", 1).await;
    let said = stage.said();
    assert!(!said.iter().any(|line| ["counted down", "named", "at that time"].contains(&&**line)), "{said:?}");

    bench.advance(2 * HOUR);
    for line in ["counted down", "named", "at that time"] {
        stage.heard(line, 1).await;
    }
    running.shutdown();
    let summary = running.wait().await.unwrap();
    assert_eq!(summary.revoked, 0);

    // What has expired by the store's clock has, whatever the hosts say.
    let late = producer.send(say.s("late").expires(MINUTE)).await.unwrap();
    bench.advance(2 * MINUTE);
    let running = worker(bench, &stage).start(workers).await.unwrap();
    assert!(matches!(late.get(SOON).await, Err(JobError::Revoked(why)) if why.contains("expired")));
    dead_letter(bench).await;
    for line in ["one of many", "counted down", "named", "at that time", "set"] {
        assert_eq!(stage.count(line), 1, "{line}");
    }
    running.shutdown();
    running.wait().await.unwrap();
}

/// The result of `id` is kept for a day from now.
async fn lives_a_day(id: &str) {
    let server = ::redis::Client::open(queue_tests::redis_url()).unwrap();
    let mut server = server.get_multiplexed_async_connection().await.unwrap();
    let left: i64 = ::redis::cmd("PTTL").arg(format!("celery-task-meta-{id}")).query_async(&mut server).await.unwrap();
    assert!(left > DAY_MS - 600_000 && left <= DAY_MS, "{left}");
}

async fn a_producer_ahead_and_a_worker_behind(bench: &Bench) {
    scene(bench, DAY_MS, -DAY_MS).await;
}

async fn a_producer_behind_and_a_worker_ahead(bench: &Bench) {
    scene(bench, -DAY_MS, DAY_MS).await;
}

/// A host's clock is set while all slots of its worker are taken, so that nothing is leased: what is tried again then is due by the
/// store's time all the same.
async fn busy(bench: &Bench, ahead_ms: i64) {
    let stage = Stage::default();
    let host = host(bench, 0).await;
    let running = worker(bench, &stage).concurrency(1).start(host.clone()).await.unwrap();
    let job = host.send(held_up.s()).await.unwrap();
    stage.heard("tried", 1).await;
    host.store().clock().set_wrong_by(ahead_ms);
    wait_until("the worker has noticed", || async {
        let (guess, now) = (host.guess_time(), bench.store.now().await.unwrap());
        guess < now.after(MINUTE) && now < guess.after(MINUTE)
    })
    .await;
    stage.open();
    stage.heard("failed", 1).await;
    wait_until("it waits", || async { bench.counts("q").await.scheduled == 1 }).await;
    let (due, now) = (bench.counts("q").await.next_due.unwrap(), bench.store.now().await.unwrap());
    assert!(due > now.after(HOUR - MINUTE) && due < now.after(HOUR + MINUTE), "{now} and an hour is not {due}");
    bench.advance(2 * HOUR);
    assert_eq!(job.get(SOON).await.unwrap(), 1);
    running.shutdown();
    running.wait().await.unwrap();
}

async fn a_busy_worker_whose_clock_is_set_forward(bench: &Bench) {
    busy(bench, DAY_MS).await;
}

async fn a_busy_worker_whose_clock_is_set_back(bench: &Bench) {
    busy(bench, -DAY_MS).await;
}

/// What waits for a slot of such a worker has not expired by that host's clock.
async fn what_a_busy_worker_holds_expires_by_the_stores_clock(bench: &Bench) {
    let stage = Stage::default();
    let host = host(bench, 0).await;
    let running = worker(bench, &stage).concurrency(1).prefetch(5).start(host.clone()).await.unwrap();
    host.send(hold.s()).await.unwrap();
    stage.heard("started", 1).await;
    let job = host.send(say.s("in time").expires(HOUR)).await.unwrap();
    wait_until("it is held", || async { bench.counts("q").await.leased == 2 }).await;
    host.store().clock().set_wrong_by(DAY_MS);
    stage.open();
    job.get(SOON).await.unwrap();
    assert_eq!(stage.count("in time"), 1);
    running.shutdown();
    running.wait().await.unwrap();
}

/// Who beats keeps what it holds for longer than a lease, whatever its host's clock says and that of the one which looks for the
/// dead; and who beats no more is found dead.
async fn leases(bench: &Bench, holder_ms: i64, seeker_ms: i64) {
    let (holders, seekers) = (host(bench, holder_ms).await, host(bench, seeker_ms).await);
    let holder = bench.worker_on(holders.store(), "holder", &["q"]).await;
    let seeker = bench.worker_on(seekers.store(), "seeker", &["q"]).await;
    bench.enqueue("q", &["m1", "m2"]).await;
    let (first, second) = (holder.take_one().await, holder.take_one().await);
    let long = 3 * (bench.options().lease + bench.options().grace);
    assert_eq!(bench.live(long, &[&holder, &seeker]).await, 0, "it was taken from a worker that lives");
    assert!(seeker.take(2).await.is_empty());
    assert_eq!(holder.finish(&first).await, Settled::Done);

    assert_eq!(bench.bury(&[&seeker]).await, 1, "its death is not noticed");
    assert_eq!(holder.finish(&second).await, Settled::LeaseLost);
    let again = seeker.take_one().await;
    assert!(again.suspect && again.payload() == second.payload());
    assert_eq!(seeker.finish(&again).await, Settled::Done);
}

async fn leases_of_a_worker_behind(bench: &Bench) {
    leases(bench, -DAY_MS, 0).await;
}

async fn leases_of_a_worker_ahead(bench: &Bench) {
    leases(bench, DAY_MS, 0).await;
}

async fn leases_beside_a_worker_behind(bench: &Bench) {
    leases(bench, 0, -DAY_MS).await;
}

async fn leases_beside_a_worker_ahead(bench: &Bench) {
    leases(bench, 0, DAY_MS).await;
}

queue_tests::on_driver! {
    redis, Redis:
    a_producer_ahead_and_a_worker_behind,
    a_producer_behind_and_a_worker_ahead,
    a_busy_worker_whose_clock_is_set_forward,
    a_busy_worker_whose_clock_is_set_back,
    what_a_busy_worker_holds_expires_by_the_stores_clock,
    leases_of_a_worker_behind,
    leases_of_a_worker_ahead,
    leases_beside_a_worker_behind,
    leases_beside_a_worker_ahead,
}
