//! What monitors are told of calls.

use queue_core::ClientOptions;
use queue_core::events::Event;
use queue_core::prelude::*;
use queue_core::store::Topic;

use crate::recorder::Bench;

#[task(name = "shop.pay", queue = "money")]
async fn pay(who: String, cents: u64) {
    drop((who, cents));
}

#[tokio::test]
async fn nobody_is_told_unless_it_was_asked_for() {
    let bench = Bench::new();
    bench.client.send(pay.s("Ann", 7)).await.unwrap();
    assert!(bench.store.posts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_call_is_one_event_and_many_are_one_post() {
    let bench = Bench::with_options(ClientOptions { task_sent_events: true, ..ClientOptions::default() });
    bench.client.send(pay.s("Ann", 7).task_id("p1")).await.unwrap();
    bench.client.send_many([pay.s("Bob", 8), pay.s("Cy", 9)]).await.unwrap();
    let posts = bench.store.posts.lock().unwrap().clone();
    let keys: Vec<_> = posts.iter().map(|(topic, _)| topic.clone()).collect();
    assert_eq!(keys, [Topic::Event("task.sent".to_owned()), Topic::Event("task.multi".to_owned())]);
    let event = Event::decode(&posts[0].1).unwrap().remove(0);
    assert_eq!((event.kind.as_str(), event.uuid(), event.text("root_id")), ("task-sent", Some("p1"), Some("p1")));
    assert_eq!((event.text("args"), event.text("kwargs")), (Some("('Ann', 7)"), Some("{}")));
    assert_eq!((event.text("name"), event.text("queue")), (Some("shop.pay"), Some("money")));
    assert!(event.hostname.starts_with(&format!("gen{}@", std::process::id())), "{event:?}");
    assert_eq!(Event::decode(&posts[1].1).unwrap().len(), 2);
}
