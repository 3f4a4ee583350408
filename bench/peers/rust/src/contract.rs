//! The peers' side of the contract.

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::Outcome;

pub(crate) fn text(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

pub(crate) fn number(name: &str) -> u64 {
    text(name).parse().unwrap_or(0)
}

pub(crate) fn url() -> String {
    text("BENCH_URL")
}

pub(crate) fn concurrency() -> usize {
    usize::try_from(number("BENCH_CONCURRENCY")).unwrap_or(1).max(1)
}

#[allow(clippy::disallowed_methods, reason = "what is measured is the host's time, of several processes")]
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_micros() as u64)
}

/// A job of the benchmark, with its arguments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    #[serde(rename = "t")]
    task: String,
    #[serde(rename = "n")]
    number: u64,
    #[serde(rename = "x", default, skip_serializing_if = "String::is_empty")]
    text: String,
}

impl Job {
    /// Job `n` of the order.
    pub(crate) fn of_order(n: u64) -> Self {
        let task = text("BENCH_TASK");
        let (number, text) = match task.as_str() {
            "stamp" => (now_us() + number("BENCH_DELAY_MS") * 1000, String::new()),
            "blob" => (n, "0123456789".repeat(10)),
            "ledger" => (n, text("BENCH_FILE")),
            _ => (n, String::new()),
        };
        Self { task, number, text }
    }

    pub(crate) async fn run(self) {
        match self.task.as_str() {
            "stamp" => {
                let late = now_us() as i64 - self.number as i64;
                append(&notes().join("late"), &format!("{late}\n"));
            }
            "ledger" => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                append(self.text.as_ref(), &format!("{}\n", self.number));
            }
            _ => ran(),
        }
    }
}

static COUNT: AtomicU64 = AtomicU64::new(0);
static FIRST: AtomicU64 = AtomicU64::new(0);
static LAST: AtomicU64 = AtomicU64::new(0);
static WRITER: Once = Once::new();

fn notes() -> PathBuf {
    PathBuf::from(text("BENCH_NOTES"))
}

/// Counts a body that has run; a thread writes the count down now and then, beside the work.
fn ran() {
    let now = now_us();
    if COUNT.fetch_add(1, Ordering::Relaxed) == 0 {
        FIRST.store(now, Ordering::Relaxed);
        WRITER.call_once(|| drop(std::thread::spawn(keep_writing)));
    }
    LAST.store(now, Ordering::Relaxed);
}

fn keep_writing() {
    let id = std::process::id();
    let (whole, part) = (notes().join(format!("{id}.ran")), notes().join(format!("{id}.part")));
    let mut written = 0;
    loop {
        let count = COUNT.load(Ordering::Acquire);
        let (first, last) = (FIRST.load(Ordering::Relaxed), LAST.load(Ordering::Relaxed));
        if count != written {
            let line = format!("{count} {first} {last}");
            if std::fs::write(&part, line).and_then(|()| std::fs::rename(&part, &whole)).is_ok() {
                written = count;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn append(file: &std::path::Path, line: &str) {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("{}: {error}", file.display());
    }
}

pub(crate) fn is_bulk() -> bool {
    text("BENCH_SINGLE") != "1" && text("BENCH_TASK") != "stamp"
}

pub(crate) fn say(begun: Instant) {
    println!("enqueued {} {}", number("BENCH_COUNT"), begun.elapsed().as_secs_f64());
}

/// Sends the order, one job at a time, or `at_once` at a time where the peer has no call for many.
pub(crate) async fn send_each<F: Future<Output = Outcome<()>>>(at_once: usize, send: impl Fn(Job) -> F) -> Outcome<()> {
    let (count, gap) = (number("BENCH_COUNT"), Duration::from_millis(number("BENCH_GAP_MS")));
    let begun = Instant::now();
    if is_bulk() {
        stream::iter(0..count).map(|n| Ok(send(Job::of_order(n)))).try_buffer_unordered(at_once).try_collect::<()>().await?;
    } else {
        for n in 0..count {
            send(Job::of_order(n)).await?;
            if text("BENCH_TASK") == "stamp" {
                tokio::time::sleep(gap).await;
            }
        }
    }
    say(begun);
    Ok(())
}
