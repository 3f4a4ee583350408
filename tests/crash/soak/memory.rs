//! A worker's memory does not grow with the jobs that went through it, nor with those that wait.

use queue_tests::RedisServer;
use queue_tests::soak::memory::{Memory, Usage};

/// So many bytes of each job may stay in the worker: less than anything that is kept of a job by mistake.
const STAYS: usize = 100;

/// `growth`: by how many KiB the worker may be larger after the last than after the first.
async fn through_one_worker(url: String, slots: usize, jobs: usize, size: usize, first: usize, growth: usize) -> Usage {
    let worker = env!("CARGO_BIN_EXE_crash-worker").into();
    // Half of what it may hold it fetches ahead.
    let (slots, prefetch) = (slots / 2, slots - slots / 2);
    let usage = Memory { url, worker, jobs, size, slots, prefetch, first, tell: |_| () }.run().await;
    eprintln!("{usage}");
    assert_eq!(usage.broken(growth as u64), [""; 0], "{usage}");
    usage
}

/// 12,000 jobs of 1 KiB. `pages`: how many KiB SQLite may keep of its file.
async fn many_small_ones(url: String, pages: usize) {
    let (jobs, first) = (12_000, 2000);
    through_one_worker(url, 16, jobs, 1 << 10, first, (jobs - first) * STAYS / 1024 + pages).await;
}

/// 40 MiB go through it, 25 of them wait, and it has two jobs at a time: as text, as a message and as its bytes, and a few on
/// their way.
async fn large_ones(url: String, pages: usize) {
    let most = (8 << 10) + pages;
    let usage = through_one_worker(url, 2, 320, 128 << 10, 200, most).await;
    assert!(usage.peak < usage.idle + most as u64, "{usage}");
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
    many_small_ones(file(&dir), 2 << 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_ones_redis() {
    let server = RedisServer::start(&[]);
    large_ones(server.url(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_ones_sqlite_file() {
    let dir = tempfile::tempdir().unwrap();
    large_ones(file(&dir), 10 << 10).await;
}
