//! Chords: the body runs once, with all results in order, or not at all and says why.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use queue_core::canvas::{Part, Signature};
use queue_core::message::Json;
use queue_core::prelude::*;
use queue_core::result::State as JobStatus;
use queue_tests::{Bench, Driver, RedisServer, wait_until};
use serde_json::{Value, json};

use crate::scene::{SOON, Stage, client, start};
use crate::tasks::*;

async fn send(bench: &Bench, sig: impl Into<Signature>) -> Result<Value, JobError> {
    client(bench).send(sig.into()).await.unwrap().get(SOON).await
}

async fn body_gets_all_results_in_order(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let chord = group((0..50).map(|n| add.s(n, 0))).then(Call::named("t.echo").partial());
    assert_eq!(send(bench, chord).await.unwrap(), json!((0..50).collect::<Vec<i64>>()));
    assert_eq!(stage.said().len(), 1);
}

async fn two_workers_share_a_chord(bench: &Bench) {
    let stage = Stage::default();
    let _workers = (start(bench, &stage).await, start(bench, &stage).await);
    for _ in 0..5 {
        let chord = group((0..40).map(|n| add.s(n, 1))).then(sum.partial());
        assert_eq!(send(bench, chord).await.unwrap(), json!(820));
    }
    assert_eq!(stage.count("sum"), 5);
}

async fn failed_part_fails_the_body(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let header = [add.s(1, 1), fail.s("boom"), add.s(2, 2)];
    let chord = group(header).then(sum.partial().link_error(on_error.partial("body"))).then(mul.partial(2));
    let mut sig = Signature::from(chord);
    sig.freeze();
    let last = sig.id().unwrap();
    let Err(JobError::Failed(why)) = send(bench, sig).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.exc_type, "ChordError");
    assert!(why.message.starts_with("Dependency ") && why.message.ends_with("('boom')"), "{}", why.message);
    assert_eq!(
        client(bench).job::<Value>(queue_core::TaskId::new(last).unwrap()).status().await.unwrap(),
        JobStatus::Failure
    );
    assert_eq!(stage.count("sum"), 0);
    let told = queue_tests::wait_for("the errback", || async { stage.said().first().cloned() }).await;
    assert!(told.starts_with("body "), "{told}");
}

async fn ignored_results_count_too(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let header = [add.s(1, 1).ignore_result(true), add.s(2, 2).ignore_result(true)];
    assert_eq!(send(bench, group(header).then(sum.partial())).await.unwrap(), json!(6));
}

async fn revoked_and_expired_parts_fail_the_body(bench: &Bench) {
    let stage = Stage::default();
    let late = add.s(1, 1).expires(Duration::ZERO);
    let chord = group([add.s(2, 2), late]).then(sum.partial());
    let sent = client(bench).send(chord).await.unwrap();
    bench.advance(Duration::from_secs(1));
    let _worker = start(bench, &stage).await;
    let Err(JobError::Failed(why)) = sent.get(SOON).await else { panic!("it cannot have succeeded") };
    assert!(why.message.contains("TaskRevokedError('expired')"), "{}", why.message);
}

async fn retried_part_counts_once(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let header = [flaky.s(1).untyped(), flaky.s(2).untyped(), flaky.s(0).untyped()];
    let chord = Signature::chord(header, Call::named("t.echo").into());
    assert_eq!(send(bench, chord).await.unwrap(), json!([1, 2, 0]));
}

async fn headers_may_hold_chains_groups_and_chords(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let body = || Call::named("t.echo").untyped();
    let chain = add.s(1, 2).then(mul.partial(3)).untyped();
    assert_eq!(send(bench, Signature::chord([chain, add.s(3, 4).untyped()], body())).await.unwrap(), json!([9, 7]));
    let inner = group([add.s(1, 2), add.s(3, 4)]);
    let flat = Signature::chord([inner.clone().untyped(), add.s(5, 6).untyped()], body());
    assert_eq!(send(bench, flat).await.unwrap(), json!([3, 7, 11]));
    let chord = inner.clone().then(sum.partial()).untyped();
    assert_eq!(send(bench, Signature::chord([chord, add.s(5, 6).untyped()], body())).await.unwrap(), json!([10, 11]));
    // A chain that ends in a group is one result: a list.
    let forked = add.s(1, 1).then(group([add.partial(1), add.partial(2)])).untyped();
    assert_eq!(
        send(bench, Signature::chord([forked, add.s(5, 6).untyped()], body())).await.unwrap(),
        json!([[3, 4], 11])
    );
    let deep = add.s(1, 1).then(inner_chord()).untyped();
    assert_eq!(send(bench, Signature::chord([deep, add.s(5, 6).untyped()], body())).await.unwrap(), json!([5, 11]));
}

/// From one number: its double and its successor, added up.
fn inner_chord() -> Flow<i64, i64> {
    group([mul.partial(2), add.partial(-1)]).then(sum.partial())
}

async fn bodies_may_be_chains_groups_and_chords(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let header = || group([add.s(1, 2), add.s(3, 4)]);
    assert_eq!(send(bench, header().then(sum.partial()).then(mul.partial(2))).await.unwrap(), json!(20));
    let bodies = group([sum.partial(), sum.partial()]);
    assert_eq!(send(bench, header().then(bodies.clone())).await.unwrap(), json!([10, 10]));
    assert_eq!(send(bench, header().then(bodies.clone()).then(sum.partial())).await.unwrap(), json!(20));
    let chain_body = Signature::chain([sum.partial().into(), add.partial(1).into()]);
    let chord = Signature::chord([add.s(1, 2).into(), add.s(3, 4).into()], chain_body);
    assert_eq!(send(bench, chord).await.unwrap(), json!(11));
    let chord_body = Signature::from(bodies.then(sum.partial()));
    let chord = Signature::chord([add.s(1, 2).into(), add.s(3, 4).into()], chord_body);
    assert_eq!(send(bench, chord).await.unwrap(), json!(20));
    let before = Signature::chain([
        add.s(1, 1).into(),
        group([add.partial(1), add.partial(2)]).then(sum.partial()).into(),
        mul.partial(10).into(),
    ]);
    assert_eq!(send(bench, before).await.unwrap(), json!(70));
}

/// A group that happens to have one member is a group all the same: what follows gets a list, as its type says.
async fn group_of_one_gives_a_list(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let one = || group([add.s(1, 2)]);
    assert_eq!(send(bench, one().then(sum.partial())).await.unwrap(), json!(3));
    assert_eq!(send(bench, one().then(sum.partial()).then(mul.partial(2))).await.unwrap(), json!(6));
    assert_eq!(send(bench, one().then(group([sum.partial()])).then(sum.partial())).await.unwrap(), json!(3));
    let behind = add.s(1, 1).then(group([add.partial(1)]));
    assert_eq!(send(bench, behind.clone().then(sum.partial())).await.unwrap(), json!(3));
    assert_eq!(send(bench, behind.then(group([sum.partial(), sum.partial()]))).await.unwrap(), json!([3, 3]));
    let linked = fail.s("boom").then(group([add.partial(1)])).link_error(on_error.partial("told"));
    assert!(send(bench, linked.then(sum.partial())).await.is_err());
    queue_tests::wait_for("the errback", || async {
        stage.said().iter().find(|said| said.starts_with("told ")).cloned()
    })
    .await;
}

/// The failure of an inner chord is a failed part of the outer one: nothing hangs.
async fn failure_deep_inside_reaches_the_end(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let inner = Signature::chord([add.s(1, 1).into(), fail.s("deep").into()], sum.partial().into());
    let outer = Signature::chord([inner, add.s(1, 1).into()], Call::named("t.echo").into());
    let Err(JobError::Failed(why)) = send(bench, outer).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.exc_type, "ChordError");
    let chain = Signature::chain([fail.s("early").into(), add.partial(1).into()]);
    let outer = Signature::chord([chain, add.s(1, 1).into()], Call::named("t.echo").into());
    assert!(matches!(send(bench, outer).await, Err(JobError::Failed(_))));
    let lost = Signature::chain([
        fail.s("a").into(),
        Signature::chord([add.partial(1).into()], sum.partial().into()),
        mul.partial(2).into(),
    ]);
    let Err(JobError::Failed(why)) = send(bench, lost).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.message, "a");
}

async fn body_that_fails_is_a_failure(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let chord = Signature::chord([add.s(1, 1).into(), add.s(2, 2).into()], fail.si("body").into());
    let Err(JobError::Failed(why)) = send(bench, chord).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.message, "body");
}

async fn running_part_adds_another(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let chord = group([extend.s(1), extend.s(2), add.s(3, 0)]).then(sum.partial());
    assert_eq!(send(bench, chord).await.unwrap(), json!(2009));
    assert_eq!(stage.count("sum"), 1);
}

async fn large_chord_is_dispatched_once(bench: &Bench) {
    let stage = Stage::default();
    let _workers = (start(bench, &stage).await, start(bench, &stage).await);
    let chord = group((0..1000).map(|n| add.s(n, 0))).then(sum.partial());
    assert_eq!(send(bench, chord).await.unwrap(), json!(499_500));
    assert_eq!(stage.count("sum"), 1);
}

/// A member of the header that ends in an empty group counts with the step before it.
async fn empty_group_at_the_end_of_a_part(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let part = |n: i64| Signature::chain([add.s(n, 0).into(), Signature::group([])]);
    let chord = Signature::chord([part(1), part(2)], Call::named("t.echo").into());
    assert_eq!(send(bench, chord).await.unwrap(), json!([1, 2]));
}

/// A countdown is that of the header: the body does not wait again.
async fn countdown_is_waited_once(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let chord = Signature::chord([add.s(1, 1).into(), add.s(2, 2).into()], sum.partial().into()).set("countdown", 0.2);
    let sent = client(bench).send(chord).await.unwrap();
    assert_eq!(sent.get(SOON).await.unwrap(), json!(6));
    let meta = client(bench).result(sent.id()).await.unwrap().unwrap();
    assert!(meta.parent_id.is_some());
}

/// What is linked to a group stays with its members when the group becomes a header.
async fn errback_of_a_header_gets_the_id_of_its_part(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let failing = fail.s("boom").task_id("failing-part");
    let header = group([add.s(1, 1), failing]).link_error(on_error.partial("part"));
    assert!(send(bench, header.then(sum.partial())).await.is_err());
    stage.heard("part failing-part", 1).await;
    assert_eq!(stage.said().len(), 1, "{:?}", stage.said());
}

/// A worker that stops sends the bodies of the chords that its last tasks completed, where it was lent their dispatches.
async fn stopping_worker_sends_the_body(bench: &Bench) {
    let stage = Stage::default();
    let worker = start(bench, &stage).await;
    let chord = Signature::chord([hold.s().into(), hold.s().into()], Call::named("t.body").into());
    let sent = client(bench).send(chord.clone()).await.unwrap();
    stage.heard("started", 2).await;
    worker.shutdown();
    stage.open();
    worker.wait().await.unwrap();
    // On SQLite, whose queue nobody else reads, the next worker does.
    if bench.driver == queue_tests::Driver::Redis {
        assert_eq!(bench.counts("q").await.ready, 1, "the body waits for a worker that knows it");
        assert_eq!(bench.counts("q").await.suspects, 0);
    }
    let _next = start(bench, &stage).await;
    assert!(matches!(sent.get(SOON).await, Err(JobError::Failed(why)) if why.exc_type == "NotRegistered"));
}

/// Later steps of a revoked one, and the chord they are in, are told.
async fn revoked_step_ends_what_waits_for_it(bench: &Bench) {
    let chain = Signature::chain([add.s(1, 1).expires(Duration::ZERO).into(), add.partial(1).into()]);
    let alone = client(bench).send(chain.clone()).await.unwrap();
    let chord = Signature::chord([chain, add.s(1, 1).into()], sum.partial().into());
    let chord = client(bench).send(chord).await.unwrap();
    bench.advance(Duration::from_secs(1));
    let _worker = start(bench, &Stage::default()).await;
    assert!(matches!(alone.get(SOON).await, Err(JobError::Revoked(why)) if why == "expired"));
    assert!(matches!(chord.get(SOON).await, Err(JobError::Failed(why)) if why.exc_type == "ChordError"));
}

/// A dispatch may come again after its chord was ended by somebody else, and then finds nothing: that is no chord that failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dispatch_of_a_chord_that_was_ended_elsewhere_is_told_as_no_failure() {
    let log = Log::default();
    tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).init();
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let body =
        json!({ "task": "t.sum", "args": [], "kwargs": {}, "options": { "task_id": bench.id("body").as_str() } });
    let (group, member) = ("gone".to_owned(), Bytes::new());
    let part = Part { group, id: bench.id("part"), index: None, member, body: Json::from_value(&body).unwrap() };
    let queue = bench.queue("q");
    let dispatch = part.dispatch("token", "root", queue.as_str(), bench.id("dispatch"));
    let dispatch = std::str::from_utf8(&dispatch).unwrap();
    server.command(&["LPUSH", &format!("{{{queue}}}:suspects"), dispatch]);
    let _worker = start(&bench, &Stage::default()).await;
    wait_until("it is told", || async { log.text().contains("this chord was ended by somebody else") }).await;
    assert!(!log.text().contains("the body of a chord is not sent"), "{}", log.text());
}

/// A dispatch whose workers died, perhaps of what its parts bring, is not read once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dispatch_that_kills_its_workers_is_not_read_again() {
    // Every command is written down.
    let server = RedisServer::start(&["--slowlog-log-slower-than", "0", "--slowlog-max-len", "10000"]);
    let bench = Bench::at(Driver::Redis, &server.url(), |_| ()).await;
    let (stage, queue) = (Stage::default(), bench.queue("q"));
    let body = Signature::from(sum.partial().task_id(bench.id("body").as_str())).to_json();
    let (group, member) = (bench.id("group").to_string(), Bytes::new());
    let part = Part { group: group.clone(), id: bench.id("part"), index: None, member, body };
    let dispatch = part.dispatch("token", "root", queue.as_str(), bench.id("dispatch"));
    let dispatch = std::str::from_utf8(&dispatch).unwrap();
    let hash = ::redis::Script::new(dispatch).get_hash().to_owned();
    server.command(&["SET", &format!("celery-taskset-meta-{group}.s"), "1"]);
    server.command(&["HSET", &format!("{{{queue}}}:deaths"), &hash, "3"]);
    server.command(&["LPUSH", &format!("{{{queue}}}:suspects"), dispatch]);
    let _worker = start(&bench, &stage).await;
    let sent = client(&bench).job::<Value>(bench.id("body"));
    let Err(JobError::Failed(why)) = sent.get(SOON).await else { panic!("it cannot have succeeded") };
    assert!(why.message.contains("the workers that were to send it died"), "{}", why.message);
    let parts = format!("celery-taskset-meta-{group}.j");
    let (asked, read) =
        (server.command(&["SLOWLOG", "GET", "10000"]), format!("ZRANGE\r\n${}\r\n{parts}\r\n", parts.len()));
    assert!(asked.contains(&parts) && !asked.contains(&read), "its parts were read");
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

queue_tests::conformance!(
    empty_group_at_the_end_of_a_part,
    countdown_is_waited_once,
    errback_of_a_header_gets_the_id_of_its_part,
    stopping_worker_sends_the_body,
    revoked_step_ends_what_waits_for_it,
    body_gets_all_results_in_order,
    two_workers_share_a_chord,
    failed_part_fails_the_body,
    ignored_results_count_too,
    revoked_and_expired_parts_fail_the_body,
    retried_part_counts_once,
    headers_may_hold_chains_groups_and_chords,
    bodies_may_be_chains_groups_and_chords,
    group_of_one_gives_a_list,
    failure_deep_inside_reaches_the_end,
    body_that_fails_is_a_failure,
    running_part_adds_another,
    large_chord_is_dispatched_once,
);
