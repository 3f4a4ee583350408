//! Posts to whoever listens, and replies.

use queue_core::store::{Interest, Listening, ReplyTo, Topic};
use queue_tests::{Bench, PATIENCE, SECOND, in_time};

fn event(bench: &Bench, key: &str) -> Topic {
    Topic::Event(format!("{}.{key}", bench.queue("e")))
}

fn events(bench: &Bench, start: &str) -> Interest {
    Interest::Events(format!("{}.{start}", bench.queue("e")))
}

async fn heard(listening: &mut Listening) -> String {
    let post = tokio::time::timeout(PATIENCE, listening.next()).await.expect("a post").expect("an open store");
    String::from_utf8(post.to_vec()).unwrap()
}

/// Everybody who listens hears a post, in the same process or in another one, and in order.
async fn everybody_hears_it(bench: &Bench) {
    let other = bench.other_store().await;
    let mut here = bench.store.listen(events(bench, "")).await.unwrap();
    let mut there = other.listen(events(bench, "")).await.unwrap();
    for n in 0..50 {
        let by = if n % 2 == 0 { &bench.store } else { &other };
        by.publish(&event(bench, "task"), format!("post {n}").as_bytes()).await.unwrap();
    }
    for n in 0..50 {
        assert_eq!(heard(&mut here).await, format!("post {n}"));
        assert_eq!(heard(&mut there).await, format!("post {n}"));
    }
}

/// Only what is listened to is heard: events by the beginning of their key, requests apart from events.
async fn only_what_is_listened_to_is_heard(bench: &Bench) {
    let mut workers = bench.store.listen(events(bench, "worker")).await.unwrap();
    let mut control = bench.store.listen(Interest::Control).await.unwrap();
    bench.store.publish(&event(bench, "task"), b"not this").await.unwrap();
    bench.store.publish(&event(bench, "worker.online"), b"this").await.unwrap();
    let request = bench.id("request").to_string();
    bench.store.publish(&Topic::Control, request.as_bytes()).await.unwrap();
    assert_eq!(heard(&mut workers).await, "this");
    // Other tests on the same server may make requests, too.
    while heard(&mut control).await != request {}
}

/// What was published before somebody listened is not heard. (The second listener has a line of its own: one that takes over a
/// line which still stands may hear what is under way on it.)
async fn nothing_is_kept(bench: &Bench) {
    bench.store.publish(&event(bench, "task"), b"before").await.unwrap();
    let mut listening = bench.store.listen(events(bench, "")).await.unwrap();
    bench.store.publish(&event(bench, "task"), b"after").await.unwrap();
    assert_eq!(heard(&mut listening).await, "after");
    drop(listening);
    bench.store.publish(&event(bench, "task"), b"between").await.unwrap();
    let other = bench.other_store().await;
    let mut again = other.listen(events(bench, "")).await.unwrap();
    bench.store.publish(&event(bench, "task"), b"last").await.unwrap();
    assert_eq!(heard(&mut again).await, "last");
}

/// Bytes arrive as they were, also those that are no text, and many of them.
async fn bytes_arrive_as_they_were(bench: &Bench) {
    let mut listening = bench.store.listen(events(bench, "")).await.unwrap();
    let large: Vec<u8> = (0..300_000).map(|n: u32| n.to_le_bytes()[0]).collect();
    bench.store.publish(&event(bench, "x"), b"").await.unwrap();
    bench.store.publish(&event(bench, "x"), &large).await.unwrap();
    assert_eq!(listening.next().await.unwrap().len(), 0);
    assert_eq!(listening.next().await.unwrap(), large);
}

/// A reply reaches the one box it is addressed to, from another process too; what came before it was asked for is kept.
async fn a_reply_reaches_its_box(bench: &Bench) {
    let other = bench.other_store().await;
    let (mut mine, mut yours) = (bench.store.open_box().await.unwrap(), other.open_box().await.unwrap());
    other.reply(mine.address(), b"to me").await.unwrap();
    bench.store.reply(mine.address(), b"again").await.unwrap();
    bench.store.reply(yours.address(), b"to you").await.unwrap();
    assert_eq!(mine.take(PATIENCE).await.unwrap().unwrap(), "to me");
    assert_eq!(mine.take(PATIENCE).await.unwrap().unwrap(), "again");
    assert_eq!(yours.take(PATIENCE).await.unwrap().unwrap(), "to you");
    mine.close().await.unwrap();
    yours.close().await.unwrap();
}

/// An empty box says so when the time is over, and a box may be asked without waiting.
async fn an_empty_box_says_so(bench: &Bench) {
    let mut empty = bench.store.open_box().await.unwrap();
    assert_eq!(empty.take(SECOND / 20).await.unwrap(), None);
    assert_eq!(empty.take(std::time::Duration::ZERO).await.unwrap(), None);
    empty.close().await.unwrap();
}

/// A reply to nobody is no error: a box that was closed, or never was.
async fn a_reply_to_nobody_is_no_error(bench: &Bench) {
    let closed = bench.store.open_box().await.unwrap();
    let address = closed.address().clone();
    closed.close().await.unwrap();
    bench.store.reply(&address, b"too late").await.unwrap();
    bench.store.reply(&ReplyTo::fresh(), b"to nobody").await.unwrap();
}

/// Whoever listens and never takes anything does not hold up the others.
async fn a_deaf_listener_holds_up_nobody(bench: &Bench) {
    let _deaf = bench.store.listen(events(bench, "")).await.unwrap();
    let mut listening = bench.store.listen(events(bench, "last")).await.unwrap();
    for _ in 0..100 {
        bench.store.publish(&event(bench, "flood"), &[b'x'; 1000]).await.unwrap();
    }
    bench.store.publish(&event(bench, "last"), b"end").await.unwrap();
    in_time("the last post", async { assert_eq!(heard(&mut listening).await, "end") }).await;
}

queue_tests::conformance!(
    everybody_hears_it,
    only_what_is_listened_to_is_heard,
    nothing_is_kept,
    bytes_arrive_as_they_were,
    a_reply_reaches_its_box,
    an_empty_box_says_so,
    a_reply_to_nobody_is_no_error,
    a_deaf_listener_holds_up_nobody,
);
