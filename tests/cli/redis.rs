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

/// `--result-url` leads to results in another place than the jobs.
#[tokio::test]
async fn results_may_be_elsewhere() {
    let server = RedisServer::start(&[]);
    let at = |database: u8| format!("{}/{database}", server.url().trim_end_matches("/0"));
    let scene = Scene::at(&at(0)).await;
    let elsewhere = Scene::at(&at(1)).await;
    let id = queue_core::TaskId::new("j1").unwrap();
    elsewhere.store.put_results(&[queue_tests::result(&id, "SUCCESS", 42)]).await.unwrap();
    let ran = scene.queue(&["result", "j1", "--result-url", &at(1)]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.to_string().contains("42"), "{ran}");
    assert_eq!(scene.queue(&["result", "j1"]).code, Some(1));
}

/// What has the name of one queue and is none hides no job of the others, nor one of that queue which lies beside it.
#[tokio::test]
async fn jobs_are_found_beside_a_queue_that_is_none() {
    let server = RedisServer::start(&[]);
    let shop = Scene::at(&server.url()).await;
    shop.fill().await;
    shop.dead("odd-dead", "a-odd", "mail.send", "[]", "it broke").await;
    server.command(&["SET", "a-odd", "not a queue"]);
    for id in ["mail-1", "mail-dead-1", "mail-leased", "report-2", "odd-dead"] {
        assert_eq!(shop.json(&["job", id])["jobs"].as_array().unwrap().len(), 1, "{id}");
    }
    assert_eq!(shop.json(&["retry", "mail-dead-1", "--yes"])["done"], 1);
    assert_eq!(shop.json(&["delete", "odd-dead", "--yes"])["done"], 1);
    assert_eq!(shop.json(&["retry", "--all", "--yes"])["done"], 2);
    let jobs = shop.queue(&["jobs", "--limit", "100"]);
    assert!(jobs.code == Some(0) && jobs.stdout.contains("mail-2"), "{jobs}");
    assert!(jobs.stderr.contains("queue `a-odd`: "), "{jobs}");
    let deleted = shop.queue(&["delete", "--state", "ready", "--all", "--yes"]);
    assert!(deleted.code == Some(0) && deleted.stderr.contains("queue `a-odd`: "), "{deleted}");
    assert_eq!(shop.queue(&["jobs", "--queue", "a-odd"]).code, Some(3));
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

/// What makes a server slow is a command that walks a whole queue. Each is looked at for what it asks, not for the time it
/// took, which on a busy machine says nothing.
#[tokio::test]
async fn no_command_walks_a_whole_queue() {
    let server = RedisServer::start(&["--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000"]);
    let scene = Scene::at(&server.url()).await;
    let one = scene.outgoing("one-of-many", "q", "t", "[1, 2, 3]", None).await;
    for _ in 0..5 {
        scene.store.enqueue(&vec![one.clone(); 1000]).await.unwrap();
    }
    server.command(&["SLOWLOG", "RESET"]);
    for command in [
        &["status"][..],
        &["jobs"],
        &["jobs", "--task", "nothing"],
        &["job", "nobody"],
        &["delete", "--state", "ready", "--task", "t", "--limit", "300", "--yes"],
    ] {
        scene.queue(command);
    }
    let asked = commands(&server).await;
    assert!(asked.iter().filter(|words| words[0] == "LRANGE").count() > 20, "{}", asked.len());
    for words in &asked {
        let number = |place: usize| words[place].parse::<i64>().unwrap();
        match words[0].as_str() {
            "LRANGE" => assert!(number(3) - number(2) < 500 && number(2) < 0 && number(3) < 0, "{words:?}"),
            "KEYS" | "HGETALL" | "HKEYS" | "HVALS" | "SORT" | "LPOS" => panic!("{words:?}"),
            _ => {}
        }
    }
}

/// Every command the server has run since its log was emptied.
async fn commands(server: &RedisServer) -> Vec<Vec<String>> {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    type Entry = (i64, i64, i64, Vec<String>, String, String);
    let entries: Vec<Entry> = redis::cmd("SLOWLOG").arg("GET").arg(-1).query_async(&mut connection).await.unwrap();
    entries.into_iter().map(|entry| entry.3).collect()
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
