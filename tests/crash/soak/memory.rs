//! A worker's memory does not grow with the jobs that went through it, nor with those that wait.

use queue_tests::RedisServer;
use queue_tests::soak::memory::{Memory, Usage};

async fn through_one_worker(url: String, slots: usize, jobs: usize, size: usize, first: usize) -> Usage {
    let worker = env!("CARGO_BIN_EXE_crash-worker").into();
    // Half of what it may hold it fetches ahead.
    let (slots, prefetch) = (slots / 2, slots - slots / 2);
    let usage = Memory { url, worker, jobs, size, slots, prefetch, first, tell: |_| () }.run().await;
    eprintln!("{usage}");
    assert_eq!(usage.broken(u64::MAX / 2), [""; 0], "{usage}");
    usage
}

/// 24 MiB went through it between the two looks. `kept`: what SQLite keeps of its pages, at most.
async fn many_small_ones(url: String, kept: u64) {
    let usage = through_one_worker(url, 16, 4000, 8 << 10, 1000).await;
    assert!(usage.after_last < usage.after_first + kept + 4 * 1024, "{usage}");
}

/// 30 MiB went through it, two at a time: as text, as a message and as its bytes, and a few on their way.
async fn a_few_large_ones(url: String) {
    let usage = through_one_worker(url, 2, 120, 256 << 10, 20).await;
    assert!(usage.peak < usage.idle + 24 * 1024, "{usage}");
}

fn file(dir: &tempfile::TempDir) -> String {
    format!("sqlite:{}", dir.path().join("queue.db").display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_ones_redis() {
    let server = RedisServer::start(&[]);
    many_small_ones(server.url(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_ones_sqlite_file() {
    let dir = tempfile::tempdir().unwrap();
    many_small_ones(file(&dir), 12 * 1024).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_large_ones_redis() {
    let server = RedisServer::start(&[]);
    a_few_large_ones(server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_large_ones_sqlite_file() {
    let dir = tempfile::tempdir().unwrap();
    a_few_large_ones(file(&dir)).await;
}
