//! The bus beside Python: kombu's channels and reply queues, and users who may not listen to all of them.

use std::time::Duration;

use queue_core::Client;
use queue_core::store::{Interest, ReplyTo, StoreError, Topic};
use queue_tests::{Bench, Driver, PATIENCE, RedisServer, SECOND, result, wait_until};

/// Everything is where kombu looks for it, and what kombu has put there is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_and_boxes_are_kombus() {
    let server = RedisServer::start(&[]);
    let bench = Bench::at(Driver::Redis, &format!("redis://{}/3", server.address()), |_| ()).await;
    let mut control = bench.store.listen(Interest::Control).await.unwrap();
    let mut events = bench.store.listen(Interest::Events("worker.".to_owned())).await.unwrap();
    assert_eq!(server.command(&["PUBLISH", "/3.celery.pidbox", "request"]), ":1\r\n");
    assert_eq!(control.next().await.unwrap(), "request");
    assert_eq!(server.command(&["PUBLISH", "/3.celeryev/worker.online", "event"]), ":1\r\n");
    assert_eq!(events.next().await.unwrap(), "event");
    assert_eq!(server.command(&["PUBLISH", "/3.celeryev/task.multi", "other"]), ":0\r\n");
    assert_eq!(bench.store.publish(&Topic::Control, b"ours").await.unwrap(), 1);

    // A box of ours, as kombu's worker replies into it.
    let mut own = bench.store.open_box().await.unwrap();
    let ReplyTo { exchange, routing_key } = own.address().clone();
    let queue = format!("{routing_key}.{exchange}");
    // Keys, unlike channels, are the database's own.
    let ask = |words: &[&str]| server.command_in(3, words);
    assert!(
        ask(&["SMEMBERS", "_kombu.binding.reply.celery.pidbox"])
            .contains(&format!("{routing_key}\u{6}\u{16}\u{6}\u{16}{queue}"))
    );
    assert!(ask(&["ZSCORE", "_kombu.binding_deadlines", "reply.celery.pidbox"]).len() > 10);
    ask(&["LPUSH", &queue, "reply"]);
    assert_eq!(own.take(PATIENCE).await.unwrap().unwrap(), "reply");
    own.close().await.unwrap();
    assert_eq!(ask(&["SCARD", "_kombu.binding.reply.celery.pidbox"]), ":0\r\n");

    // A box of kombu's client, as it binds it.
    let to = ReplyTo { exchange: "reply.celery.pidbox".to_owned(), routing_key: "oid".to_owned() };
    bench.store.reply(&to, b"to nobody").await.unwrap();
    assert_eq!(ask(&["EXISTS", "oid.reply.celery.pidbox"]), ":0\r\n");
    ask(&["SADD", "_kombu.binding.reply.celery.pidbox", "oid\u{6}\u{16}\u{6}\u{16}oid.reply.celery.pidbox"]);
    bench.store.reply(&to, b"to oid").await.unwrap();
    assert!(ask(&["BRPOP", "oid.reply.celery.pidbox", "1"]).contains("to oid"));
}

/// A user who may not listen to requests or events still hears of results.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_channel_costs_the_others_nothing() {
    let server = RedisServer::start(&[]);
    let rules =
        ["on", ">pw", "~*", "+@all", "resetchannels", "&celery-task-meta-*", "&queue:revoked:version", "&{*}:due"];
    server.command(&[&["ACL", "SETUSER", "limited"], &rules[..]].concat());
    let url = format!("redis://limited:pw@{}/0", server.address());
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let (control, events, waited, stored) = tokio::join!(
        bench.store.listen(Interest::Control),
        bench.store.listen(Interest::Events(String::new())),
        async {
            let id = bench.id("m1");
            tokio::time::timeout(PATIENCE, bench.store.wait_result(&id, |_| true, 2 * PATIENCE)).await.unwrap()
        },
        async {
            // After the subscriptions were tried.
            for _ in 0..20 {
                // Whoever asks later, and beside others, is refused too.
                let (one, other) =
                    tokio::join!(bench.store.listen(Interest::Control), bench.store.listen(Interest::Control));
                assert!(one.is_err() && other.is_err());
            }
            bench.store.put_results(&[result(&bench.id("m1"), "SUCCESS", 1)]).await
        }
    );
    assert!(matches!(control, Err(StoreError::Unreachable { .. })), "{control:?}");
    assert!(matches!(events, Err(StoreError::Unreachable { .. })), "{events:?}");
    stored.unwrap();
    assert!(waited.unwrap().is_some());
}

/// A user who may not listen to results, as new ones on a Redis 7: they are looked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_whose_channel_is_refused_are_looked_for() {
    let server = RedisServer::start(&[]);
    server.command(&["ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "resetchannels"]);
    let url = format!("redis://limited:pw@{}/0", server.address());
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let (waited, ()) = tokio::join!(
        async {
            let id = bench.id("m1");
            tokio::time::timeout(PATIENCE, bench.store.wait_result(&id, |_| true, 2 * PATIENCE)).await
        },
        async {
            // After the subscription was tried, and told as refused.
            for _ in 0..20 {
                assert!(bench.store.listen(Interest::Control).await.is_err());
            }
            bench.store.put_results(&[result(&bench.id("m1"), "SUCCESS", 1)]).await.unwrap();
        }
    );
    assert!(waited.expect("it is found").unwrap().is_some());
}

/// Nor does such a user's worker run what was revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_whose_channel_is_refused_are_looked_for() {
    let server = RedisServer::start(&[]);
    server.command(&["ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "resetchannels"]);
    let url = format!("redis://limited:pw@{}/0", server.address());
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    let (worker, id) = (bench.worker("a", &["mail"]).await, bench.id("m1"));
    for _ in 0..20 {
        assert!(bench.store.listen(Interest::Control).await.is_err());
        assert_eq!(worker.revoked(&[&id]).await.unwrap(), [false]);
    }
    bench.store.revoke(std::slice::from_ref(&id), 600 * SECOND).await.unwrap();
    wait_until("it hears of it", || async { worker.revoked(&[&id]).await.unwrap() == [true] }).await;
}

/// Waiting for a reply that does not come is no silence of the server's, however little time that has for an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_does_not_come_is_no_silence() {
    let server = RedisServer::start(&[]);
    let bench = Bench::hasty(Driver::Redis, &server.url(), Duration::from_millis(1500)).await;
    let client = Client::new(bench.store.clone());
    // With a pattern the whole time is waited for. A host that is busy meanwhile may be silent for so long.
    wait_until("nobody answers", || async {
        let asked = client.inspect().matching("nobody").timeout(3 * SECOND).ping().await;
        asked.is_ok_and(|answers| answers.is_empty())
    })
    .await;
}
