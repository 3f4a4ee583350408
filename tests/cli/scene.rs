//! A store with jobs in it, and the program run on it.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use queue_core::message::{Draft, Json};
use queue_core::store::{
    Consumer, DeadLetter, DeadReason, Ending, LeaseRequest, Order, Outgoing, Settled, Settlement, Share, Store,
    StoreOptions, StoredResult, WorkerSpec, connect_with,
};
use queue_core::{QueueName, TaskId};
use queue_tests::bin;
use serde_json::Value;
use tempfile::TempDir;

/// A store and the directory that the program runs in.
pub(crate) struct Scene {
    pub(crate) store: Arc<dyn Store>,
    url: Option<String>,
    dir: TempDir,
}

impl Scene {
    /// An empty `queue.db`, which is where the program looks when nobody tells it.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&format!("sqlite:{}", dir.path().join("queue.db").display())).await;
        Self { store, url: None, dir }
    }

    /// The store at `url`.
    pub(crate) async fn at(url: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: open(url).await, url: Some(url.to_owned()), dir }
    }

    /// Two queues with a bit of everything: ready, scheduled, leased by a live worker, dead for two reasons.
    pub(crate) async fn shop() -> Self {
        let scene = Self::new().await;
        scene.fill().await;
        scene
    }

    /// Puts in what [`shop`](Self::shop) says.
    pub(crate) async fn fill(&self) {
        self.dead("mail-dead-1", "mail", "mail.send", r#"[41, "a@example.org"]"#, "SmtpError: connection refused")
            .await;
        self.dead("mail-dead-2", "mail", "mail.send", r#"[42, "b@example.org"]"#, "SmtpError: connection refused")
            .await;
        self.dead("report-dead", "celery", "report.build", "[]", "ValueError: no such day\n  at report.rs:7").await;
        self.send("mail-leased", "mail", "mail.send", "[1]").await;
        let worker = self.worker(&["mail"]).await;
        let _held = self.lease(&worker, "mail").await;
        self.send("mail-1", "mail", "mail.send", r#"[43, "c@example.org"]"#).await;
        self.send("mail-2", "mail", "mail.welcome", r#"["Zoë", {"lang": "el"}]"#).await;
        self.send("report-1", "celery", "report.build", "[]").await;
        self.schedule("report-2", "celery", "report.build", Duration::from_secs(5400)).await;
    }

    /// Enqueues a message that says it was sent two and a half hours ago.
    pub(crate) async fn send(&self, id: &str, queue: &str, task: &str, args: &str) {
        let outgoing = self.outgoing(id, queue, task, args, None).await;
        self.store.enqueue(&[outgoing]).await.unwrap();
    }

    /// Enqueues a message for later.
    pub(crate) async fn schedule(&self, id: &str, queue: &str, task: &str, wait: Duration) {
        // A few seconds more, so that a slow test still shows the same minutes.
        let outgoing = self.outgoing(id, queue, task, "[]", Some(wait + Duration::from_secs(20))).await;
        self.store.enqueue(&[outgoing]).await.unwrap();
    }

    /// A message as [`send`](Self::send) enqueues it.
    pub(crate) async fn outgoing(
        &self,
        id: &str,
        queue: &str,
        task: &str,
        args: &str,
        wait: Option<Duration>,
    ) -> Outgoing {
        let now = self.store.now().await.unwrap();
        // Mail is a little older than the rest, so that nothing hangs on the millisecond.
        let ago = Duration::from_secs(2 * 3600 + 30 * 60 + if queue == "mail" { 10 } else { 5 });
        let ago = i64::try_from(ago.as_millis()).unwrap();
        let due = wait.map(|wait| now.after(wait));
        let id = TaskId::new(id).unwrap();
        let draft = Draft {
            args: Json::new(args).unwrap(),
            eta: due,
            sent_at: Some(queue_core::Timestamp::from_millis(now.as_millis() - ago)),
            retries: 2,
            ..Draft::new(task, id.clone(), queue)
        };
        let queue = QueueName::new(queue).unwrap();
        Outgoing { queue, priority: draft.priority, due, id, task: task.into(), payload: draft.encode() }
    }

    /// A message that a worker has set aside.
    pub(crate) async fn dead(&self, id: &str, queue: &str, task: &str, args: &str, error: &str) {
        self.send(id, queue, task, args).await;
        let letter = DeadLetter {
            id: Some(id.to_owned()),
            task: Some(task.to_owned()),
            reason: DeadReason::Failed,
            error: error.to_owned(),
            retries: 2,
            worker: "worker@host".to_owned(),
        };
        self.bury(queue, letter).await;
    }

    /// Leases the next message of `queue` and sets it aside.
    pub(crate) async fn bury(&self, queue: &str, letter: DeadLetter) {
        let worker = self.worker(&[queue]).await;
        let tag = self.lease(&worker, queue).await;
        let settlement = Settlement { ending: Ending::Dead(Box::new(letter)), ..Settlement::done(tag) };
        assert_eq!(worker.settle(&[settlement]).await.unwrap(), [Settled::Done]);
        worker.close().await.unwrap();
    }

    /// A worker that has just signed on.
    pub(crate) async fn worker(&self, queues: &[&str]) -> Arc<dyn Consumer> {
        let spec = WorkerSpec {
            incarnation: TaskId::random().as_str().replace('-', "").into(),
            hostname: "worker@host".to_owned(),
            pid: 4242,
            concurrency: 8,
            queues: queues.iter().map(|queue| QueueName::new(queue).unwrap()).collect(),
        };
        let worker = self.store.consumer(spec).await.unwrap();
        worker.beat().await.unwrap();
        worker
    }

    /// Leases the next message.
    pub(crate) async fn lease(&self, worker: &Arc<dyn Consumer>, queue: &str) -> queue_core::store::DeliveryTag {
        let request = LeaseRequest {
            queues: vec![Share { queue: QueueName::new(queue).unwrap(), share: 1 }],
            order: Order::Strict,
            limit: NonZeroUsize::MIN,
            suspect: true,
        };
        worker.lease(&request).await.unwrap().remove(0).tag
    }

    /// Stores a result.
    pub(crate) async fn result(&self, id: &str, meta: &str) {
        let stored = StoredResult { id: TaskId::new(id).unwrap(), meta: meta.to_owned().into(), ttl: None };
        self.store.put_results(&[stored]).await.unwrap();
    }

    /// Where the program runs.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `queue` with these arguments, and nobody at a terminal.
    pub(crate) fn queue(&self, args: &[&str]) -> Ran {
        let mut command = program(self.dir());
        if let Some(url) = &self.url {
            command.env("QUEUE_URL", url);
        }
        ran(args, &command.args(args).output().unwrap())
    }

    /// What `queue … --json` printed.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.queue(&[args, &["--json"]].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|why| panic!("{why} in {ran}"))
    }
}

/// Opens a store whose workers stay alive for as long as a slow test may take.
async fn open(url: &str) -> Arc<dyn Store> {
    connect_with(url, StoreOptions { lease: Duration::from_secs(600), ..StoreOptions::default() }).await.unwrap()
}

/// The program, with nothing of our environment.
pub(crate) fn program(dir: &Path) -> Command {
    let mut command = Command::new(bin("queue"));
    command
        .current_dir(dir)
        .env_remove("QUEUE_URL")
        .env_remove("QUEUE_RESULT_URL")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

/// Runs it in a directory where there is nothing.
pub(crate) fn queue_nowhere(args: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    ran(args, &program(dir.path()).args(args).output().unwrap())
}

/// What a run printed and how it ended. Shown, it is what a person sees.
pub(crate) struct Ran {
    args: Vec<String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

fn ran(args: &[&str], output: &Output) -> Ran {
    Ran {
        args: args.iter().map(ToString::to_string).collect(),
        stdout: String::from_utf8(output.stdout.clone()).unwrap(),
        stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        code: output.status.code(),
    }
}

/// What may be compared with a snapshot.
pub(crate) trait Shown {
    /// Whether it is a table with ages of what happened just now.
    fn has_varying_columns(&self) -> bool;
}

impl Shown for String {
    fn has_varying_columns(&self) -> bool {
        false
    }
}

impl Shown for Ran {
    /// Whether it is a table with ages of what happened just now.
    fn has_varying_columns(&self) -> bool {
        !self.args.iter().any(|arg| arg == "--json") && matches!(self.args[0].as_str(), "jobs" | "workers")
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ queue {}", self.args.join(" "))?;
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "--- stderr\n{}", self.stderr)?;
        }
        match self.code {
            Some(code) => write!(f, "--- exit {code}"),
            None => write!(f, "--- killed"),
        }
    }
}

/// Compares with the snapshot of this test, times and fresh ids left out.
#[macro_export]
macro_rules! looks_like {
    ($name:literal, $ran:expr) => {{
        let ran = $ran;
        insta::with_settings!({
            omit_expression => true,
            prepend_module_to_snapshot => false,
            snapshot_path => "snapshots",
            filters => vec![
                // Where a column holds a moment's age its width varies.
                (if $crate::scene::Shown::has_varying_columns(&ran) { r" {2,}" } else { r"\x00" }, "  "),
                (r"\([^()\n]* ago\)", "([so long] ago)"),
                (r"\b\d+(ms|s)\b", "[a moment]"),
                (r#""sent_at":\d+"#, r#""sent_at":[ms]"#),
                (r#"(?m)^( +size +| +"bytes": )\d+( B)?"#, "$1[size]"),
                (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[instant]"),
                (r#"("(?:oldest_)?age_ms": )\d+"#, "$1[ms]"),
                (r"\b[0-9a-f]{32}\b", "[incarnation]"),
                (r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[id]"),
                (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
                (r"--cursor \S+", "--cursor [cursor]"),
                (r#""next": "\S+""#, r#""next": "[cursor]""#),
            ],
        }, { insta::assert_snapshot!($name, ran) })
    }};
}
