//! What a running body knows, and what it sends.

use std::sync::Arc;
use std::time::Duration;

use queue_core::message::Message;
use queue_core::prelude::*;
use queue_core::task::ContextParts;
use tokio::time::Instant;

use crate::recorder::Bench;

#[task(name = "flow.parent")]
async fn parent(ctx: Context) -> TaskResult {
    child.delay(1).await?;
    ctx.send(child.s(2)).await?;
    child.s(3).task_id("my-own").send().await?;
    ctx.client().send_many([child.s(4), child.s(5)]).await?;
    Ok(())
}

#[task(name = "flow.child")]
async fn child(n: u8) -> u8 {
    n
}

#[task(name = "flow.blocking")]
fn blocking_parent(ctx: Context) -> TaskResult<usize> {
    child.delay(1).wait()?;
    ctx.block_on(child.delay(2))?;
    Ok(ctx.children().len())
}

#[task(name = "flow.fibonacci")]
async fn fibonacci(n: u64) -> Result<u64, SendError> {
    if n > 1 {
        fibonacci.delay(n - 1).await?;
    }
    Ok(fibonacci_of(n))
}

fn fibonacci_of(n: u64) -> u64 {
    if n < 2 { n } else { fibonacci_of(n - 1) + fibonacci_of(n - 2) }
}

/// The ids that a run of `message` sends.
async fn ids_sent<T: Task>(task: T, message: Message) -> Vec<String> {
    let bench = Bench::new();
    bench.run(task, message).await.unwrap();
    bench.sent().iter().map(|sent| sent.id.to_string()).collect()
}

#[tokio::test]
async fn a_rerun_sends_the_same_ids_and_a_retry_others() {
    let message = Bench::new().message(parent.s()).await;
    let first = ids_sent(parent, message.clone()).await;
    let again = ids_sent(parent, message.clone()).await;
    // Whatever sends a message on gives it a fresh tag.
    let retried = ids_sent(parent, Message { delivery_tag: "another".into(), ..message }).await;
    assert_eq!(first.len(), 5);
    assert_eq!(first, again);
    for (at, (id, other)) in first.iter().zip(&retried).enumerate() {
        assert_eq!(id == other, at == 2, "only the id of the caller's own stays: {id} {other}");
    }
    let mut different = first.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 5);
    assert_eq!(first[2], "my-own");
}

#[tokio::test]
async fn what_a_body_sends_is_its_child_in_the_same_workflow() {
    let bench = Bench::new();
    let message = bench.message(parent.s()).await;
    bench.run(parent, Message { root_id: Some("the-root".into()), ..message.clone() }).await.unwrap();
    for sent in &bench.messages()[1..] {
        assert_eq!(sent.parent_id.as_deref(), Some(message.id.as_str()));
        assert_eq!(sent.root_id.as_deref(), Some("the-root"));
    }
    bench.run(parent, message.clone()).await.unwrap();
    let of_the_first = bench.messages().pop().unwrap();
    assert_eq!(of_the_first.root_id.as_deref(), Some(message.id.as_str()));
}

#[tokio::test]
async fn blocking_bodies_send_too() {
    let bench = Bench::new();
    let message = bench.message(blocking_parent.s()).await;
    assert_eq!(bench.run(blocking_parent, message.clone()).await.unwrap(), "2");
    let sent = bench.messages();
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[2].parent_id.as_deref(), Some(message.id.as_str()));
    assert_ne!(sent[1].id, sent[2].id);
}

#[tokio::test]
async fn a_task_calls_itself() {
    let bench = Bench::new();
    let message = bench.message(fibonacci.s(10)).await;
    assert_eq!(bench.run(fibonacci, message).await.unwrap(), "55");
    assert_eq!(bench.messages()[1].args.as_str(), "[9]");
}

#[tokio::test]
async fn a_context_knows_its_run() {
    let bench = Bench::new();
    let call = child.s(1).header("tenant", json!({"id": 7})).header("none", json!(null));
    let message = Message { retries: 2, ..bench.message(call).await };
    let ctx = bench.context(message.clone());
    assert_eq!((ctx.id(), ctx.task(), ctx.queue(), ctx.worker()), (&message.id, "flow.child", "celery", "w1@host"));
    assert_eq!((ctx.retries(), ctx.attempt(), ctx.redelivered()), (2, 3, false));
    assert_eq!((ctx.root_id(), ctx.parent_id()), (message.id.as_str(), None));
    assert_eq!(ctx.header::<serde_json::Value>("tenant").unwrap(), Some(json!({"id": 7})));
    assert_eq!(ctx.header::<u8>("none").unwrap(), None);
    assert_eq!(ctx.header::<u8>("absent").unwrap(), None);
    assert!(ctx.header::<u8>("tenant").is_err());
    assert_eq!(ctx.time_left(), None);
}

#[tokio::test]
async fn progress_goes_to_the_worker() {
    let bench = Bench::new();
    let ctx = bench.context(bench.message(child.s(1)).await);
    assert!(ctx.progress("PROGRESS", json!({"done": 5})).await.unwrap());
    let stored = bench.store.results.lock().unwrap().pop().unwrap();
    assert_eq!(&stored.meta[..], br#"PROGRESS {"done":5}"#);
}

/// The same context with another deadline.
fn ending_at(ctx: &Context, deadline: Instant) -> Context {
    let parts = ctx.parts();
    Context::new(ContextParts {
        message: Arc::clone(&parts.message),
        queue: parts.queue.clone(),
        worker: parts.worker.clone(),
        redelivered: true,
        cancel: parts.cancel.clone(),
        deadline: Some(deadline),
        state: Arc::clone(&parts.state),
        client: parts.client.clone(),
        progress: Arc::clone(&parts.progress),
    })
}

#[tokio::test]
async fn a_context_knows_how_much_time_is_left() {
    let bench = Bench::new();
    let ctx = bench.context(bench.message(child.s(1)).await);
    let now = Instant::now();
    let left = ending_at(&ctx, now + hours(1)).time_left().unwrap();
    assert!(left > Duration::ZERO && left <= hours(1));
    assert_eq!(ending_at(&ctx, now).time_left(), Some(Duration::ZERO));
}

#[tokio::test]
async fn a_context_is_cancelled_by_its_worker() {
    let bench = Bench::new();
    let ctx = bench.context(bench.message(child.s(1)).await);
    assert!(!ctx.is_cancelled());
    ctx.parts().cancel.cancel();
    ctx.cancelled().await;
    assert!(ctx.is_cancelled());
}

#[tokio::test]
async fn what_a_body_spawns_is_not_part_of_its_run_but_calls_made_before_are() {
    let bench = Bench::new();
    let ctx = bench.context(bench.message(child.s(1)).await);
    let made_inside = ctx.clone().enter(async { child.delay(2) }).await;
    tokio::spawn(made_inside).await.unwrap().unwrap();
    assert_eq!(bench.messages()[1].parent_id.as_deref(), Some(ctx.id().as_str()));
    let spawned = ctx.enter(async { tokio::spawn(async { Context::current().is_none() }) }).await;
    assert!(spawned.await.unwrap());
}

#[tokio::test]
async fn a_unit_test_makes_its_own_context() {
    let bench = Bench::new();
    let ctx = Context::for_test(&bench.client, child.name());
    assert_eq!((ctx.task(), ctx.attempt(), ctx.queue()), ("flow.child", 1, "celery"));
    assert!(ctx.progress("HALFWAY", 50).await.unwrap());
    let job: JobHandle<u8> = bench.client.job(ctx.id().clone());
    assert_eq!(job.status().await.unwrap().as_str(), "HALFWAY");
}
