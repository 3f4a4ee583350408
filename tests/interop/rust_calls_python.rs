//! Rust calls, Python runs, Rust reads the result.

use queue_core::TaskId;
use queue_core::canvas::Signature;
use queue_core::prelude::*;
use queue_core::result::State;
use queue_tests::wait_for;
use serde::Deserialize;
use serde_json::Value;

use crate::on_celery;
use crate::scene::Scene;

const SOON: Duration = seconds(30);

fn call(task: &str, args: Value) -> Call {
    Call::named(format!("tasks.{task}")).args(args)
}

async fn values(scene: &Scene) {
    let mut worker = scene.celery.worker("py", &[]);
    let client = scene.rust_client("py").await;
    let cases = [
        (call("add", json!([2, 3])), json!(5)),
        (call("add", json!([])).kwargs(json!({"x": 2, "y": 40})), json!(42)),
        (call("add", json!([2])).kwargs(json!({"y": 3})), json!(5)),
        (call("mul", json!([4, 5])), json!(20)),
        (call("tsum", json!([[1, 2, 3]])), json!(6)),
        (call("ident", json!([{"a": [1, 2.5, null, true, "é"]}])), json!({"a": [1, 2.5, null, true, "é"]})),
        (call("flaky", json!(["paid", 2])), json!("paid")),
        (call("add", json!([1, 2])).expires(minutes(1)), json!(3)),
        (call("add", json!([1, 3])).priority(9), json!(4)),
        (call("add", json!([1, 4])).task_id("order-42"), json!(5)),
        (call("add", json!([1, 5])).time_limit(seconds(30)).soft_time_limit(seconds(20)), json!(6)),
        (call("add", json!([1, 6])).shadow("sum"), json!(7)),
        (call("add", json!([1, 7])).acks_early(true).max_retries(2).ignore_result(false), json!(8)),
    ];
    for (call, expected) in cases {
        let asked = format!("{call:?}");
        let job = client.send(call).await.unwrap();
        assert_eq!(job.get(SOON).await.unwrap(), expected, "{asked}");
        assert_eq!(job.status().await.unwrap(), State::Success, "{asked}");
    }
    let info = client.send(call("info", json!(["hi"])).header("tenant", "acme")).await.unwrap();
    let seen = info.get(SOON).await.unwrap();
    assert_eq!((&seen["id"], &seen["tenant"]), (&json!(info.id().as_str()), &json!("acme")));
    assert!(info.forget().await.unwrap());
    assert!(worker.is_alive());
}

/// What starts later is held back by whoever takes it: a Python worker, also one that has its queue for itself, or ours.
async fn later(scene: &Scene) {
    let _python = [scene.celery.worker("mixed", &[]), scene.celery.worker("py", &[])];
    let _rust = [scene.rust_worker("mixed"), scene.rust_worker("rust")];
    for queue in ["py", "mixed", "rust"] {
        let client = scene.rust_client(queue).await;
        let soon = call("add", json!([1, 1])).countdown(Duration::from_millis(200));
        let chained = Signature::chain([soon.clone().untyped(), soon.clone().args(json!([1])).untyped()]);
        assert_eq!(client.send(soon).await.unwrap().get(SOON).await.unwrap(), 2, "{queue}");
        assert_eq!(client.send(chained).await.unwrap().get(SOON).await.unwrap(), 3, "{queue}");
    }
}

async fn failures(scene: &Scene) {
    let client = scene.rust_client("py").await;
    // A worker that waits would take it in the very millisecond in which it expires.
    let late = client.send(call("add", json!([1, 1])).expires(Duration::ZERO)).await.unwrap();
    let _worker = scene.celery.worker("py", &[]);
    let cases = [
        (call("fail", json!(["boom"])), "builtins", "ValueError", "boom"),
        (call("hopeless", json!([])), "builtins", "ValueError", "never"),
        (call("fail_app", json!([7, "seven"])), "tasks", "AppError", "7, seven"),
        (call("add", json!([1])), "builtins", "TypeError", "missing 1 required positional argument: 'y'"),
        (call("nowhere", json!([])), "celery.exceptions", "NotRegistered", "tasks.nowhere"),
    ];
    for (call, module, class, text) in cases {
        let asked = format!("{call:?}");
        match client.send(call).await.unwrap().get(SOON).await {
            Err(JobError::Failed(why)) => {
                assert_eq!((why.exc_module.as_str(), why.exc_type.as_str()), (module, class), "{asked}");
                assert!(why.message.contains(text), "{asked}: {why}");
            }
            other => panic!("{asked}: {other:?}"),
        }
    }
    let fail = client.send(call("fail", json!(["boom"]))).await.unwrap();
    assert!(fail.get(SOON).await.is_err());
    let traceback = fail.meta().await.unwrap().unwrap().traceback.unwrap();
    assert!(traceback.starts_with("Traceback") && traceback.contains("raise ValueError(message)"), "{traceback}");

    assert!(matches!(late.get(SOON).await, Err(JobError::Revoked(why)) if why == "expired"));
}

async fn states(scene: &Scene) {
    let _worker = scene.celery.worker("py", &[]);
    let client = scene.rust_client("py").await;
    let state = |id: TaskId, wanted: State| {
        let client = client.clone();
        async move {
            wait_for("the state", || async {
                client.result(&id).await.unwrap().filter(|meta| meta.state == wanted).map(|meta| meta.result)
            })
            .await
        }
    };
    let job = client.send(call("progress", json!(["p"]))).await.unwrap();
    let seen: Value = state(job.id().clone(), State::Custom("PROGRESS".into())).await.parse().unwrap();
    assert_eq!(seen, json!({"done": 50, "of": 100}));
    scene.open_gate("p");
    assert_eq!(job.get(SOON).await.unwrap(), "done");

    let job = client.send(call("tracked", json!(["t"]))).await.unwrap();
    let seen: Value = state(job.id().clone(), State::Started).await.parse().unwrap();
    assert_eq!(seen["hostname"], "python-py@test");
    scene.open_gate("t");
    assert_eq!(job.get(SOON).await.unwrap(), "done");

    let job = client.send(call("add", json!([1, 1])).ignore_result(true)).await.unwrap();
    assert!(matches!(job.get(SOON).await, Err(JobError::Ignored)));

    // What the Python task sends itself stands in its result.
    let job = client.send(call("spawn", json!([4]))).await.unwrap();
    let child = job.get(SOON).await.unwrap();
    let children: Value = job.meta().await.unwrap().unwrap().children.unwrap().parse().unwrap();
    assert_eq!(children[0][0][0], child);
    let child = TaskId::new(child.as_str().unwrap()).unwrap();
    assert_eq!(client.job::<i64>(child).get(SOON).await.unwrap(), 5);
}

/// A value of every kind that JSON has no form for, as Rust types that have one.
#[derive(Debug, Deserialize)]
struct Types {
    when: String,
    day: String,
    price: String,
    uuid: String,
    nan: f64,
    infinity: f64,
    big: u128,
    bytes: Vec<u8>,
    text: String,
}

async fn special_values(scene: &Scene) {
    let _worker = scene.celery.worker("py", &[]);
    let client = scene.rust_client("py").await;
    let sent = client.send(call("types", json!([]))).await.unwrap();
    let types = client.job::<Types>(sent.id().clone()).get(SOON).await.unwrap();
    assert_eq!(types.when, "2024-05-17T12:30:15.123456+00:00");
    assert_eq!(types.day, "2024-05-17");
    assert_eq!(types.price, "1.50");
    assert_eq!(types.uuid, "12345678-1234-5678-1234-567812345678");
    assert!(types.nan.is_nan());
    assert_eq!(types.infinity, f64::NEG_INFINITY);
    assert_eq!(types.big, 1 << 100);
    assert_eq!(types.bytes, [0, 255]);
    assert_eq!(types.text, "\u{17e}lu\u{165} \u{1f375}");

    // And there and back.
    let sent = client.send(Call::named("tasks.ident").args((vec![f64::NAN, f64::INFINITY],))).await.unwrap();
    let floats = client.job::<Vec<f64>>(sent.id().clone()).get(SOON).await.unwrap();
    assert!(floats[0].is_nan() && floats[1] == f64::INFINITY);
    let sent = client.send(Call::named("tasks.ident").args((u128::MAX,))).await.unwrap();
    assert_eq!(client.job::<u128>(sent.id().clone()).get(SOON).await.unwrap(), u128::MAX);
}

/// Whatever a Rust program may say, a Python worker survives it, understands it, and runs what comes after.
async fn odd_calls(scene: &Scene) {
    let mut worker = scene.celery.worker("py", &[]);
    let client = scene.rust_client("py").await;
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let long = "x".repeat(1 << 20);
    let far = hours(24 * 365 * 100_000);
    let cases = [
        (call("ident", json!([deep])), deep.clone()),
        (call("ident", json!([long])), json!(long)),
        (
            call("ident", json!(["\0 \u{6}\u{16} \u{7f} \"\\ \u{2028} \u{1f375}"])),
            json!("\0 \u{6}\u{16} \u{7f} \"\\ \u{2028} \u{1f375}"),
        ),
        (call("ident", json!([i64::MIN])), json!(i64::MIN)),
        (call("ident", json!([u64::MAX])), json!(u64::MAX)),
        (call("ident", json!([{"": {"a b": []}}])), json!({"": {"a b": []}})),
        (call("ident", json!([])), Value::Null),
        (call("ident", json!([7])).task_id("order:42/\u{e9} \"x\""), json!(7)),
        (call("ident", json!([8])).task_id("x".repeat(512)), json!(8)),
        (call("ident", json!([9])).shadow("\u{1f375} \"\n"), json!(9)),
        (
            call("ident", json!([10])).header("tenant", json!({"a": [1, null]})).header("x-\u{e9}", "\u{1f375}"),
            json!(10),
        ),
        (call("ident", json!([11])).expires(far), json!(11)),
        (call("ident", json!([12])).expires(Duration::MAX), json!(12)),
        (call("ident", json!([13])).time_limit(Duration::MAX).soft_time_limit(far), json!(13)),
        (call("ident", json!([14])).time_limit(Duration::from_millis(30_500)), json!(14)),
        (call("ident", json!([15])).max_retries(u32::MAX).acks_early(false), json!(15)),
        (call("ident", json!([16])).priority(-7), json!(16)),
        (call("ident", json!([17])).priority(1000), json!(17)),
    ];
    for (call, expected) in cases {
        let asked = format!("{call:?}");
        let job = client.send(call).await.unwrap();
        match job.get(SOON).await {
            Ok(found) => assert_eq!(found, expected, "{asked}"),
            Err(why) => panic!("{asked}: {why:?}"),
        }
    }
    assert!(worker.is_alive());
}

async fn priorities(scene: &Scene) {
    let client = scene.rust_client("py").await;
    let note = |priority| call("note", json!([priority])).kwargs(json!({"case": "order"})).priority(priority);
    let jobs = client.send_many([9, 6, 3, 0].map(note)).await.unwrap();
    let _worker = scene.celery.worker("py", &[]);
    for job in &jobs {
        job.get(SOON).await.unwrap();
    }
    let mut python = scene.celery.client();
    assert_eq!(python.run("[x for _, x in journal('order')]"), json!([0, 3, 6, 9]));
}

on_celery!(values, later, failures, states, special_values, odd_calls, priorities);
