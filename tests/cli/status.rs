//! `queue status` and `queue workers`.

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
