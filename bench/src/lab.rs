//! Where a trial takes place: the server, a clean place for each trial, and the programs of its subject.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::Outcome;
use crate::figures::Figures;
use crate::group::Group;
use crate::server::Server;
use crate::subject::contract::{Order, Ran};
use crate::subject::{Kind, Subject};

/// How long a producer may take.
const ENQUEUE_LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Lab {
    pub(crate) server: Server,
    pub(crate) directory: PathBuf,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) figures: Figures,
    pub(crate) quick: bool,
    pub(crate) round: usize,
    /// What is measured just now; a subject may be set up otherwise for one part.
    pub(crate) part: &'static str,
    /// Another build of ours.
    pub(crate) also: Option<Subject>,
    /// Ours with its libc within, or why there is none.
    pub(crate) linked_statically: Result<Vec<String>, String>,
    trials: usize,
}

/// One subject on an emptied store.
pub(crate) struct Trial {
    pub(crate) url: String,
    pub(crate) directory: PathBuf,
    program: Vec<String>,
    subject: Subject,
    part: &'static str,
}

impl Lab {
    pub(crate) fn new(server: Server, directory: &Path, subjects: Vec<Subject>, quick: bool) -> Self {
        let (directory, figures) = (directory.to_owned(), Figures::default());
        let linked_statically = Err("it was not built".to_owned());
        Self {
            server,
            directory,
            subjects,
            figures,
            quick,
            round: 0,
            part: "",
            also: None,
            linked_statically,
            trials: 0,
        }
    }

    /// The subjects that can be run; the order turns with the rounds, so that none is always first.
    pub(crate) fn able(&self) -> Vec<Subject> {
        let mut able: Vec<_> = self.subjects.iter().filter(|subject| subject.program.is_ok()).cloned().collect();
        if self.round % 2 == 1 {
            able.reverse();
        }
        able
    }

    pub(crate) fn ours(&self) -> Option<Subject> {
        self.able().into_iter().find(|subject| subject.kind == Kind::Ours)
    }

    /// Empties the server and makes room for a trial.
    pub(crate) async fn trial(&mut self, subject: &Subject) -> Outcome<Trial> {
        self.server.empty().await?;
        self.trials += 1;
        let directory = self.directory.join(format!("trial{}", self.trials));
        std::fs::create_dir_all(directory.join("notes"))?;
        let url = match subject.variant {
            "sqlite" => format!("sqlite:{}", directory.join("queue.db").display()),
            _ => self.server.url.clone(),
        };
        let program = subject.program.clone()?;
        Ok(Trial { url, directory, program, subject: subject.clone(), part: self.part })
    }
}

impl Trial {
    pub(crate) fn notes(&self) -> PathBuf {
        self.directory.join("notes")
    }

    fn command(&self, what: &str) -> Outcome<Command> {
        let (program, first) = self.program.split_first().ok_or("no program")?;
        let mut command = Command::new(program);
        command.args(first).arg(what).current_dir(&self.directory);
        command.env("BENCH_URL", &self.url).env("BENCH_NOTES", self.notes()).env("BENCH_PART", self.part);
        command.env("BENCH_ADAPTER", self.subject.adapter).env("BENCH_VARIANT", self.subject.variant);
        Ok(command)
    }

    /// Runs the producer to its end; how many seconds it says that it took.
    pub(crate) async fn enqueue(&self, order: &Order) -> Outcome<f64> {
        let mut command = self.command("enqueue")?;
        command.envs(order.env()).kill_on_drop(true);
        let output = tokio::time::timeout(ENQUEUE_LIMIT, command.output())
            .await
            .map_err(|_| format!("enqueueing {} jobs takes longer than {ENQUEUE_LIMIT:?}", order.count))??;
        let said = String::from_utf8_lossy(&output.stdout);
        let seconds =
            said.lines().rev().find_map(|line| line.strip_prefix("enqueued ")?.split(' ').nth(1)?.parse().ok());
        seconds.ok_or_else(|| {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            let last: Vec<_> = error.lines().rev().filter(|line| !line.trim().is_empty()).take(2).collect();
            format!("the producer failed: {}", last.join(" | ")).into()
        })
    }

    /// Starts a worker.
    pub(crate) fn worker(&self, concurrency: usize, results: bool) -> Outcome<Group> {
        self.worker_with(concurrency, results, &[])
    }

    pub(crate) fn worker_with(&self, concurrency: usize, results: bool, env: &[(&str, &str)]) -> Outcome<Group> {
        let mut command = self.command("worker")?;
        if self.subject.kind == Kind::Ours {
            let prefetch = if concurrency > 50 { 2 * concurrency } else { 0 };
            command.args(["--url", &self.url, "-Q", crate::subject::ours::QUEUE, "--log-level", "warn"]);
            command.args(["-c", &concurrency.to_string(), "--prefetch", &prefetch.to_string()]);
            command.args(self.subject.threads.map(|threads| format!("--threads={threads}")));
        }
        command.env("BENCH_CONCURRENCY", concurrency.to_string());
        command.env("BENCH_RESULTS", if results { "1" } else { "0" });
        command.envs(env.iter().copied());
        Group::start(command, &self.directory.join("worker.log"))
    }

    /// Waits until `done` says so; looks every few milliseconds. Fails when a worker ends or nothing happens for long.
    pub(crate) async fn until(
        &self,
        workers: &mut [Group],
        limit: Duration,
        mut done: impl FnMut() -> bool,
    ) -> Outcome<()> {
        let begun = Instant::now();
        while !done() {
            if !workers.iter_mut().all(Group::is_alive) {
                return Err(format!("a worker ended: {}", self.last_words()).into());
            }
            if begun.elapsed() > limit {
                let ran = Ran::read(&self.notes()).count;
                return Err(format!("after {limit:?} {ran} jobs had run: {}", self.last_words()).into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// The end of what the workers printed.
    fn last_words(&self) -> String {
        let said = std::fs::read_to_string(self.directory.join("worker.log")).unwrap_or_default();
        let last: Vec<_> = said.lines().rev().filter(|line| !line.trim().is_empty()).take(2).collect();
        last.into_iter().rev().map(|line| line.chars().take(160).collect::<String>()).collect::<Vec<_>>().join(" | ")
    }
}
