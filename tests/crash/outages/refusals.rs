//! The server answers, and says no.

use queue_core::{Call, group};
use queue_tests::{Fault, PATIENCE, Proxy, RedisServer, get, metric, wait_until};

use super::producer::Producer;
use super::site::Site;
use crate::scene::QUEUE;

/// At its memory limit the server takes no writes but those that free memory. When there is room again all goes on, and what
/// ended meanwhile is settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full() {
    let server = RedisServer::start(&[]);
    let mut site = Site::at(&server.url()).await;
    site.hire(4);
    site.hold().await;
    site.load();
    for round in 1..=3 {
        site.until_written("done", round * 30).await;
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        site.open_gate("all");
        site.until_each_is_away(round).await;
        assert!(!site.producer.try_send("refused").await);
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        site.until_each_is_back(round).await;
        site.until_more(20).await;
    }
    site.close().await;
    assert!(!site.written("done").contains_key("refused"), "what was refused was run");
    site.each_told_outages(3);
    site.nobody_was_taken_for_dead();
}

/// A server whose snapshots fail takes no writes at all, not even a heartbeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unable_to_save() {
    no_writes(RedisServer::fail_to_save, "has no room left", RedisServer::save_again).await;
}

/// Nor does one that has fewer replicas than it wants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_replicas() {
    let want = |server: &RedisServer, count| {
        server.command(&["CONFIG", "SET", "min-replicas-to-write", count]);
    };
    no_writes(|server| want(server, "3"), "NOREPLICAS", |server| want(server, "0")).await;
}

/// The server refuses all writes for a while, which the log says: what is refused is not run, what ended is settled late.
async fn no_writes(refuse: impl Fn(&RedisServer), said: &str, relent: impl Fn(&RedisServer)) {
    let server = RedisServer::start(&[]);
    let mut site = Site::at(&server.url()).await;
    site.hire(4);
    site.hold().await;
    site.load();
    site.until_written("done", 30).await;
    refuse(&server);
    site.until_logged(said).await;
    site.let_go().await;
    assert!(!site.producer.try_send("refused").await);
    relent(&server);
    site.until_more(20).await;
    site.close().await;
    assert!(!site.written("done").contains_key("refused"), "what was refused was run");
    site.each_told_outages(1);
    site.nobody_was_taken_for_dead();
}

/// All connections are cut, and there is room for no other: the worker says why, and goes on when there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_room_for_connections() {
    let server = RedisServer::start(&[]);
    let mut admin = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut tell = |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut admin).unwrap();
    let mut site = Site::at(&server.url()).await;
    site.hire(4);
    site.producer.send("first").await;
    site.until_all_ended().await;

    tell(&["CONFIG", "SET", "maxclients", "1"]);
    tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    tell(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    site.until_logged("max number of clients").await;
    assert!(!site.producer.try_send("refused").await);
    tell(&["CONFIG", "SET", "maxclients", "10000"]);
    site.until_it_goes_on().await;
    site.close().await;
    site.each_told_outages(1);
    site.nobody_was_taken_for_dead();
}

/// The password is changed under a running worker, and changed back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_changed() {
    let server = RedisServer::start(&["--requirepass", "s3cret"]);
    let url = server.url().replace("redis://", "redis://:s3cret@");
    let mut admin = redis::Client::open(&*url).unwrap().get_connection().unwrap();
    let mut tell = |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut admin).unwrap();
    let mut site = Site::at(&url).await;
    site.hire(4);
    site.producer.send("first").await;
    site.until_all_ended().await;

    // Who is connected stays so; all others are asked for the new one.
    tell(&["CONFIG", "SET", "requirepass", "0ther"]);
    tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    tell(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    site.until_logged("refused the user name or password").await;
    assert!(!site.producer.try_send("refused").await);
    tell(&["CONFIG", "SET", "requirepass", "s3cret"]);
    site.until_it_goes_on().await;
    site.close().await;
    site.each_told_outages(1);
    assert!(!site.log().contains("s3cret"), "a secret was logged");
    site.nobody_was_taken_for_dead();
}

/// The password is changed while a chord runs, and its last step makes a connection: it waits until it is let in, and fails
/// nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_changed_within_a_chord() {
    const PARTS: u64 = 5;
    let server = RedisServer::start(&["--requirepass", "s3cret"]);
    let proxy = Proxy::start(server.address()).await;
    let with_password = |url: String| url.replace("redis://", "redis://:s3cret@");
    let mut admin = redis::Client::open(with_password(server.url())).unwrap().get_connection().unwrap();
    let mut change = |password| {
        redis::cmd("CONFIG").arg(&["SET", "requirepass", password]).query::<redis::Value>(&mut admin).unwrap();
    };
    let mut site = Site::at(&with_password(server.url())).await;
    site.hire_at(&with_password(proxy.url()), 4, &[]);
    site.producer.send("first").await;
    site.until_all_ended().await;

    // Who is connected stays so; the line breaks on which the parts are read, once all of them are in.
    change("0ther");
    proxy.arm("ZRANGE", Fault::CutRequest(0));
    let queue = site.bench.queue(QUEUE);
    let call = |task| Call::named(task).queue(queue.as_str());
    let chord = group((0..PARTS).map(|n| call("crash.part").args([n]))).then(call("crash.total").partial());
    let chord = site.client().send(chord).await.unwrap();
    wait_until("the line breaks", || async { proxy.lost() == 1 }).await;
    site.until_logged("refused the user name or password").await;
    change("s3cret");
    assert_eq!(chord.get(PATIENCE).await.unwrap(), (0..PARTS).sum::<u64>());
    site.until_it_goes_on().await;
    site.close().await;
    site.each_told_outages(1);
    assert_eq!(site.logged("the body of a chord is not sent"), 0, "{}", site.log());
    site.nobody_was_taken_for_dead();
}

const NO_QUEUE: &str = "this key holds something else than a queue has there";

/// Somebody else's value at the key of one of its queues is that queue's trouble, told once: the worker waits for the others, and
/// for that one too once its key is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_type() {
    let server = RedisServer::start(&[]);
    let mut site = Site::at(&server.url()).await;
    let bad = site.bench.queue("bad").to_string();
    let note = |label: &str| Call::named("crash.note").args([label]).queue(&bad);
    server.command(&["SET", &bad, "hello"]);
    let worker = site.worker(4, &["-Q", &bad, "--probe", "127.0.0.1:0"]);
    site.keep(worker);
    let probe = site.probe().await;
    site.until_it_goes_on().await;
    let waits = || async { server.command(&["INFO", "clients"]).contains("blocked_clients:1\r") };
    wait_until("it waits for the good queue", waits).await;
    let beats = metric(probe, "queue_heartbeats_total").await.unwrap();
    wait_until("three heartbeats", || async { metric(probe, "queue_heartbeats_total").await >= Some(beats + 3.0) })
        .await;
    site.producer.send("second").await;
    site.until_all_ended().await;
    assert_eq!(get(probe, "/ready").await.0, 200);
    assert_eq!(metric(probe, "queue_outages_total").await, Some(0.0));
    assert_eq!(site.logged(NO_QUEUE), 1, "{}", site.log());
    assert!(site.log().lines().any(|line| line.contains(NO_QUEUE) && line.contains(&bad)), "{}", site.log());
    assert!(server.command(&["GET", &bad]).contains("hello"));

    server.command(&["DEL", &bad]);
    site.client().send(note("mended")).await.unwrap();
    let has_run = |label: &'static str| {
        let site = &site;
        async move { wait_until(label, || async { site.written("done").contains_key(label) }).await }
    };
    has_run("mended").await;

    // It waits there by now, which no other type ends; the next lease finds it.
    server.command(&["SET", &bad, "hello"]);
    site.producer.send("third").await;
    wait_until("it is told again", || async { site.logged(NO_QUEUE) == 2 }).await;
    server.command(&["DEL", &bad]);
    site.client().send(note("again")).await.unwrap();
    has_run("again").await;
    site.close().await;
    site.each_told_outages(0);
    site.nobody_was_taken_for_dead();
}

/// A worker that is led to a replica says so and ends with code 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_on_a_replica() {
    let master = RedisServer::start(&[]);
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let site = Site::at(&master.url()).await;
    let mut worker = site.worker_with(1, &[], &[("QUEUE_URL", &replica.url())]);
    assert_eq!(worker.end().await.code(), Some(3));
    site.until_logged("is read-only").await;
    site.until_logged("connect to the primary").await;
}

/// The server becomes a replica under a running worker, and a master again: what it refuses is an outage, and connections
/// are made anew, since its name may lead elsewhere by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demoted_for_a_while() {
    let server = RedisServer::start(&[]);
    let mut site = Site::at(&server.url()).await;
    site.hire(4);
    site.hold().await;
    site.load();
    site.until_written("done", 30).await;
    // Of nobody: so it keeps what it has.
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    site.until_logged("is read-only").await;
    site.let_go().await;
    server.command(&["REPLICAOF", "NO", "ONE"]);
    site.until_more(20).await;
    site.close().await;
    site.each_told_outages(1);
}

/// What the name of the server leads to is another one by now, while the old one, a replica, keeps its connections: the first
/// write that it refuses lets them go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_to_another_server() {
    const AT_ONCE: [&str; 2] = ["--repl-diskless-sync-delay", "0"];
    let old = RedisServer::start(&AT_ONCE);
    let new = RedisServer::start(&["--replicaof", "127.0.0.1", &old.port().to_string()]);
    let proxy = Proxy::start(old.address()).await;
    let mut site = Site::at(&old.url()).await;
    site.hire_at(&proxy.url(), 2, &[]);
    site.hold().await;
    let leased = old.offset();
    wait_until("the replica has its lease", || async { new.offset() >= leased }).await;

    new.command(&["REPLICAOF", "NO", "ONE"]);
    proxy.lead_to(new.address());
    old.command(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    site.producer = Producer::at(&site.bench, &new.url()).await;
    site.until_it_goes_on().await;
    site.let_go().await;
    site.close_at(&new.url()).await;
    site.nobody_was_taken_for_dead();
}
