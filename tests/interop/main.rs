//! A real Celery on one side, this on the other: messages, results, workflows, control and monitoring cross the border.
//!
//! Each test starts a Redis, Python processes and Rust workers of its own. Starting Celery takes a second, so a test goes
//! through many cases. `python/` has the tasks in Python, `../bin/interop_worker.rs` the same ones in Rust.
#![allow(missing_docs, reason = "a test's name is its doc")]
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene should stop right there")]

mod canvas;
mod python_calls_rust;
mod rust_calls_python;
mod scene;
mod tools;

/// Makes tests of cases, one per version of Celery: `latest::case` and `v5_3::case`.
macro_rules! on_celery {
    ($($case:ident),+ $(,)?) => {
        on_celery!(latest, Latest: $($case),+);
        on_celery!(v5_3, V5_3: $($case),+);
    };
    ($module:ident, $version:ident: $($case:ident),+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let scene = crate::scene::Scene::new(queue_tests::CeleryVersion::$version);
                    queue_tests::in_time(stringify!($case), super::$case(&scene)).await;
                }
            )+
        }
    };
}
pub(crate) use on_celery;
