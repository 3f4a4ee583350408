//! The names and places that Celery can be told to use, and ours with them.

use std::collections::BTreeSet;

use queue_core::store::{
    ConnectError, ConnectError::Store, Delivery, Outgoing, Settled, Settlement, StoreError, StoreOptions, connect_with,
};
use queue_core::{Priority, QueueName, TaskId};
use queue_tests::{
    Bench, Chord, Driver, Proxy, RedisServer, done, label, message, result, wait_until, with_chord, with_follow,
    with_result,
};
use serde_json::Value;

/// What a producer with these settings left in Redis: the keys of lists, and of the backend.
fn capture(name: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let path = format!("{}/fixtures/celery/messages.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    // Python's JSON has more numbers than JSON.
    let text = text.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null");
    let file: Value = serde_json::from_str(&text).unwrap();
    let case = file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap().clone();
    let keys = |database: &str| {
        let keys = case["redis_after"][database].as_object().unwrap().keys().cloned();
        keys.filter(|key| !key.contains("_kombu")).collect::<BTreeSet<_>>()
    };
    (keys("db0"), keys("db1"))
}

async fn keys(server: &RedisServer, database: u8, pattern: &str) -> BTreeSet<String> {
    let url = format!("{}/{database}", server.url().trim_end_matches("/0"));
    let mut connection = ::redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    ::redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap()
}

async fn enqueue_at(bench: &Bench, priorities: &[i64]) {
    for priority in priorities {
        let id = TaskId::new(format!("p.{priority}")).unwrap();
        let message = message(&QueueName::celery(), &id);
        bench.store.enqueue(&[Outgoing { priority: Priority::new(*priority), ..message }]).await.unwrap();
    }
}

/// With the prefixes of a Celery application our keys are its keys; and all of ours carry them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_are_celerys() {
    let (server, (lists, results)) = (RedisServer::start(&[]), capture("global_keyprefix"));
    let url = format!("{}?prefix=pfx:", server.url());
    let at = format!("{}/1?prefix=rpfx", server.url().trim_end_matches("/0"));
    let bench = Bench::at(Driver::Redis, &url, |options| options.results = Some(at)).await;
    enqueue_at(&bench, &[0, 3]).await;
    assert_eq!(keys(&server, 0, "*celery*").await, lists);

    let group = results.first().unwrap().strip_prefix("rpfx_celery-taskset-meta-").unwrap();
    let saved = result(&TaskId::new(group).unwrap(), "SUCCESS", 1);
    bench.store.put_group(&saved).await.unwrap();
    assert_eq!(keys(&server, 1, "*").await, results);

    let (worker, waits) = (bench.worker("a", &["mail"]).await, bench.id("m1"));
    let chord = Chord::new(&bench, "chord");
    bench.enqueue_in(60 * queue_tests::SECOND, "mail", "later").await;
    bench.enqueue("mail", &["m1"]).await;
    bench.store.revoke(std::slice::from_ref(&waits), 60 * queue_tests::SECOND).await.unwrap();
    let delivery = worker.take_one().await;
    assert!(keys(&server, 0, "*:held:*").await.iter().all(|key| key.starts_with("{pfx:")));
    let settlement = with_result(done(&delivery), result(&waits, "SUCCESS", 1));
    assert_eq!(worker.settle_one(with_chord(settlement, chord.part("m1", Some(0), "m1"))).await, Settled::Done);
    let ours = keys(&server, 0, "*").await;
    assert!(ours.iter().all(|key| key.starts_with("pfx:") || key.starts_with("{pfx:")), "{ours:?}");
    assert!(ours.len() > 6, "{ours:?}");
    let theirs = keys(&server, 1, "*").await;
    assert!(theirs.iter().all(|key| key.starts_with("rpfx_celery-task")), "{theirs:?}");
    assert_eq!(theirs.len(), 4, "{theirs:?}");
}

/// With the steps and the separator of a Celery application our lists are its lists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_and_separator_are_celerys() {
    let (server, (lists, _)) = (RedisServer::start(&[]), capture("custom_priority_steps_and_sep"));
    let url = format!("{}?sep=%3A&steps=0,1,2,3,4,5,6,7,8,9", server.url());
    let bench = Bench::at(Driver::Redis, &url, |_| ()).await;
    enqueue_at(&bench, &[0, 7]).await;
    assert_eq!(keys(&server, 0, "celery*").await, lists);

    let few = format!("{}?steps=0,5", server.url());
    let bench = Bench::at(Driver::Redis, &few, |_| ()).await;
    for (priority, step) in [(4, 0), (5, 5), (9, 5)] {
        let label = format!("m{priority}");
        let message = Outgoing { priority: Priority::new(priority), ..bench.message("mail", &label) };
        bench.store.enqueue(&[message]).await.unwrap();
        assert_eq!(bench.counts("mail").await.by_step, [(step, 1)], "{priority}");
        let worker = bench.worker("a", &["mail"]).await;
        assert_eq!(worker.take_one().await.step, step);
        worker.close().await.unwrap();
        bench.store.purge(&bench.queue("mail"), queue_core::store::JobState::Ready).await.unwrap();
    }
}

/// A queue whose name could be another's list is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_separator_in_a_name_is_refused() {
    let bench = Bench::open(Driver::RedisNamed).await;
    let message = bench.message("mail:3", "m1");
    let error = bench.store.enqueue(&[message]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Foreign { why, .. } if why.contains("mail:3")), "{error:?}");
}

/// What cannot be is said before anything is opened.
#[tokio::test]
async fn wrong_settings_are_refused() {
    let refused = async |url: &str, results: Option<&str>| {
        let options = StoreOptions::with_results(results.map(str::to_owned));
        connect_with(url, options).await.map(drop).unwrap_err()
    };
    for url in ["redis://localhost?prefx=a", "redis://localhost?steps=1,2", "redis://localhost?sep="] {
        assert!(matches!(refused(url, None).await, ConnectError::Url(_)), "{url}");
    }
    let redis = queue_tests::redis_url();
    for (url, results) in
        [("sqlite::memory:", &*redis), (&*redis, "sqlite:results.db"), (&*redis, "redis://localhost/1?steps=0,1")]
    {
        let error = refused(url, Some(results)).await;
        assert!(matches!(error, Store(StoreError::Foreign { .. })), "{url}, {results}: {error:?}");
    }
}

/// Two servers, and one part that is the last of its chord.
async fn two_servers() -> (RedisServer, RedisServer, Bench) {
    let (messages, results) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let url = results.url();
    let bench = Bench::at(Driver::Redis, &messages.url(), |options| options.results = Some(url)).await;
    (messages, results, bench)
}

/// The server of the results takes nothing: the delivery stays, and all of it happens later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_results_a_delivery_stays() {
    let (_messages, results, bench) = two_servers().await;
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    let delivery = worker.take_one().await;
    results.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let settlement = with_result(done(&delivery), result(&bench.id("m1"), "SUCCESS", 1));
    let settlement = with_follow(settlement, bench.message("next", "n1"));
    let refused = worker.settle(std::slice::from_ref(&settlement)).await;
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!((worker.held().await.unwrap(), bench.counts("next").await.ready), (1, 0));
    results.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(worker.settle_one(settlement).await, Settled::Done);
    assert_eq!(bench.counts("next").await.ready, 1);
}

/// The server of the messages is lost between the two halves, and the worker with it: whoever runs the part again counts
/// it no second time, and dispatches the chord.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_settlement_is_taken_up() {
    let (messages, _results, bench) = two_servers().await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    let chord = Chord::new(&bench, "chord");
    bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
    bench.enqueue("mail", &["m1"]).await;
    let delivery = a.take_one().await;
    let part = |delivery| {
        let settlement = with_result(done(delivery), result(&bench.id("m1"), "SUCCESS", 1));
        with_chord(settlement, chord.part("m1", Some(0), "m1"))
    };
    messages.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = a.settle(&[part(&delivery)]).await;
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!(bench.store.chord_parts(&chord.group).await.unwrap().members.len(), 1);
    messages.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(bench.bury(&[&b]).await, 1);

    let again = b.take_one().await;
    assert_eq!(b.settle_one(part(&again)).await, Settled::Done);
    assert_eq!(bench.store.chord_parts(&chord.group).await.unwrap().members.len(), 1);
    let dispatch = b.take_one().await;
    assert_eq!(dispatch.payload(), chord.dispatch());
    let body = with_follow(chord.end(&dispatch, "m1", false), bench.message("body", "b1"));
    assert_eq!(b.settle_one(body).await, Settled::Done);
    assert_eq!(bench.counts("body").await.ready, 1);
    assert!(bench.store.chord_parts(&chord.group).await.unwrap().members.is_empty());
}

/// Who began to end a chord whose claim had run out, and got no further, still may; nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_end_keeps_its_claim() {
    let (messages, results, bench) = two_servers().await;
    let worker = bench.worker("a", &["mail"]).await;
    let chord = Chord::new(&bench, "chord");
    bench.store.begin_chords(&[chord.start(1)]).await.unwrap();
    assert_eq!(chord.finish(&bench, &worker, "m1", 0).await, Settled::Done);
    bench.enqueue("mail", &["m2"]).await;
    let (dispatch, other) = (worker.take_one().await, worker.take_one().await);
    // A queue that is not known yet would be refused before anything else.
    bench.enqueue("body", &["earlier"]).await;
    results.command(&["DEL", &format!("celery-taskset-meta-{}.c", chord.group)]);
    let end = |delivery, claim| with_follow(chord.end(delivery, claim, false), bench.message("body", claim));
    messages.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = worker.settle(&[end(&dispatch, "mine")]).await;
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    messages.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(worker.settle_one(end(&other, "yours")).await, Settled::ChordTaken);
    assert_eq!(worker.settle_one(end(&dispatch, "mine")).await, Settled::Done);
    assert_eq!(bench.worker("b", &["body"]).await.finish_all().await, ["earlier", "mine"]);
}

/// Who lost his lease stores nothing on the other server either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_delivery_stores_nothing_elsewhere() {
    let (_messages, results, bench) = two_servers().await;
    let (a, b) = (bench.worker("a", &["mail"]).await, bench.worker("b", &["mail"]).await);
    bench.enqueue("mail", &["m1"]).await;
    let delivery = a.take_one().await;
    assert_eq!(bench.bury(&[&b]).await, 1);
    let chord = Chord::new(&bench, "chord");
    let settlement = with_result(done(&delivery), result(&bench.id("m1"), "FAILURE", 1));
    let settlement = with_chord(settlement, chord.part("m1", Some(0), "m1"));
    assert_eq!(a.settle_one(settlement).await, Settled::LeaseLost);
    assert!(!a.progress(&delivery.tag, &[result(&bench.id("m1"), "PROGRESS", 1)]).await.unwrap());
    assert_eq!(keys(&results, 0, "*").await.len(), 0);
}

/// What may not be looked for has not been lost: it stays, with its result, until the server lets us look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_look_ends_no_delivery() {
    let (messages, results) = (RedisServer::start(&[]), RedisServer::start(&[]));
    messages.command(&["ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all", "-lpos"]);
    let (url, at) = (format!("redis://limited:pw@{}/0", messages.address()), results.url());
    let bench = Bench::at(Driver::Redis, &url, |options| options.results = Some(at)).await;
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1"]).await;
    let delivery = worker.take_one().await;
    let refused = worker.progress(&delivery.tag, &[result(&bench.id("m1"), "PROGRESS", 1)]).await;
    assert!(matches!(refused, Err(StoreError::Unauthorized { .. })), "{refused:?}");
    let refused = worker.settle(&[succeeded(&bench, &delivery)]).await;
    assert!(matches!(refused, Err(StoreError::Unauthorized { .. })), "{refused:?}");
    assert_eq!((worker.held().await.unwrap(), keys(&results, 0, "*").await.len()), (1, 0));

    messages.command(&["ACL", "SETUSER", "limited", "+lpos"]);
    assert_eq!(worker.settle_one(succeeded(&bench, &delivery)).await, Settled::Done);
    assert!(bench.result("m1").await.is_some());
}

/// What was nobody's when it was looked for, and is leased anew by the time that the rest of its end comes by, stays: its result was
/// not stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stores_nothing_ends_nothing() {
    let (messages, results) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let proxy = Proxy::start(results.address()).await;
    let at = proxy.url();
    let bench = Bench::at(Driver::Redis, &messages.url(), |options| options.results = Some(at)).await;
    let worker = bench.worker("a", &["mail"]).await;
    bench.enqueue("mail", &["m1", "m2"]).await;
    let held = worker.take(2).await;
    assert_eq!(worker.return_all(&held[1..]).await, 1);
    assert!(bench.result("m2").await.is_none());

    proxy.silence(true);
    let (ends, settling) = ([succeeded(&bench, &held[0]), succeeded(&bench, &held[1])], worker.clone());
    let settling = tokio::spawn(async move { settling.settle(&ends).await });
    wait_until("it has looked for both", || async {
        messages.command(&["INFO", "commandstats"]).contains("cmdstat_lpos:calls=2,")
    })
    .await;
    let again = worker.take_one().await;
    proxy.silence(false);
    assert_eq!(settling.await.unwrap().unwrap(), [Settled::Done, Settled::LeaseLost]);
    assert_eq!((worker.held().await.unwrap(), bench.result("m2").await), (1, None));
    assert_eq!(worker.settle_one(succeeded(&bench, &again)).await, Settled::Done);
    assert!(bench.result("m2").await.is_some());
}

/// The end of a delivery that has gone well, with its result.
fn succeeded(bench: &Bench, delivery: &Delivery) -> Settlement {
    with_result(done(delivery), result(&bench.id(&label(delivery.payload())), "SUCCESS", 1))
}
