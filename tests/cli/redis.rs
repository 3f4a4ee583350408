//! The same commands on a Redis server of the test's own.

use queue_core::QueueName;
use queue_tests::RedisServer;

use crate::looks_like;
use crate::scene::Scene;

#[tokio::test]
async fn the_same_shop_looks_the_same() {
    let server = RedisServer::start(&[]);
    let shop = Scene::at(&server.url()).await;
    shop.fill().await;
    looks_like!("redis_status", shop.queue(&["status"]));
    looks_like!("redis_jobs", shop.queue(&["jobs"]));
    looks_like!("redis_job", shop.queue(&["job", "mail-dead-1"]));
    looks_like!("redis_workers", shop.queue(&["workers"]));
    looks_like!("redis_retry", shop.queue(&["retry", "--task", "mail.*", "--yes"]));
    looks_like!("redis_purge", shop.queue(&["purge", "--queue", "mail", "--state", "ready", "--yes"]));
}

#[tokio::test]
async fn delete_by_filter_leaves_out_none_although_places_move_up() {
    let server = RedisServer::start(&[]);
    let scene = Scene::at(&server.url()).await;
    let mut many = Vec::new();
    for n in 0..1000 {
        let task = if n % 3 == 0 { "keep" } else { "drop" };
        many.push(scene.outgoing(&format!("j{n}"), "q", task, "[]", None).await);
    }
    scene.store.enqueue(&many).await.unwrap();
    let ran = scene.queue(&["delete", "--task", "drop", "--state", "ready", "--yes"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(scene.store.counts(&QueueName::new("q").unwrap()).await.unwrap().ready, 334);
}

#[tokio::test]
async fn a_long_queue_is_never_a_slow_command_of_the_server() {
    let server = RedisServer::start(&["--slowlog-log-slower-than", "5000"]);
    let scene = Scene::at(&server.url()).await;
    let one = scene.outgoing("one-of-many", "q", "t", "[1, 2, 3]", None).await;
    let batch = vec![one; 1000];
    for _ in 0..50 {
        scene.store.enqueue(&batch).await.unwrap();
    }
    server.command(&["SLOWLOG", "RESET"]);
    for command in [&["status"][..], &["jobs"], &["jobs", "--task", "nothing", "--scan", "20000"], &["job", "nobody"]] {
        scene.queue(command);
    }
    let slow = server.command(&["SLOWLOG", "LEN"]);
    assert_eq!(slow.trim(), ":0", "{}", server.command(&["SLOWLOG", "GET"]));
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let server = RedisServer::start(&["--requirepass", "right"]);
    let url = format!("redis://:wr0ng@{}/0", server.address());
    let ran = crate::scene::queue_nowhere(&["--url", &url, "status"]);
    assert!(!ran.stderr.contains("wr0ng"), "{ran}");
    assert_eq!(ran.code, Some(3));
    insta::with_settings!({
        filters => vec![(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]")],
        prepend_module_to_snapshot => false, snapshot_path => "snapshots", omit_expression => true
    }, { insta::assert_snapshot!("redis_wrong_password", ran.stderr) });
}
