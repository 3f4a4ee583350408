//! A worker that is asked to stop just when it has leased the dispatch of a chord.

use queue_core::store::{INTERNAL, JobState};
use queue_tests::{Driver, signal};

use super::{Place, Play};
use crate::scene::QUEUE;

/// The dispatch is given back, and the next worker sends the body, once.
async fn dispatch_is_given_back(driver: Driver) {
    let place = Place::new(driver);
    let bench = place.bench().await;
    let play = Play::new(&bench, format!("{driver:?}")).await;
    let armed = [("QUEUE_FAILPOINT", "chord.leased@1=hold")];
    let mut worker = play.scene.worker_with(super::SLOTS, &["--grace", "300ms"], &armed);
    play.scene.until_logged("failpoint: chord.leased").await;
    signal(worker.pid(), "TERM");
    assert!(worker.end().await.success());
    assert_eq!(bench.counts(QUEUE).await.leased, 0);
    let ready = bench.page(QUEUE, JobState::Ready, 10).await.jobs;
    assert_eq!(ready.iter().filter(|job| job.payload.starts_with(INTERNAL)).count(), 1);

    let next = play.worker(0, &[]);
    let runs = play.finish(next).await;
    assert_eq!(runs.bodies(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dispatch_is_given_back_sqlite_file() {
    dispatch_is_given_back(Driver::SqliteFile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dispatch_is_given_back_redis() {
    dispatch_is_given_back(Driver::Redis).await;
}
