//! How jobs end: with a value, after retries, as dead letters.

use queue_core::prelude::*;
use queue_core::result::State as JobStatus;
use queue_core::store::DeadReason;
use queue_tests::{Bench, wait_until};

use crate::scene::{SOON, Stage, client, dead_letter, settled, start};
use crate::tasks::*;

async fn value_is_stored_and_the_message_is_gone(bench: &Bench) {
    let worker = start(bench, &Stage::default()).await;
    let job = client(bench).send(add.s(2, 3)).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 5);
    settled(bench).await;
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().succeeded, 1);
}

async fn plain_function_runs_on_a_thread_of_its_own(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let job = client(bench).send(add_blocking.s(2, 3)).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 5);
}

async fn many_jobs_all_run_once(bench: &Bench) {
    let stage = Stage::default();
    let client = client(bench);
    let jobs = client.send_many((0..500).map(|n| add.s(n, 1))).await.unwrap();
    let worker = start(bench, &stage).await;
    for (n, job) in jobs.iter().enumerate() {
        assert_eq!(job.get(SOON).await.unwrap(), n as i64 + 1);
    }
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().succeeded, 500);
}

async fn failing_task_is_retried_until_it_succeeds(bench: &Bench) {
    let stage = Stage::default();
    let worker = start(bench, &stage).await;
    let job = client(bench).send(flaky.s(2)).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 2);
    assert_eq!(stage.count("flaky"), 3);
    settled(bench).await;
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().retried, 2);
}

async fn used_up_retries_end_in_the_dead_letters(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let job = client(bench).send(flaky.s(99)).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert_eq!((why.exc_type.as_str(), why.message.as_str()), ("Paper", "the printer is out of paper"));
    assert_eq!(stage.count("flaky"), 4);
    let (dead, reason, error) = dead_letter(bench).await;
    assert_eq!((reason, error.as_str()), (DeadReason::Failed, "Paper: the printer is out of paper"));
    assert_eq!(dead.dead.unwrap().1.retries, 3);
}

async fn call_may_have_more_retries_than_its_task(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let job = client(bench).send(flaky.s(5).max_retries(5)).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 5);
}

async fn fatal_error_is_not_retried(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let job = client(bench).send(fatal.s()).await.unwrap();
    assert!(matches!(job.get(SOON).await, Err(JobError::Failed(_))));
    assert_eq!(dead_letter(bench).await.1, DeadReason::Failed);
    assert_eq!(stage.count("fatal"), 1);
}

async fn rejected_message_is_set_aside(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    client(bench).send(reject.s()).await.unwrap();
    let (_, reason, error) = dead_letter(bench).await;
    assert_eq!((reason, error.as_str()), (DeadReason::Rejected, "Reject: not for us"));
}

async fn panic_is_a_failure_with_its_message_and_place_and_the_worker_goes_on(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let client = client(bench);
    for (call, message) in [(panic.s(), "index out of bounds"), (panic_blocking.s(), "blocked out")] {
        let job = client.send(call).await.unwrap();
        let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
        assert_eq!(why.exc_type, "Panic");
        assert!(why.message.contains("tasks.rs:") && why.message.contains(message), "{}", why.message);
        assert!(why.traceback.is_some());
    }
    assert_eq!(client.send(add.s(1, 1)).await.unwrap().get(SOON).await.unwrap(), 2);
}

async fn arguments_that_do_not_fit_fail_the_job_and_say_which(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let client = client(bench);
    let job = client.send(Call::named("t.add").args(json!([1, "two"]))).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert!(why.message.contains('y') && why.message.contains("two"), "{}", why.message);
    assert_eq!(dead_letter(bench).await.1, DeadReason::BadArguments);
    assert_eq!(client.send(add.s(1, 1)).await.unwrap().get(SOON).await.unwrap(), 2);
}

async fn snooze_spends_no_retry(bench: &Bench) {
    let stage = Stage::default();
    let worker = start(bench, &stage).await;
    let job = client(bench).send(snooze.s()).await.unwrap();
    assert_eq!(job.get(SOON).await.unwrap(), 0);
    worker.shutdown();
    assert_eq!(worker.wait().await.unwrap().snoozed, 2);
}

async fn what_a_task_sends_are_its_children(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let job = client(bench).send(parent.s()).await.unwrap();
    job.get(SOON).await.unwrap();
    stage.heard("child", 2).await;
    let children: Vec<((String, ()), ())> = job.meta().await.unwrap().unwrap().children.unwrap().parse().unwrap();
    assert_eq!(children.len(), 2);
}

/// What it did not send, since somebody had sent it before, is not called by the id that it would have had.
async fn children_are_what_stands_for_the_calls(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let client = client(bench);
    let keys = ["stood", "new"].map(|key| bench.id(key).to_string());
    let stood = client.send(say.s("first").idempotency_key(&keys[0])).await.unwrap();
    let job = client.send(keyed.s(keys.to_vec())).await.unwrap();
    let ids = job.get(SOON).await.unwrap();
    assert_eq!(ids[0], stood.id().as_str());
    assert_eq!(ids[..2], ids[2..4], "all together they are who they were alone");
    let children: Vec<((String, ()), ())> = job.meta().await.unwrap().unwrap().children.unwrap().parse().unwrap();
    let (last, children) = children.split_last().unwrap();
    let names: Vec<&str> = children.iter().map(|((id, ()), ())| id.as_str()).collect();
    assert_eq!(names, ids);
    // The one that was sent beside another task's key.
    let last = client.job::<Value>(queue_core::TaskId::new(last.0.0.as_str()).unwrap());
    last.get(SOON).await.unwrap();
}

async fn task_that_ignores_its_result_stores_none_unless_the_call_wants_it(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let client = client(bench);
    let job = client.send(quiet.s()).await.unwrap();
    stage.heard("quiet", 1).await;
    settled(bench).await;
    assert_eq!(job.status().await.unwrap(), JobStatus::Pending);
    let wanted = client.send(quiet.s().ignore_result(false)).await.unwrap();
    assert_eq!(wanted.get(SOON).await.unwrap(), 1);
}

async fn states_on_the_way_are_seen(bench: &Bench) {
    let stage = Stage::default();
    let worker = start(bench, &stage).await;
    let job = client(bench).send(progress.s()).await.unwrap();
    stage.heard("started", 1).await;
    assert_eq!(job.status().await.unwrap(), JobStatus::Started);
    stage.open();
    stage.heard("progressed", 1).await;
    let meta = job.meta().await.unwrap().unwrap();
    assert_eq!(meta.state, JobStatus::Custom("PROGRESS".into()));
    assert_eq!(meta.result.parse::<Value>().unwrap(), json!({ "done": 50 }));
    worker.abort();
    worker.wait().await.unwrap();
}

async fn countdown_is_waited_for_in_the_store(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let job = client(bench).send(add.s(1, 2).countdown(hours(1))).await.unwrap();
    wait_until("scheduled", || async { bench.counts("q").await.scheduled == 1 }).await;
    assert_eq!(bench.counts("q").await.leased, 0);
    bench.advance(minutes(61));
    assert_eq!(job.get(SOON).await.unwrap(), 3);
}

type Value = serde_json::Value;

/// A task that asks for a retry says with which arguments, and how often it may.
async fn retry_brings_other_arguments(bench: &Bench) {
    let _worker = start(bench, &Stage::default()).await;
    let client = client(bench);
    assert_eq!(client.send(count_down.s(4)).await.unwrap().get(SOON).await.unwrap(), 4);
    let Err(JobError::Failed(why)) = client.send(count_down.s(9)).await.unwrap().get(SOON).await else {
        panic!("it cannot have succeeded")
    };
    assert_eq!(why.exc_type, "MaxRetriesExceededError");
}

/// What cannot be written is a mistake in the program, whatever else the retry says: it is not tried again with what it had.
async fn retry_with_arguments_that_are_none_is_a_failure(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let job = client(bench).send(miswrite.s()).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert!(why.message.contains("the arguments of a retry cannot be written: expected an array, got 7"), "{why:?}");
    assert_eq!(stage.count("miswrite"), 1);
}

/// A worker that is asked to says with each result what was called.
async fn extended_results_say_what_was_called(bench: &Bench) {
    let worker = crate::scene::worker(bench, &Stage::default()).result_extended(true);
    let _worker = worker.start(client(bench)).await.unwrap();
    let job = client(bench).send(add.s(2, 3).stamp("tenant", "acme")).await.unwrap();
    job.get(SOON).await.unwrap();
    let extra = job.meta().await.unwrap().unwrap().extra;
    let names: Vec<&str> = extra.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["name", "args", "kwargs", "worker", "retries", "queue", "stamped_headers", "tenant"]);
    assert_eq!((extra[0].1.as_str(), extra[1].1.as_str()), (r#""t.add""#, "[2,3]"));
}

queue_tests::conformance!(
    retry_brings_other_arguments,
    retry_with_arguments_that_are_none_is_a_failure,
    extended_results_say_what_was_called,
    value_is_stored_and_the_message_is_gone,
    plain_function_runs_on_a_thread_of_its_own,
    many_jobs_all_run_once,
    failing_task_is_retried_until_it_succeeds,
    used_up_retries_end_in_the_dead_letters,
    call_may_have_more_retries_than_its_task,
    fatal_error_is_not_retried,
    rejected_message_is_set_aside,
    panic_is_a_failure_with_its_message_and_place_and_the_worker_goes_on,
    arguments_that_do_not_fit_fail_the_job_and_say_which,
    snooze_spends_no_retry,
    what_a_task_sends_are_its_children,
    children_are_what_stands_for_the_calls,
    task_that_ignores_its_result_stores_none_unless_the_call_wants_it,
    states_on_the_way_are_seen,
    countdown_is_waited_for_in_the_store,
);

/// A retry that no worker could read ends here, and whoever waits is told; that errbacks are sent makes it no retry.
async fn retry_too_large_is_a_failure(bench: &Bench) {
    let stage = Stage::default();
    let _worker = start(bench, &stage).await;
    let call = regrow.s("x").link_error(on_error.partial("late"));
    let job = client(bench).send(call).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert_eq!(job.status().await.unwrap(), JobStatus::Failure);
    assert!(why.message.contains("body has more than 67108864 bytes"), "{why:?}");
    assert_eq!(dead_letter(bench).await.1, DeadReason::Undecodable);
    wait_until("the errback has run", || async { stage.said().len() == 1 }).await;
}

queue_tests::on_driver!(memory, SqliteMemory: retry_too_large_is_a_failure);
