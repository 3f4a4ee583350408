//! Python calls, Rust runs, Python reads the result.

use queue_tests::{Program, PythonClient, PythonError};
use serde_json::{Value, json};

use crate::on_celery;
use crate::scene::Scene;

/// A Rust worker and a Python client that sends to it.
fn set(scene: &Scene) -> (Program, PythonClient) {
    let worker = scene.rust_worker("rust");
    let mut client = scene.celery.client();
    client.run("tasks.app.conf.task_default_queue = 'rust'");
    (worker, client)
}

/// What ran and returned.
async fn values(scene: &Scene) {
    let (_worker, mut client) = set(scene);
    let cases = [
        ("add.delay(2, 3).get(timeout=20)", json!(5)),
        ("add.apply_async(kwargs={'x': 2, 'y': 40}).get(timeout=20)", json!(42)),
        ("add.apply_async((2,), {'y': 3}).get(timeout=20)", json!(5)),
        ("mul.delay(4, 5).get(timeout=20)", json!(20)),
        ("tsum.delay([1, 2, 3]).get(timeout=20)", json!(6)),
        ("ident.delay().get(timeout=20)", Value::Null),
        ("ident.delay({'a': [1, 2.5, None, True, 'é']}).get(timeout=20)", json!({"a": [1, 2.5, null, true, "é"]})),
        ("flaky.delay('paid', 2).get(timeout=20)", json!("paid")),
        // Options of one call.
        ("add.apply_async((1, 1), countdown=0.2).get(timeout=20)", json!(2)),
        ("add.apply_async((1, 2), eta=datetime.datetime.now(datetime.timezone.utc)).get(timeout=20)", json!(3)),
        ("add.apply_async((1, 3), expires=60).get(timeout=20)", json!(4)),
        ("add.apply_async((1, 4), priority=9).get(timeout=20)", json!(5)),
        ("add.apply_async((1, 5), task_id='order-42').get(timeout=20)", json!(6)),
        ("AsyncResult('order-42').state", json!("SUCCESS")),
        ("add.apply_async((1, 6), compression='gzip').get(timeout=20)", json!(7)),
        ("add.apply_async((1, 7), compression='bzip2').get(timeout=20)", json!(8)),
        ("info.apply_async(('hi',), headers={'tenant': 'acme'}).get(timeout=20)['tenant']", json!("acme")),
        ("add.apply_async((1, 8), time_limit=30, soft_time_limit=20).get(timeout=20)", json!(9)),
        ("add.apply_async((1, 9), shadow='sum').get(timeout=20)", json!(10)),
        ("celery.current_app.send_task('tasks.add', (1, 10), queue='rust').get(timeout=20)", json!(11)),
        // A plain group is nothing but its members.
        ("group(add.s(i, i) for i in range(5)).apply_async().get(timeout=20)", json!([0, 2, 4, 6, 8])),
        // A result is forgotten like any other.
        ("r = add.delay(1, 1); r.get(timeout=20); r.forget(); AsyncResult(r.id).state", json!("PENDING")),
    ];
    for (call, expected) in cases {
        assert_eq!(client.run(call), expected, "{call}");
    }
}

/// What failed: Python raises something sensible, of the type it knows.
async fn failures(scene: &Scene) {
    let (_worker, mut client) = set(scene);
    let cases = [
        ("fail.delay('boom').get(timeout=20)", "builtins", "ValueError", "boom"),
        ("hopeless.delay().get(timeout=20)", "builtins", "ValueError", "never"),
        ("add.delay('a', 'b').get(timeout=20)", "builtins", "TypeError", "argument"),
        ("add.delay(1).get(timeout=20)", "builtins", "TypeError", "missing"),
        ("signature('tasks.nowhere').delay().get(timeout=20)", "celery.exceptions", "NotRegistered", "tasks.nowhere"),
        ("add.apply_async((1, 1), expires=-5).get(timeout=20)", "celery.exceptions", "TaskRevokedError", "expired"),
    ];
    for (call, module, class, text) in cases {
        let PythonError { exc_type, exc_module, args, traceback } = client.try_run(call).expect_err(call);
        assert_eq!((exc_module.as_str(), exc_type.as_str()), (module, class), "{call}: {traceback}");
        let said = args.iter().any(|arg| arg.as_str().is_some_and(|said| said.contains(text)));
        assert!(said, "{call}: {args:?}");
    }
}

/// A state of the task's own, STARTED, and a result that nobody keeps.
async fn states(scene: &Scene) {
    let (_worker, mut client) = set(scene);
    let seen = client.run("r = progress.delay('p'); until(lambda: r.state == 'PROGRESS'); [r.state, r.info]");
    assert_eq!(seen, json!(["PROGRESS", {"done": 50, "of": 100}]));
    scene.open_gate("p");
    assert_eq!(client.run("[r.get(timeout=20), r.state, r.info]"), json!(["done", "SUCCESS", "done"]));

    let seen = client.run("r = tracked.delay('t'); until(lambda: r.state == 'STARTED'); [r.state, r.info]");
    assert_eq!((&seen[0], &seen[1]["hostname"]), (&json!("STARTED"), &json!("rust-rust@test")));
    scene.open_gate("t");
    assert_eq!(client.run("r.get(timeout=20)"), "done");

    let noted = "r = ignored.delay(7, case='i'); add.delay(1, 1).get(timeout=20)
[until(lambda: journal('i')), r.state, tasks.redis().exists('celery-task-meta-' + r.id)]";
    assert_eq!(client.run(noted), json!([[["ignored", 7]], "PENDING", 0]));
    let ignored = "r = add.apply_async((1, 1), ignore_result=True); add.delay(1, 1).get(timeout=20); r.state";
    assert_eq!(client.run(ignored), "PENDING");

    let children = client.run("r = spawn.delay(4); child = r.get(timeout=20); [c.id == child for c in r.children]");
    assert_eq!(children, json!([true]));
    let seen = client.run("i = info.delay(); i.get(timeout=20)");
    assert_eq!((&seen["id"], &seen["root_id"], &seen["parent_id"]), (&seen["id"], &seen["id"], &Value::Null));
}

/// What JSON has no form for.
async fn special_values(scene: &Scene) {
    let (_worker, mut client) = set(scene);
    let read = client.run("signature('tasks.read_types', kwargs=types()).apply_async().get(timeout=20)");
    let expected = json!({
        "when": "2024-05-17T12:30:15.123456+00:00",
        "day": "2024-05-17",
        "price": "1.50",
        "uuid": "12345678-1234-5678-1234-567812345678",
        "nan": true,
        "infinity": true,
        "big": "1267650600228229401496703205376",
        "bytes": [0, 255],
        "text": "\u{17e}lu\u{165} \u{1f375}",
    });
    assert_eq!(read, expected);
    let same = "t = types.delay().get(timeout=20)
[t['nan'] != t['nan'], t['infinity'] == float('-inf'), t['big'] == 2**100, t['text'] == types()['text']]";
    assert_eq!(client.run(same), json!([true, true, true, true]));
}

/// Whatever a Python program may send, a Rust worker survives it, says what is wrong, and runs what comes after.
async fn odd_calls(scene: &Scene) {
    let (mut worker, mut client) = set(scene);
    let fine = [
        (
            "ident.delay([[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]).get(timeout=20)[0][0][0][0]",
            "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
        ),
        ("len(ident.delay('x' * 1_000_000).get(timeout=20))", "1000000"),
        (
            r"ident.delay('\x00 \x06\x16 \x7f \ud83c\udf75 \u2028').get(timeout=20) == '\x00 \x06\x16 \x7f \ud83c\udf75 \u2028'.encode('utf-16', 'surrogatepass').decode('utf-16')",
            "true",
        ),
        ("ident.apply_async((7,), task_id='order:42/é \"x\"').get(timeout=20)", "7"),
        ("ident.apply_async((8,), expires=datetime.datetime.now() + datetime.timedelta(hours=1)).get(timeout=20)", "8"),
        ("ident.apply_async((9,), expires=10**9).get(timeout=20)", "9"),
        ("ident.apply_async((10,), headers={'x-é': [1, None]}, shadow='\\n').get(timeout=20)", "10"),
        ("ident.apply_async((11,), time_limit=30.5, soft_time_limit=None).get(timeout=20)", "11"),
        ("ident.apply_async((12,), priority=-3).get(timeout=20)", "12"),
        ("ident.apply_async((13,), priority=255).get(timeout=20)", "13"),
        ("ident.apply_async((14,), reply_to='nobody', correlation_id='x').get(timeout=20)", "14"),
        (
            "tasks.app.conf.task_protocol = 1; r = add.delay(7, 8); tasks.app.conf.task_protocol = 2; r.get(timeout=20)",
            "15",
        ),
    ];
    for (call, expected) in fine {
        assert_eq!(client.run(call).to_string(), expected, "{call}");
    }
    let refused = [
        "add.apply_async((1, 1), serializer='pickle').id",
        "add.apply_async((1, 1), compression='lzma').id",
        "tasks.app.send_task('tasks.add', kwargs={'x y': 1}).id",
        "tasks.app.send_task('tasks.add', (1, 2, 3)).id",
        "tasks.redis().lpush('rust', 'not JSON', '[]', '{}', '{\"body\": 7}', b'\\xff\\xfe')",
    ];
    for call in refused {
        client.run(call);
    }
    assert_eq!(client.run("add.delay(20, 22).get(timeout=20)"), 42);
    assert!(worker.is_alive());
}

/// Lower numbers first, whoever sent them.
async fn priorities(scene: &Scene) {
    let mut client = scene.celery.client();
    client.run("tasks.app.conf.task_default_queue = 'rust'");
    // All wait in the queue before the worker comes, which runs one at a time.
    client.run("rs = [note.apply_async((p,), {'case': 'order'}, priority=p) for p in (9, 6, 3, 0)]");
    let _worker = scene.rust_worker_of("rust", 1);
    assert_eq!(client.run("[r.get(timeout=20) for r in rs]"), json!([9, 6, 3, 0]));
    assert_eq!(client.run("[x for _, x in journal('order')]"), json!([0, 3, 6, 9]));
}

on_celery!(values, failures, states, special_values, odd_calls, priorities);
