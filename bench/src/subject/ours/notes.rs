//! What a worker notes of the bodies it ran: how many, the first and the last, in a file of its own that the benchmark
//! reads. A counter and a clock a job, nothing more.

use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

static COUNT: AtomicU64 = AtomicU64::new(0);
static FIRST: AtomicU64 = AtomicU64::new(0);
static LAST: AtomicU64 = AtomicU64::new(0);
static WRITER: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Unix time in microseconds.
#[expect(clippy::disallowed_methods, reason = "what is measured is the host's time, of several processes")]
pub(super) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| u64::try_from(passed.as_micros()).unwrap_or(0))
}

fn directory() -> Option<&'static PathBuf> {
    WRITER
        .get_or_init(|| {
            let directory = PathBuf::from(std::env::var_os("BENCH_NOTES")?);
            let file = directory.clone();
            std::thread::spawn(move || keep_writing(&file));
            Some(directory)
        })
        .as_ref()
}

/// Counts a body that has run.
pub(super) fn ran() {
    let now = now_us();
    if COUNT.fetch_add(1, Ordering::Relaxed) == 0 {
        FIRST.store(now, Ordering::Relaxed);
        directory();
    }
    LAST.store(now, Ordering::Relaxed);
}

/// Notes by how many microseconds a body began after its time.
pub(super) fn late(us: i64) {
    if let Some(directory) = directory() {
        append(&directory.join("late"), &format!("{us}\n"));
    }
}

/// One write of one short line is whole, whoever else appends.
pub(super) fn append(file: &std::path::Path, line: &str) {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("{}: {error}", file.display());
    }
}

fn keep_writing(directory: &std::path::Path) {
    let id = std::process::id();
    let (whole, part) = (directory.join(format!("{id}.ran")), directory.join(format!("{id}.part")));
    let mut written = 0;
    loop {
        let count = COUNT.load(Ordering::Acquire);
        let (first, last) = (FIRST.load(Ordering::Relaxed), LAST.load(Ordering::Relaxed));
        if count != written && first != 0 {
            let text = format!("{count} {first} {last}");
            if std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, &whole)).is_ok() {
                written = count;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
