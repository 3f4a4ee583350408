//! `queue doctor`.

use queue_tests::RedisServer;

use crate::looks_like;
use crate::scene::{Ran, Scene, Shown};

/// What is measured differs from run to run.
struct Measured(Ran);

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        let number = |word: &str| word.parse::<f64>().is_ok() && word.contains('.');
        let line = |line: &str| -> String {
            let version = |word: &str| {
                word.trim_end_matches('"').split('.').count() == 3 && word.starts_with(|c: char| c.is_ascii_digit())
            };
            let words = line.split(' ').map(|word| match word {
                word if number(word) => "[n]",
                word if version(word) => "[version]",
                word => word,
            });
            words.collect::<Vec<_>>().join(" ")
        };
        write!(f, "{}", text.lines().map(line).collect::<Vec<_>>().join("\n"))
    }
}

impl Shown for Measured {
    fn has_varying_columns(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn all_is_well_in_an_empty_store() {
    let ran = Scene::new().await.queue(&["doctor"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    looks_like!("doctor_well", Measured(ran));
}

#[tokio::test]
async fn what_needs_attention_is_said_with_what_to_do() {
    let shop = Scene::shop().await;
    let ran = shop.queue(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    looks_like!("doctor", Measured(ran));
    // The shop's results say nothing, so nothing is left over there.
    looks_like!("doctor_orphans_none", shop.queue(&["doctor", "--orphans"]));
}

#[tokio::test]
async fn a_worker_for_every_queue_makes_it_well() {
    let shop = Scene::shop().await;
    let _worker = shop.worker(&["celery", "mail"]).await;
    let doctor = shop.json(&["doctor", "--max-age", "3h"]);
    assert_eq!(doctor["well"], true, "{doctor}");
    let level = |name: &str| {
        let checks = doctor["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).map(|check| check["level"].as_str().unwrap().to_owned())
    };
    assert_eq!(level("oldest job").as_deref(), Some("ok"));
    assert_eq!(level("dead letters").as_deref(), Some("warning"));
    assert_eq!(shop.queue(&["doctor", "--max-age", "3h"]).code, Some(0));
}

/// A result without an end is left over, unless results are to stay.
#[tokio::test]
async fn what_is_left_over_is_listed() {
    let scene = Scene::new().await;
    scene.result("r1", r#"{"status": "SUCCESS", "result": 1}"#).await;
    let ran = scene.queue(&["doctor", "--orphans"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    looks_like!("doctor_orphans", ran);
    let found = scene.json(&["doctor", "--orphans"]);
    assert_eq!((&found["count"], &found["orphans"][0]["kind"]), (&1.into(), &"endless-result".into()));
    assert_eq!(scene.queue(&["doctor"]).code, Some(1));
    assert_eq!(scene.queue(&["doctor", "--orphans", "--result-ttl", "0s"]).code, Some(0));
}

/// A Redis that forgets everything when it stops is not well; nor is one with a message that nobody holds.
#[tokio::test]
async fn a_redis_is_looked_at() {
    let server = RedisServer::start(&[]);
    let shop = Scene::at(&server.url()).await;
    let ran = shop.queue(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    looks_like!("doctor_redis", Measured(ran));
    server.command(&["CONFIG", "SET", "appendonly", "yes"]);
    assert_eq!(shop.queue(&["doctor"]).code, Some(0));
    server.command(&["LPUSH", "{mail}:held:nobody", "m"]);
    looks_like!("doctor_orphans_redis", shop.queue(&["doctor", "--orphans"]));
    let plain = shop.queue(&["doctor"]);
    assert_eq!(plain.code, Some(1), "{plain}");
    assert!(plain.stdout.contains("orphans"), "{plain}");
}

/// What is on its way is somewhere else when it is asked for again, whether a worker is known to live or not.
#[tokio::test]
async fn what_is_gone_a_few_seconds_later_is_not_left_over() {
    let server = RedisServer::start(&[]);
    let shop = Scene::at(&server.url()).await;
    server.command(&["LPUSH", "{mail}:held:nobody", "m"]);
    server.command(&["PEXPIRE", "{mail}:held:nobody", "2000"]);
    let ran = shop.queue(&["doctor", "--orphans"]);
    assert_eq!(ran.code, Some(0), "{ran}");
}

/// The search for what is left over takes a while; who lives is told as of its end.
#[tokio::test]
async fn who_dies_while_it_looks_is_not_told_as_live() {
    let server = RedisServer::start(&[]);
    let scene = Scene::at(&server.url()).await;
    scene.send("m1", "mail", "mail.send", "[]").await;
    let worker = scene.worker(&["mail"]).await;
    assert_eq!(scene.json(&["workers"])["workers"][0]["live"], true);
    // Looked at again three seconds later.
    server.command(&["LPUSH", "{mail}:held:nobody", "m"]);
    let ends = (scene.store.now().await.unwrap().as_millis() + 2000).to_string();
    let names = server.command(&["ZRANGE", "{mail}:workers", "0", "-1"]);
    server.command(&["ZADD", "{mail}:workers", "XX", &ends, names.lines().nth(2).unwrap()]);
    let doctor = scene.json(&["doctor"]);
    let checks = doctor["checks"].as_array().unwrap();
    let found = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap()["found"].to_string();
    assert!(found("silent workers").contains("worker@host"), "{doctor}");
    assert!(found("workers").contains("no live worker"), "{doctor}");
    drop(worker);
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_an_error() {
    let ran = crate::scene::queue_nowhere(&["--url", "redis://127.0.0.1:1/0", "doctor"]);
    assert_eq!(ran.code, Some(3), "{ran}");
}
