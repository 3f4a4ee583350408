//! `queue status` and `queue workers`.

use queue_core::message::Draft;
use queue_core::store::Outgoing;
use queue_core::{QueueName, TaskId, Timestamp};

use crate::looks_like;
use crate::scene::Scene;

#[tokio::test]
async fn shows_every_queue_and_what_needs_attention() {
    let shop = Scene::shop().await;
    looks_like!("status", shop.queue(&["status"]));
    looks_like!("status_json", shop.queue(&["status", "--json"]));
    looks_like!("status_of_one_queue", shop.queue(&["status", "--queue", "mail"]));
}

#[tokio::test]
async fn an_empty_store_says_so() {
    looks_like!("status_empty", Scene::new().await.queue(&["status"]));
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_an_error_that_names_those_that_are() {
    looks_like!("status_unknown_queue", Scene::shop().await.queue(&["status", "--queue", "mial"]));
}

#[tokio::test]
async fn workers_are_shown_with_what_they_hold() {
    let shop = Scene::shop().await;
    looks_like!("workers", shop.queue(&["workers"]));
    let workers = shop.json(&["workers"]);
    assert_eq!(workers["workers"][0]["hostname"], "worker@host");
    assert_eq!(workers["workers"][0]["live"], true);
    assert_eq!(workers["workers"][0]["held"], 1);
}

#[tokio::test]
async fn no_worker_is_no_error() {
    looks_like!("workers_none", Scene::new().await.queue(&["workers"]));
}

/// How long a job waits is told from when it was due, not from when somebody sent it to be started later.
#[tokio::test]
async fn what_was_due_just_now_is_not_old() {
    let scene = Scene::new().await;
    let now = scene.store.now().await.unwrap();
    let ago = |minutes: i64| Some(Timestamp::from_millis(now.as_millis() - 60_000 * minutes));
    let (id, queue) = (TaskId::new("j1").unwrap(), QueueName::new("mail").unwrap());
    let draft = Draft { sent_at: ago(600), eta: ago(1), ..Draft::new("mail.send", id.clone(), queue.as_str()) };
    let message =
        Outgoing { queue, priority: draft.priority, due: None, id, task: "mail.send".into(), payload: draft.encode() };
    scene.store.enqueue(&[message]).await.unwrap();
    let status = scene.json(&["status"]);
    let age = status["queues"][0]["oldest_age_ms"].as_u64().unwrap();
    assert!((60_000..600_000).contains(&age), "{status}");
    let doctor = scene.json(&["doctor", "--max-age", "1h"]);
    let oldest = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "oldest job").unwrap();
    assert_eq!(oldest["level"], "ok", "{doctor}");
}
