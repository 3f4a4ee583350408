//! Chains, groups, links and what takes a task's place.

use queue_core::canvas::{ResultNode, Signature};
use queue_core::prelude::*;
use queue_core::result::State as JobStatus;
use queue_tests::{Bench, wait_until};
use serde_json::Value;

use crate::scene::{SOON, Stage, client, dead_letter, start};
use crate::tasks::*;

async fn chain_hands_each_result_on(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let job = client(bench).send(add.s(2, 2).then(mul.partial(10)).then(add.partial(1))).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 41);
    let pipe = client(bench).send(add.s(2, 2) | mul.partial(10) | add.si(7, 7) | mul.partial(2)).await.unwrap();
    assert_eq!(pipe.get(SOON).await.unwrap(), 28);
}

async fn partial_chain_is_a_step(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let twice = mul.partial(2).then(add.partial(1));
    let job = client(bench).send(add.s(1, 1).then(twice.clone()).then(twice)).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 11);
}

/// The failure of a step is the result of all later ones, so that who waits for the last one is told at once.
async fn failed_step_fails_the_rest(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let mut chain = Signature::from(fail.s("boom").then(add.partial(1)).then(echo_number()));
    chain.freeze();
    let ids = ids_of(&chain);
    let sent = chain.link_to(on_error.partial("failed")).send_with(&client(bench)).await.unwrap();
    let Err(JobError::Failed(why)) = sent.get(SOON).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.message, "boom");
    for id in &ids[1..] {
        assert_eq!(client(bench).job::<Value>(id.clone()).status().await.unwrap(), JobStatus::Failure);
    }
    stage.heard(&format!("failed {}", ids[0]), 1).await;
    assert_eq!(dead_letter(bench).await.0.dead.unwrap().1.id.unwrap(), ids[0].as_str());
    assert_eq!(stage.said().len(), 1, "nothing but the errback ran: {:?}", stage.said());
}

fn echo_number() -> queue_core::canvas::Partial<i64, i64> {
    mul.partial(1)
}

/// The ids of a chain's steps.
fn ids_of(chain: &Signature) -> Vec<queue_core::TaskId> {
    let json: Value = chain.to_json().parse().unwrap();
    let steps = json["kwargs"]["tasks"].as_array().unwrap().clone();
    steps.iter().map(|step| queue_core::TaskId::new(step["options"]["task_id"].as_str().unwrap()).unwrap()).collect()
}

/// Links an errback, keeping a chain of calls readable.
trait Linked {
    fn link_to(self, errback: impl Into<Signature>) -> Signature;
}

impl Linked for Signature {
    fn link_to(mut self, errback: impl Into<Signature>) -> Signature {
        self.link_error(&errback.into());
        self
    }
}

async fn group_gives_the_list_of_results(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let sent = client(bench).send(group((0..20).map(|n| add.s(n, n)))).await.unwrap();
    assert_eq!(sent.get(SOON).await.unwrap(), (0..20).map(|n| 2 * n).collect::<Vec<i64>>());
    sent.save().await.unwrap();
    let restored = client(bench).group::<i64>(sent.id()).await.unwrap().unwrap();
    assert_eq!(restored.get(SOON).await.unwrap(), sent.get(SOON).await.unwrap());
    restored.forget().await.unwrap();
    assert!(client(bench).group::<i64>(sent.id()).await.unwrap().is_none());
}

async fn chain_may_end_in_a_group(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let sent = client(bench).send(add.s(1, 1).then(group([add.partial(10), mul.partial(10)]))).await.unwrap();
    assert_eq!(sent.get(SOON).await.unwrap(), [12, 20]);
}

async fn links_are_called_with_the_result(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let linked = add.s(2, 3).link(echo.partial()).link(say.si("immutable"));
    let job = client(bench).send(linked).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 5);
    stage.heard("echo 5", 1).await;
    stage.heard("immutable", 1).await;
    let children = job.meta().await.unwrap().unwrap().children.unwrap();
    let children: Vec<ResultNode> = children.elements().unwrap().filter_map(ResultNode::from_json).collect();
    assert_eq!(children.len(), 2);
}

async fn errback_gets_the_id_of_what_failed(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let call = fail.s("boom").link_error(on_error.partial("old")).link_error(say.si("immutable"));
    let job = client(bench).send(call.link(say.si("never"))).await.unwrap();
    assert!(job.get(SOON).await.is_err());
    stage.heard(&format!("old {}", job.id()), 1).await;
    stage.heard("immutable", 1).await;
    assert_eq!(stage.count("never"), 0);
}

async fn replacement_takes_the_place_of_the_task(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let job = client(bench).send(replaced.s(1)).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 101);
    let chain = client(bench).send(add.s(1, 1).then(replaced.partial()).then(mul.partial(2))).await.unwrap();
    assert_eq!(chain.get(SOON).await.unwrap(), 204);
    let in_chord = group([replaced.s(1), replaced.s(2)]).then(sum.partial());
    assert_eq!(client(bench).send(in_chord).await.unwrap().get(SOON).await.unwrap(), 203);
    let linked = client(bench).send(replaced.s(5).link(echo.partial())).await.unwrap();
    assert_eq!(linked.get(SOON).await.unwrap(), 105);
    stage.heard("echo 105", 1).await;
}

async fn group_takes_the_place_of_the_task(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let job = client(bench).send(replaced_by_group.s(1)).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), [2, 3]);
    let chain = client(bench).send(replaced_by_group.s(10).then(sum.partial())).await.unwrap();
    assert_eq!(chain.get(SOON).await.unwrap(), 23);
}

async fn maps_run_within_one_job(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let client = client(bench);
    assert_eq!(client.send(add.starmap([(1, 2), (3, 4)])).await.unwrap().get(SOON).await.unwrap(), [3, 7]);
    assert_eq!(client.send(sum.map([vec![1, 2], vec![]])).await.unwrap().get(SOON).await.unwrap(), [3, 0]);
    assert_eq!(client.send(add_blocking_map()).await.unwrap().get(SOON).await.unwrap(), [3]);
    let chunks = add.chunks((0..5).map(|n| (n, 1)), 2.try_into().unwrap());
    let sent = client.send(chunks).await.unwrap();
    assert_eq!(sent.get(SOON).await.unwrap(), [vec![1, 2], vec![3, 4], vec![5]]);
}

fn add_blocking_map() -> Call<Vec<i64>> {
    fail_free.starmap([(1, 2)])
}

#[task(name = "t.fail_free")]
fn fail_free(x: i64, y: i64) -> i64 {
    x + y
}

/// What the runs within one job send are the children of that job, and what they add to its chord is a part of it.
async fn what_a_map_sends_and_adds_is_its_own(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let client = client(bench);
    let header = [extend.map([1, 2]).into(), add.s(3, 0).into()];
    let sent = client.send(Signature::chord(header, Call::named("t.echo").into())).await.unwrap();
    let got = sent.get(SOON).await.unwrap();
    let mut parts = got.as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    parts.sort();
    assert_eq!(parts, ["1001", "1002", "3", "[1,2]"]);
    let job = client.send(parent.starmap([json!([]), json!([])])).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), [2, 2]);
    let children: Vec<((String, ()), ())> = job.meta().await.unwrap().unwrap().children.unwrap().parse().unwrap();
    assert_eq!(children.len(), 4);
}

/// A retry that one item asks for is one of them all, with what they all were given.
async fn retry_of_one_of_many_changes_none_of_them(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let job = client(bench).send(rename.map(["a"])).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.exc_type, "MaxRetriesExceededError", "{why:?}");
}

/// Asks for a retry with another name.
#[task(name = "t.rename")]
async fn rename(name: String, ctx: Context) -> TaskResult<String> {
    Err(ctx.retry().after(Duration::ZERO).args(json!([])).kwargs(json!({ "name": name + "!" })).into())
}

/// Parent and root are those of the workflow, all the way down.
async fn lineage_is_kept(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let job = client(bench).send(spawn.s().then(echo_text())).await.unwrap();
    let inner = job.get(SOON).await.unwrap();
    let inner = client(bench).job::<i64>(queue_core::TaskId::new(inner.as_str().unwrap()).unwrap());
    assert_eq!(inner.get(SOON).await.unwrap(), 6);
    assert!(inner.meta().await.unwrap().unwrap().parent_id.is_some());
}

fn echo_text() -> queue_core::canvas::Partial<String, Value> {
    Call::named("t.echo").partial()
}

async fn stamps_travel_along(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let chain = add.s(1, 1).then(stamped.partial()).stamp("tenant", "acme");
    assert_eq!(client(bench).send(chain).await.unwrap().get(SOON).await.unwrap(), "acme");
}

#[task(name = "t.stamped")]
async fn stamped(_x: i64, ctx: Context) -> TaskResult<String> {
    let stamps: Option<Value> = ctx.header("stamps")?;
    Ok(stamps.and_then(|stamps| Some(stamps.get("tenant")?.as_str()?.to_owned())).unwrap_or_default())
}

/// What was to be added is not sent where something else that follows cannot be, and is no child then.
async fn what_was_not_sent_is_no_child(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let link = Signature::from(add.partial(1)).set("countdown", "soon");
    let job = client(bench).send(extend.s(1).link(link)).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert_eq!(why.exc_type, "CanvasError");
    assert_eq!(job.meta().await.unwrap().unwrap().children.unwrap().as_str(), "[]");
}

/// A step that cannot be sent fails the task before it, and nothing is left hanging.
async fn broken_step_is_a_failure(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let broken = add.s(1, 1).link(Call::named("t.echo").untyped().set("countdown", "soon"));
    let job = client(bench).send(broken).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert!(why.message.contains("countdown"), "{why:?}");
}

async fn empty_group_is_done_at_once(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let none = client(bench).send(group::<i64, _, _>(Vec::<Call<i64>>::new())).await.unwrap();
    assert_eq!(none.get(SOON).await.unwrap(), Vec::<i64>::new());
    let body = client(bench).send(group::<i64, _, _>(Vec::<Call<i64>>::new()).then(sum.partial())).await.unwrap();
    assert_eq!(body.get(SOON).await.unwrap(), 0);
    assert!(client(bench).send(Signature::chain([])).await.is_err());
}

async fn long_chain_reaches_its_end(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let chain = (0..300).fold(add.s(0, 0).then(add.partial(0)), |chain, _| chain.then(add.partial(1)));
    assert_eq!(client(bench).send(chain).await.unwrap().get(SOON).await.unwrap(), 300);
    wait_until("nothing is left", || async { bench.counts("q").await.leased == 0 }).await;
}

/// A run that was sent on (snoozed, here) is another run: what it sends is not taken for what the earlier one sent.
async fn each_round_sends_anew(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let job = client(bench).send(probes.s()).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 3);
}

/// Asks another task how often it was asked, until that was three times.
#[task(name = "t.probes")]
async fn probes(stage: State<Stage>, ctx: Context) -> TaskResult<usize> {
    let asked = ctx.send(probed.s()).await?.get(SOON).await.map_err(TaskError::fatal)?;
    drop(stage);
    if asked < 3 { Err(TaskError::snooze(Duration::ZERO)) } else { Ok(asked) }
}

#[task(name = "t.probed")]
async fn probed(stage: State<Stage>) -> usize {
    stage.say("probed");
    stage.count("probed")
}

/// Options that Celery takes are no reason to fail a task that has run.
async fn odd_options_are_taken(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let odd = Call::named("t.echo").untyped().set("queue", "").set("priority", "5").set("countdown", -1);
    let job = client(bench).send(add.s(1, 1).link(odd)).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 2);
    stage.heard("echo 2", 1).await;
}

/// Too many groups after each other would be too deep to be read: said when it is sent.
async fn too_deep_is_refused_at_once(bench: &Bench) {
    let pair = || Signature::group([sum.partial().into(), sum.partial().into()]);
    let deep = Signature::chain((0..5000).map(|_| pair()));
    assert!(client(bench).send(deep).await.is_err());
    let fine = Signature::chain((0..20).map(|_| pair()).chain([Call::named("t.echo").untyped()]));
    assert!(client(bench).send(Signature::chain([Call::named("t.ones").untyped(), fine])).await.is_ok());
}

queue_tests::conformance!(
    each_round_sends_anew,
    odd_options_are_taken,
    too_deep_is_refused_at_once,
    chain_hands_each_result_on,
    partial_chain_is_a_step,
    failed_step_fails_the_rest,
    group_gives_the_list_of_results,
    chain_may_end_in_a_group,
    links_are_called_with_the_result,
    errback_gets_the_id_of_what_failed,
    replacement_takes_the_place_of_the_task,
    group_takes_the_place_of_the_task,
    maps_run_within_one_job,
    what_a_map_sends_and_adds_is_its_own,
    retry_of_one_of_many_changes_none_of_them,
    lineage_is_kept,
    stamps_travel_along,
    broken_step_is_a_failure,
    what_was_not_sent_is_no_child,
    empty_group_is_done_at_once,
    long_chain_reaches_its_end,
);
