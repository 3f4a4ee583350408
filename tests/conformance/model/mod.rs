//! Any sequence of calls, crashes, lost replies and clock moves agrees with a model of ten lines: whatever went in comes
//! to exactly one end, a refused settlement left no trace, an accepted one left all of its own, and when everybody lives
//! again nothing is stranded in anybody's hands.
//!
//! `PROPTEST_CASES` says how many sequences; a failing one is shrunk and printed.

mod book;
mod op;
mod world;

use proptest::test_runner::{Config, TestRunner};
use queue_tests::{Bench, Driver, Proxy, RedisServer};

use self::world::World;

/// Where the sequences run.
#[derive(Clone, Copy)]
enum Place {
    On(Driver),
    /// A Redis whose replies may be lost.
    BehindProxy,
}

fn any_sequence_agrees(place: Place, cases: u32) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // A server of its own: thousands of queues would be in the way of tests that look at all there are.
    let on_redis = matches!(place, Place::BehindProxy | Place::On(Driver::Redis));
    let server = on_redis.then(|| RedisServer::start(&[]));
    let config = Config { cases, max_shrink_time: 30_000, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&op::sequence(), |ops| {
        runtime.block_on(async {
            let (bench, proxy) = match place {
                Place::On(Driver::Redis) => {
                    (Bench::at(Driver::Redis, &server.as_ref().unwrap().url(), |_| ()).await, None)
                }
                Place::On(driver) => (Bench::open(driver).await, None),
                Place::BehindProxy => {
                    let proxy = Proxy::start(server.as_ref().unwrap().address()).await;
                    (Bench::at(Driver::Redis, &proxy.url(), |_| ()).await, Some(proxy))
                }
            };
            let mut world = World::new(bench, proxy).await;
            for op in ops {
                world.step(op).await;
            }
            world.drain().await;
            world.book.check();
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn sqlite_memory() {
    any_sequence_agrees(Place::On(Driver::SqliteMemory), 60);
}

#[test]
fn sqlite_file() {
    any_sequence_agrees(Place::On(Driver::SqliteFile), 20);
}

#[test]
fn redis() {
    any_sequence_agrees(Place::On(Driver::Redis), 40);
}

#[test]
fn redis_with_lost_replies() {
    any_sequence_agrees(Place::BehindProxy, 15);
}
