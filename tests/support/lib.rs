//! What the tests share: an open store with a clock that moves when told to, workers by letter, a Redis server of
//! their own, a proxy that loses replies, and real processes to kill.
//!
//! A conformance case is an `async fn case(bench: &Bench)`; [`conformance!`] turns it into one test per driver.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene should stop right there")]

mod bench;
mod boundary;
mod chord;
mod driver;
mod message;
mod probe;
mod process;
mod program;
pub mod proxy;
mod python;
mod redis;
mod resp;
mod sentinel;
pub mod soak;
mod worker;

pub use self::bench::Bench;
pub use self::boundary::{Boundary, Side};
pub use self::chord::{Chord, with_chord};
pub use self::driver::Driver;
pub use self::message::{dead_letter, done, label, labels, message, meta, result, with_follow, with_result};
pub use self::probe::{get, metric};
pub use self::process::{Child, bin, lines, signal, wait_for, wait_until};
pub use self::program::Program;
pub use self::proxy::{Fault, Proxy};
pub use self::python::{Celery, CeleryVersion, Finished, Flower, PythonClient, PythonError, PythonWorker};
pub use self::redis::{Nap, RedisServer, redis_url, script_hash, shared_redis};
pub use self::sentinel::{Sentinel, SentinelSet};
pub use self::worker::TestWorker;

use std::time::Duration;

/// A second.
pub const SECOND: Duration = Duration::from_secs(1);

/// How long a test waits for an event before it says that the event never came.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Makes tests of cases, one per driver: `leases::sqlite_memory::case`, `leases::sqlite_file::case`, `leases::redis::case`.
/// With `variants:` before the cases also for Redis with other names, with results in another database, on another server.
#[macro_export]
macro_rules! conformance {
    (variants: $($case:ident),+ $(,)?) => {
        $crate::conformance!($($case),+);
        $crate::on_driver!(redis_named, RedisNamed: $($case),+);
        $crate::on_driver!(redis_database, RedisDatabase: $($case),+);
        $crate::on_driver!(redis_two, RedisTwo: $($case),+);
    };
    ($($case:ident),+ $(,)?) => {
        $crate::on_driver!(sqlite_memory, SqliteMemory: $($case),+);
        $crate::on_driver!(sqlite_file, SqliteFile: $($case),+);
        $crate::on_driver!(redis, Redis: $($case),+);
    };
}

/// Makes tests of cases that only one driver can meet: `on_driver!(redis, Redis: case, …)`.
#[macro_export]
macro_rules! on_driver {
    ($module:ident, $driver:ident: $($case:ident),+ $(,)?) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let bench = $crate::Bench::open($crate::Driver::$driver).await;
                    $crate::in_time(stringify!($case), super::$case(&bench)).await;
                }
            )+
        }
    };
}

/// Runs a case, and says which one when it hangs.
pub async fn in_time(case: &str, run: impl Future<Output = ()>) {
    let limit = 3 * PATIENCE;
    assert!(tokio::time::timeout(limit, run).await.is_ok(), "`{case}` was still waiting after {limit:?}");
}
