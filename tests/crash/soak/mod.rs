//! Ten seconds of the soak (`scripts/soak` runs as many as you like): workers are killed all the time, and nothing is lost.
#![expect(clippy::print_stderr, reason = "the report of a test")]

mod memory;

use std::time::Duration;

use queue_tests::soak::Soak;
use queue_tests::{RedisServer, bin};

/// `QUEUE_CRASH_SEED` repeats the plan of a run that failed.
async fn soak(url: String, faults: bool) {
    let seed = std::env::var("QUEUE_CRASH_SEED").ok().map(|seed| seed.parse().expect("QUEUE_CRASH_SEED"));
    let soak = Soak {
        url,
        seed: seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
        jobs: 2000,
        lasts: Duration::from_secs(10),
        kill_every: Duration::from_millis(200),
        workers: 3,
        slots: 8,
        faults,
        worker: env!("CARGO_BIN_EXE_crash-worker").into(),
        doctor: bin("queue"),
        patience: Duration::from_secs(60),
        tell: |line| eprintln!("{line}"),
    };
    let report = soak.run().await;
    eprintln!("{report}");
    assert!(report.is_well(), "QUEUE_CRASH_SEED={}: {}", soak.seed, report.broken().join("; "));
    // Else it would have tried nothing.
    assert!(report.begun > 0 && report.met > 0, "{report}");
    assert!(report.chords > 0 && report.chains > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_seconds_of_it_redis() {
    let server = RedisServer::start(&[]);
    soak(server.url(), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_seconds_of_it_sqlite_file() {
    let dir = tempfile::tempdir().unwrap();
    soak(format!("sqlite:{}", dir.path().join("queue.db").display()), false).await;
}
