//! What the benchmark and a subject say to each other. A subject is a program with two commands, told the rest by its
//! environment:
//!
//! `enqueue`  sends `BENCH_COUNT` jobs of `BENCH_TASK`, in bulk or (`BENCH_SINGLE=1`) each after the answer to the one
//!            before, and prints `enqueued COUNT SECONDS`, measured by itself after it has connected;
//! `worker`   runs `BENCH_CONCURRENCY` jobs at once until SIGTERM. Each of its processes keeps a file `PID.ran` in
//!            `$BENCH_NOTES` with `COUNT FIRST LAST` (bodies run, Unix us), written beside the work now and then.
//!
//! Both know by `BENCH_PART` what is measured (`drain`, `latency`, …), for those whose best settings for one are not the
//! best for the other.
//!
//! The tasks: `noop(n)` counts itself; `blob(text)` too; `stamp(at)` appends to `$BENCH_NOTES/late` how many us after `at`
//! it began; `ledger(n, file)` works for 5 ms, then appends its number to a file.

use std::path::Path;
use std::time::Duration;

use crate::Outcome;

/// What a queued job of 100 bytes carries.
pub(crate) const TEXT: &str =
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Task {
    #[default]
    Noop,
    Blob,
    Stamp,
    Ledger,
    /// Ours only: becomes a dead letter.
    Fail,
}

impl Task {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Noop, "noop"),
        (Self::Blob, "blob"),
        (Self::Stamp, "stamp"),
        (Self::Ledger, "ledger"),
        (Self::Fail, "fail"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(task, _)| *task == self).map_or("noop", |(_, name)| name)
    }
}

/// What to enqueue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    pub(crate) count: u64,
    pub(crate) task: Task,
    pub(crate) single: bool,
    pub(crate) results: bool,
    pub(crate) gap: Duration,
    pub(crate) delay: Duration,
    pub(crate) file: String,
}

impl Order {
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        let flag = |on: bool| String::from(if on { "1" } else { "0" });
        vec![
            ("BENCH_COUNT", self.count.to_string()),
            ("BENCH_TASK", self.task.name().to_owned()),
            ("BENCH_SINGLE", flag(self.single)),
            ("BENCH_RESULTS", flag(self.results)),
            ("BENCH_GAP_MS", self.gap.as_millis().to_string()),
            ("BENCH_DELAY_MS", self.delay.as_millis().to_string()),
            ("BENCH_FILE", self.file.clone()),
        ]
    }

    pub(crate) fn from_env() -> Outcome<Self> {
        let text = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        let ms = |name: &str| -> Outcome<Duration> { Ok(Duration::from_millis(text(name)?.parse()?)) };
        let task = text("BENCH_TASK")?;
        let task = Task::ALL.iter().find(|(_, name)| *name == task).ok_or("no such task")?.0;
        Ok(Self {
            count: text("BENCH_COUNT")?.parse()?,
            task,
            single: text("BENCH_SINGLE")? == "1",
            results: text("BENCH_RESULTS")? == "1",
            gap: ms("BENCH_GAP_MS")?,
            delay: ms("BENCH_DELAY_MS")?,
            file: text("BENCH_FILE")?,
        })
    }
}

/// What all processes of a worker noted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ran {
    pub(crate) count: u64,
    pub(crate) first_us: u64,
    pub(crate) last_us: u64,
}

impl Ran {
    pub(crate) fn read(directory: &Path) -> Self {
        let mut all = Self::default();
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        for file in files.filter(|file| file.extension().is_some_and(|end| end == "ran")) {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let mut numbers = text.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
            let (Some(count), Some(first), Some(last)) = (numbers.next(), numbers.next(), numbers.next()) else {
                continue;
            };
            all.count += count;
            all.first_us = if all.first_us == 0 { first } else { all.first_us.min(first) };
            all.last_us = all.last_us.max(last);
        }
        all
    }
}

/// The lines of a file that programs append numbers to.
pub(crate) fn numbers<T: std::str::FromStr>(file: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}
