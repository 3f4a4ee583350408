//! What a call sends.

use std::collections::HashMap;
use std::time::Duration;

use queue_core::prelude::*;
use queue_core::task::Overrides;
use queue_core::{Backoff, ClientOptions, QueueName, Timestamp};

use crate::recorder::Bench;

#[task(name = "shop.mail", queue = "mail", priority = 3, expires = "1h", ignore_result)]
async fn mail(to: String) {
    drop(to);
}

#[task(name = "shop.count")]
async fn count(words: HashMap<(u8, u8), u8>) -> usize {
    words.len()
}

#[task(name = "shop.add")]
async fn add(x: i64, y: i64) -> i64 {
    x + y
}

#[tokio::test]
async fn a_tasks_options_travel_where_python_reads_them() {
    let bench = Bench::new();
    let message = bench.message(mail.s("a@example.org")).await;
    let sent = bench.sent().pop().unwrap();
    assert_eq!(sent.queue.as_str(), "mail");
    assert_eq!((sent.priority.get(), message.priority.get()), (3, 3));
    assert_eq!(message.routing_key, "mail");
    assert_eq!(message.ignore_result, Some(true));
    let sent_at = message.sent_at.unwrap();
    assert_eq!(message.expires, Some(sent_at.after(Duration::from_secs(3600))));
    assert_eq!((sent.due, message.eta), (None, None));
    assert_eq!((message.parent_id, message.root_id), (None, None));
}

#[tokio::test]
async fn a_calls_options_come_before_its_tasks() {
    let bench = Bench::new();
    let call = mail
        .s("a@example.org")
        .queue("slow")
        .priority(9)
        .expires(minutes(1))
        .ignore_result(false)
        .time_limit(seconds(30))
        .soft_time_limit(seconds(20))
        .task_id("order:42/é")
        .shadow("a mail")
        .header("tenant", "north")
        .header("tenant", "south")
        .max_retries(7)
        .acks_early(true)
        .backoff(Backoff { factor: seconds(2), max: minutes(1), jitter: false });
    let message = bench.message(call).await;
    assert_eq!(bench.sent()[0].queue.as_str(), "slow");
    assert_eq!(message.priority.get(), 9);
    assert_eq!(message.expires, Some(message.sent_at.unwrap().after(minutes(1))));
    assert_eq!(message.ignore_result, Some(false));
    assert_eq!((message.time_limit, message.soft_time_limit), (Some(seconds(30)), Some(seconds(20))));
    assert_eq!(message.id.as_str(), "order:42/é");
    assert_eq!(message.shadow.as_deref(), Some("a mail"));
    let overrides = Overrides::of(&message);
    assert_eq!((overrides.max_retries, overrides.acks_early), (Some(7), Some(true)));
    assert_eq!(overrides.backoff, Some(Backoff { factor: seconds(2), max: minutes(1), jitter: false }));
    assert_eq!(bench.context(message).header::<String>("tenant").unwrap().as_deref(), Some("south"));
}

/// A backoff without an end is one.
#[tokio::test]
async fn the_longest_backoff_travels_along() {
    let backoff = Backoff { factor: seconds(7), max: Duration::MAX, jitter: true };
    let message = Bench::new().message(add.s(1, 2).backoff(backoff)).await;
    assert_eq!(Overrides::of(&message).backoff, Some(backoff));
}

#[tokio::test]
async fn a_message_that_says_nothing_of_retries_overrides_nothing() {
    let bench = Bench::new();
    assert_eq!(Overrides::of(&bench.message(add.s(1, 2)).await), Overrides::default());
    let foreign = Call::named("x").header("max_retries_of_ours", "many");
    assert_eq!(Overrides::of(&bench.message(foreign).await), Overrides::default());
}

#[tokio::test]
async fn a_countdown_is_an_eta_by_the_producers_clock() {
    let bench = Bench::new();
    bench.client.store().clock().advance(Duration::from_secs(86_400));
    let message = bench.message(add.s(1, 2).countdown(minutes(5))).await;
    let due = message.sent_at.unwrap().after(minutes(5));
    assert_eq!((message.eta, bench.sent()[0].due), (Some(due), Some(due)));
    let at = Timestamp::from_millis(1_900_000_000_000);
    let message = bench.message(add.s(1, 2).eta(at)).await;
    assert_eq!((message.eta, bench.sent()[1].due), (Some(at), Some(at)));
}

#[tokio::test]
async fn tasks_of_others_are_called_by_name() {
    let bench = Bench::with_options(ClientOptions {
        default_queue: QueueName::new("python").unwrap(),
        ..ClientOptions::default()
    });
    let message = bench.message(Call::named("billing.charge").args(json!([7])).kwargs(json!({"by": "card"}))).await;
    assert_eq!(message.task, "billing.charge");
    assert_eq!((message.args.as_str(), message.kwargs.as_str()), ("[7]", r#"{"by":"card"}"#));
    assert_eq!(message.routing_key, "python");
}

/// What is wrong with `call`, and what to do about it; nothing may have been sent.
async fn refused<Out: 'static>(call: Call<Out>) -> (String, String) {
    let bench = Bench::new();
    let error = bench.client.send(call).await.unwrap_err();
    assert!(bench.sent().is_empty());
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    (format!("{error}{source}"), error.hint())
}

#[tokio::test]
async fn wrong_calls_are_refused_with_a_hint() {
    for (call, says) in [
        (Call::named("x").queue("a\u{6}b"), "control characters"),
        (Call::named("x").queue(""), "must not be empty"),
        (Call::named("x").task_id(""), "1 to 512 bytes"),
        (Call::named("x").args(json!({"a": 1})), "expected an array"),
        (Call::named("x").kwargs(json!([1])), "expected an object"),
        (Call::named("x").header("id", "mine"), "header `id`"),
        (Call::named("x").args(["x".repeat(17 * 1024 * 1024)]), "the limit is 16777216"),
    ] {
        let (text, hint) = refused(call).await;
        assert!(text.contains(says), "{text}");
        assert!(!hint.is_empty(), "{text}");
    }
    let (text, _) = refused(count.s(HashMap::from([((1, 2), 3)]))).await;
    assert!(text.starts_with("task `shop.count`: its arguments cannot be written as JSON: "), "{text}");
}

#[tokio::test]
async fn the_first_fault_of_a_call_is_the_one_reported() {
    let (text, _) = refused(Call::named("x").queue("").task_id("")).await;
    assert!(text.contains("queue name"), "{text}");
}

#[tokio::test]
async fn many_calls_go_out_in_order_and_in_bounded_batches() {
    let bench = Bench::new();
    let handles = bench.client.send_many((0..2_500).map(|n| add.s(n, 0))).await.unwrap();
    let sizes: Vec<usize> = bench.store.batches.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1_000, 1_000, 500]);
    let messages = bench.messages();
    for (n, (handle, message)) in handles.iter().zip(&messages).enumerate() {
        assert_eq!((handle.id(), message.args.as_str()), (&message.id, &*format!("[{n},0]")));
    }
}

#[tokio::test]
async fn large_calls_make_smaller_batches() {
    let bench = Bench::new();
    let big = "x".repeat(1_500_000);
    let sizes = [big.clone(), big.clone(), big.clone(), "x".repeat(6_000_000), big];
    bench.client.send_many(sizes.map(|text| mail.s(text))).await.unwrap();
    let batches: Vec<usize> = bench.store.batches.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(batches, [2, 1, 1, 1]);
}

#[tokio::test]
async fn one_wrong_call_of_many_sends_none() {
    let bench = Bench::new();
    let calls = (0..1_500).map(|n| if n == 1_400 { add.s(n, 0).queue("") } else { add.s(n, 0) });
    assert!(matches!(bench.client.send_many(calls).await, Err(SendError::Name { .. })));
    assert!(bench.sent().is_empty());
}

#[tokio::test]
async fn a_store_that_refuses_on_the_way_says_how_many_were_sent() {
    let bench = Bench::new();
    *bench.store.refuse_from.lock().unwrap() = Some(2);
    let outcome = bench.client.send_many((0..2_500).map(|n| add.s(n, 0))).await;
    assert!(matches!(outcome, Err(SendError::Partly { sent: 2_000, .. })));
    assert!(matches!(bench.client.send(add.s(1, 2)).await, Err(SendError::Store(_))));
    assert!(bench.client.send_many(std::iter::empty::<Call>()).await.unwrap().is_empty());
}
