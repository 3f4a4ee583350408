//! Workflows that a Rust program composes, of tasks in the other language: Python workers, Rust workers and mixed fleets all
//! give the same.

use queue_core::canvas::Signature;
use queue_core::prelude::*;
use queue_tests::CeleryVersion;
use serde_json::{Value, json};

use crate::on_celery;
use crate::scene::Scene;

/// Long enough for a Python worker.
const SOON: Duration = Duration::from_secs(30);

fn named(task: &'static str, args: Value) -> Signature {
    Call::named(format!("tasks.{task}")).args(args).untyped()
}

fn add(args: Value) -> Signature {
    named("add", args)
}

fn mul(y: i64) -> Signature {
    named("mul", json!([y]))
}

fn sum() -> Signature {
    named("tsum", json!([]))
}

fn same() -> Signature {
    named("ident", json!([]))
}

fn fail() -> Signature {
    Call::named("tasks.fail").args(json!(["boom"])).immutable().into()
}

fn chain<const N: usize>(steps: [Signature; N]) -> Signature {
    Signature::chain(steps)
}

fn grouped<const N: usize>(members: [Signature; N]) -> Signature {
    Signature::group(members)
}

fn chord<const N: usize>(header: [Signature; N], body: Signature) -> Signature {
    Signature::chord(header, body)
}

/// What to send, and what comes back: a value, or the name of the error.
fn cases() -> Vec<(Signature, Result<Value, &'static str>)> {
    let (one, two) = (|| add(json!([1, 2])), || add(json!([3, 4])));
    let fixed = || Signature::from(Call::named("tasks.ident").args(json!(["fixed"])).immutable());
    let starmap = Call::named("celery.starmap").kwargs(json!({
        "task": { "task": "tasks.add", "args": [], "kwargs": {}, "options": {}, "subtask_type": null, "immutable": false },
        "it": [[1, 2], [3, 4]],
    }));
    let typed = |task: &'static str, args: Value| Call::named(format!("tasks.{task}")).args(args);
    let total = || typed("tsum", json!([])).partial::<Vec<Value>>();
    let totals = || group([total(), total()]);
    let listed = || group([typed("add", json!([1, 2]))]);
    let forked = || typed("add", json!([1, 2])).then(group([typed("mul", json!([10])).partial()]));
    vec![
        // A group of one whose type is that of a list is one.
        (listed().then(total()).into(), Ok(json!(3))),
        (listed().then(totals()).then(total()).into(), Ok(json!(6))),
        (forked().then(total()).into(), Ok(json!(30))),
        (forked().then(totals()).then(total()).into(), Ok(json!(60))),
        (one(), Ok(json!(3))),
        (chain([one(), mul(10), same()]), Ok(json!(30))),
        (chain([one(), fixed()]), Ok(json!("fixed"))),
        (chain([chain([one(), mul(2)]), chain([mul(3), mul(1)])]), Ok(json!(18))),
        (grouped([one(), two()]), Ok(json!([3, 7]))),
        (chain([one(), grouped([mul(10), mul(20)])]), Ok(json!([30, 60]))),
        (chain([grouped([one()]), mul(2)]), Ok(json!(6))),
        (chord([one(), two()], sum()), Ok(json!(10))),
        (chain([grouped([one(), two()]), sum(), mul(10)]), Ok(json!(100))),
        (chain([same_of(5), grouped([mul(1), mul(2)]), sum(), add(json!([1000]))]), Ok(json!(1015))),
        (chord([chain([one(), mul(3)]), two()], sum()), Ok(json!(16))),
        (chord([grouped([one(), two()]), add(json!([5, 6]))], same()), Ok(json!([3, 7, 11]))),
        (chord([chord([one(), two()], sum()), add(json!([5, 6]))], same()), Ok(json!([10, 11]))),
        (chord([chain([one(), grouped([mul(10), mul(20)])]), two()], same()), Ok(json!([[30, 60], 7]))),
        (chord([one(), two()], chain([sum(), mul(2)])), Ok(json!(20))),
        (chord([one(), two()], grouped([same(), sum()])), Ok(json!([[3, 7], 10]))),
        (chord([one(), two()], chord([sum(), sum()], same())), Ok(json!([10, 10]))),
        (chain([chord([one(), two()], grouped([same(), sum()])), same()]), Ok(json!([[3, 7], 10]))),
        (
            chain([one(), chord([mul(10), mul(20)], grouped([same(), sum()])), same(), same()]),
            Ok(json!([[30, 60], 90])),
        ),
        (chord([], sum()), Ok(json!(0))),
        (starmap.untyped(), Ok(json!([3, 7]))),
        (named("replace_me", json!([1, 2])), Ok(json!(3))),
        (chain([one(), named("replace_me", json!([4])), mul(10)]), Ok(json!(70))),
        (chord([named("replace_me", json!([1, 2])), two()], sum()), Ok(json!(10))),
        (named("replace_group", json!([1])), Ok(json!([1, 2, 3]))),
        (chord([named("extend_chord", json!([1])), two()], sum()), Ok(json!(109))),
        (chain([one(), fail(), mul(2)]), Err("ValueError")),
        (chord([one(), fail()], sum()), Err("ChordError")),
        (chain([chord([one(), fail()], sum()), mul(2)]), Err("ChordError")),
        (chord([chain([fail(), mul(2)]), two()], sum()), Err("ChordError")),
        (chord([one(), two()], fail()), Err("ValueError")),
        (chord([one(), named("hopeless", json!([]))], same()), Err("ChordError")),
        (chord([one().set("ignore_result", true), two()], sum()), Ok(json!(10))),
    ]
}

fn same_of(value: i64) -> Signature {
    named("ident", json!([value]))
}

async fn composed_in_rust(scene: &Scene) {
    let python = [scene.celery.worker("py", &[]), scene.celery.worker("mixed", &[])];
    let _rust = [scene.rust_worker("rust"), scene.rust_worker("mixed")];
    python.iter().for_each(|worker| worker.ready());
    for queue in ["py", "rust", "mixed"] {
        let client = scene.rust_client(queue).await;
        let mut sent = Vec::new();
        for (sig, expected) in cases() {
            let shown = sig.to_json().preview(300);
            // Up to 5.3 the error of a chord reaches nobody behind it ("task_id must not be empty").
            let lost =
                shown.contains("celery.chain") && shown.contains("celery.chord") && expected == Err("ChordError");
            if lost && queue != "rust" && scene.celery.version() == CeleryVersion::V5_3 {
                continue;
            }
            sent.push((client.send(sig).await.unwrap(), expected, shown));
        }
        for (handle, expected, shown) in sent {
            let found = match handle.get(SOON).await {
                Ok(value) => Ok(value),
                Err(JobError::Failed(why)) => Err(why.exc_type),
                Err(error) => panic!("on `{queue}`: {shown}: {error}"),
            };
            assert_eq!(found, expected.map_err(str::to_owned), "on `{queue}`: {shown}");
        }
    }
}

/// Groups are saved by one language and found by the other; links are called in either.
async fn groups_and_links(scene: &Scene) {
    let python = scene.celery.worker("py", &[]);
    let _rust = scene.rust_worker("rust");
    python.ready();
    let mut celery = scene.celery.client();
    let client = scene.rust_client("rust").await;
    let sent = client.send(group([1, 2].map(|n| Call::named("tasks.add").args(json!([n, n]))))).await.unwrap();
    sent.save().await.unwrap();
    assert_eq!(sent.get(SOON).await.unwrap(), [json!(2), json!(4)]);
    let restored = celery.run(&format!("GroupResult.restore('{}', app=tasks.app).get(timeout=20)", sent.id()));
    assert_eq!(restored, json!([2, 4]));
    let saved = celery.run("r = group(add.s(1, 2), add.s(3, 4)).apply_async(queue='py'); r.save(); r.id");
    let id = queue_core::TaskId::new(saved.as_str().unwrap()).unwrap();
    let found = client.group::<i64>(&id).await.unwrap().unwrap();
    assert_eq!(found.get(SOON).await.unwrap(), [3, 7]);

    for (queue, case) in [("py", "linked-py"), ("rust", "linked-rust")] {
        let note = Call::named("tasks.note").args(json!([case]));
        let alarm = Call::named("tasks.err_old").kwargs(json!({ "case": case }));
        let add = Call::named("tasks.add").args(json!([20, 22])).queue(queue).link(note.clone().queue("py"));
        client.send(add).await.unwrap().get(SOON).await.unwrap();
        let failing = Call::named("tasks.fail").args(json!(["boom"])).queue(queue).link_error(alarm.queue("rust"));
        let failing = client.send(failing).await.unwrap();
        assert!(failing.get(SOON).await.is_err());
        let told = format!("until(lambda: len(journal('{case}')) >= 2); sorted(journal('{case}'))");
        assert_eq!(celery.run(&told), json!([["err_old", failing.id().as_str()], ["note", 42]]), "{queue}");
    }
}

on_celery!(composed_in_rust, groups_and_links);
