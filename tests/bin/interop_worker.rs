//! The Rust worker of the interop tests: the tasks of `tests/interop/python/tasks.py` under the same names, written against
//! the public interface only.
//!
//! `interop-worker QUEUE CONCURRENCY` consumes that queue of the Redis at `$QUEUE_URL`, and sends there what its tasks send.

use std::io::Error;
use std::process::ExitCode;
use std::sync::Arc;

use queue_core::prelude::*;
use queue_core::store::StoreOptions;
use queue_core::task::ErrorKind;
use queue_core::{ClientOptions, QueueName};
use queue_worker::Worker;
use redis::AsyncCommands;
use serde::Serialize;
use serde_json::Value;

type AnyResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The server that both languages write their journals to.
#[derive(Clone)]
struct Scene(Arc<redis::Client>);

impl Scene {
    async fn connect(&self) -> AnyResult<redis::aio::MultiplexedConnection> {
        // A task that waits at a gate waits longer than a command usually takes.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        Ok(self.0.get_multiplexed_async_connection_with_config(&config).await?)
    }

    async fn note(&self, case: &str, task: &str, value: &Value) -> AnyResult<()> {
        let line = json!([task, value]).to_string();
        Ok(self.connect().await?.rpush::<_, _, ()>(format!("journal:{case}"), line).await?)
    }

    /// Waits until the test opens the gate.
    async fn wait_at(&self, gate: &str) -> AnyResult<()> {
        let opened: Option<(String, String)> = self.connect().await?.blpop(format!("gate:{gate}"), 30.0).await?;
        opened.map(|_| ()).ok_or_else(|| Error::other(format!("gate {gate} was not opened")).into())
    }
}

/// An error that Python has too.
fn python_error(kind: ErrorKind, module: &str, class: &str, message: &str) -> TaskError {
    TaskError { kind, ..TaskError::raised(module, class, message) }
}

fn value_error(kind: ErrorKind, message: &str) -> TaskError {
    python_error(kind, "builtins", "ValueError", message)
}

#[task(name = "tasks.add")]
async fn add(x: i64, y: i64) -> i64 {
    x + y
}

/// Blocking, for once.
#[task(name = "tasks.mul")]
fn mul(x: i64, y: i64) -> i64 {
    x * y
}

#[task(name = "tasks.tsum")]
async fn tsum(numbers: Vec<i64>) -> i64 {
    numbers.iter().sum()
}

#[task(name = "tasks.ident")]
async fn ident(x: Option<Value>) -> Option<Value> {
    x
}

/// Returns its argument; that it ran stands in the journal of the case.
#[task(name = "tasks.note")]
async fn note(x: Value, case: String, scene: State<Scene>) -> AnyResult<Value> {
    scene.note(&case, "note", &x).await?;
    Ok(x)
}

#[task(name = "tasks.fail")]
async fn fail(message: String) -> TaskResult {
    Err(value_error(ErrorKind::Failed, &message))
}

/// How long a retry waits, as in Python.
const RETRY: Duration = Duration::from_millis(100);

/// Returns `x`, after so many retries.
#[task(name = "tasks.flaky", max_retries = 5)]
async fn flaky(x: Value, times: u32, ctx: Context) -> TaskResult<Value> {
    match ctx.retries() < times {
        true => Err(value_error(ErrorKind::Retry(Some(RETRY)), "not yet")),
        false => Ok(x),
    }
}

/// Fails, after two retries.
#[task(name = "tasks.hopeless", max_retries = 2)]
async fn hopeless(x: Option<Value>) -> TaskResult {
    drop(x);
    Err(value_error(ErrorKind::Retry(Some(RETRY)), "never"))
}

#[task(name = "tasks.progress")]
async fn progress(gate: String, scene: State<Scene>, ctx: Context) -> AnyResult<&'static str> {
    ctx.progress("PROGRESS", json!({ "done": 50, "of": 100 })).await?;
    scene.wait_at(&gate).await?;
    Ok("done")
}

#[task(name = "tasks.tracked", track_started = true)]
async fn tracked(gate: String, scene: State<Scene>) -> AnyResult<&'static str> {
    scene.wait_at(&gate).await?;
    Ok("done")
}

#[task(name = "tasks.ignored", ignore_result = true)]
async fn ignored(x: Value, case: String, scene: State<Scene>) -> AnyResult<Value> {
    scene.note(&case, "ignored", &x).await?;
    Ok(x)
}

/// What it knows of its own request.
#[task(name = "tasks.info")]
async fn info(x: Option<Value>, ctx: Context) -> Value {
    let message = ctx.message();
    let stamps: Option<Value> = ctx.header("stamps").ok().flatten();
    let tenant: Option<Value> = ctx.header("tenant").ok().flatten();
    json!({
        "x": x,
        "id": ctx.id().as_str(),
        "root_id": ctx.root_id(),
        "parent_id": ctx.parent_id(),
        "group": message.group,
        "retries": ctx.retries(),
        "tenant": tenant.or_else(|| stamps.and_then(|stamps| stamps.get("tenant").cloned())),
        "at_home": ctx.queue() == ctx.client().default_queue().as_str(),
    })
}

/// Sends another task, and returns its id.
#[task(name = "tasks.spawn")]
async fn spawn(x: i64) -> TaskResult<String> {
    Ok(add.delay(x, 1).await?.id().to_string())
}

#[task(name = "tasks.replace_me")]
async fn replace_me(x: i64, y: i64, ctx: Context) -> TaskResult<i64> {
    Err(ctx.replace(add.s(x, y)))
}

#[task(name = "tasks.replace_chain")]
async fn replace_chain(x: i64, y: i64, ctx: Context) -> TaskResult<i64> {
    Err(ctx.replace(add.s(x, y).then(mul.partial(10))))
}

#[task(name = "tasks.replace_group")]
async fn replace_group(x: i64, ctx: Context) -> TaskResult<Vec<i64>> {
    Err(ctx.replace(group((0..3).map(|i| add.s(x, i)))))
}

#[task(name = "tasks.extend_chord")]
async fn extend_chord(x: i64, ctx: Context) -> i64 {
    ctx.add_to_chord(add.s(x, 100));
    x
}

/// An errback that is published as a task.
#[task(name = "tasks.err_old")]
async fn err_old(task_id: String, case: String, scene: State<Scene>) -> AnyResult<()> {
    scene.note(&case, "err_old", &json!(task_id)).await
}

/// As the former: there is nothing like a bound task in Rust.
#[task(name = "tasks.err_bound")]
async fn err_bound(task_id: String, case: String, scene: State<Scene>) -> AnyResult<()> {
    scene.note(&case, "err_bound", &json!(task_id)).await
}

/// What Rust has of the values that JSON has no form for.
#[derive(Serialize)]
struct Types {
    nan: f64,
    infinity: f64,
    big: u128,
    text: &'static str,
}

#[task(name = "tasks.types")]
async fn types() -> Types {
    Types { nan: f64::NAN, infinity: f64::NEG_INFINITY, big: 1 << 100, text: "\u{17e}lu\u{165} \u{1f375}" }
}

/// What Rust understands of Python's; it is given what the Python task `types` returns.
#[task(name = "tasks.read_types")]
#[expect(clippy::too_many_arguments, reason = "one of each kind")]
async fn read_types(
    when: String,
    day: String,
    price: String,
    uuid: String,
    nan: f64,
    infinity: f64,
    big: u128,
    bytes: Vec<u8>,
    text: String,
) -> Value {
    json!({
        "when": when,
        "day": day,
        "price": price,
        "uuid": uuid,
        "nan": nan.is_nan(),
        "infinity": infinity == f64::NEG_INFINITY,
        "big": big.to_string(),
        "bytes": bytes,
        "text": text,
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error);
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> AnyResult<()> {
    queue_worker::init_logging(queue_worker::LogFormat::Text, &"info".parse()?)?;
    let url = std::env::var("QUEUE_URL")?;
    let [_, queue, concurrency] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: interop-worker QUEUE CONCURRENCY".into());
    };
    let (queue, concurrency) = (QueueName::new(queue)?, concurrency.parse()?);
    let options = ClientOptions { default_queue: queue.clone(), ..ClientOptions::default() };
    let client = Client::connect_with(&url, StoreOptions::default(), options).await?;
    let scene = Scene(Arc::new(redis::Client::open(url)?));
    let worker = Worker::new().queue(queue.as_str()).concurrency(concurrency);
    let worker = worker.hostname(format!("rust-{queue}@test")).state(scene);
    worker.run(client, std::future::pending()).await?;
    Ok(())
}
