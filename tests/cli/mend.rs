//! `queue retry`, `queue delete`, `queue purge`: what they touch, and what they leave alone.

use queue_core::QueueName;
use queue_core::message::{DecodeLimits, Message};
use queue_core::store::{DeadLetter, DeadReason, JobState, Outgoing};

use crate::looks_like;
use crate::scene::Scene;

impl Scene {
    async fn counted(&self, queue: &str) -> (u64, u64, u64) {
        let counts = self.store.counts(&QueueName::new(queue).unwrap()).await.unwrap();
        (counts.ready, counts.scheduled, counts.dead)
    }
}

#[tokio::test]
async fn dry_run_shows_and_touches_nothing() {
    let shop = Scene::shop().await;
    looks_like!("retry_dry_run", shop.queue(&["retry", "--all", "--dry-run"]));
    looks_like!("retry_dry_run_json", shop.queue(&["retry", "--task", "mail.*", "--dry-run", "--json"]));
    assert_eq!(shop.counted("mail").await, (2, 0, 2));
}

#[tokio::test]
async fn without_a_terminal_and_without_yes_nothing_happens() {
    let shop = Scene::shop().await;
    looks_like!("retry_not_confirmed", shop.queue(&["retry", "--queue", "mail"]));
    looks_like!("delete_not_confirmed", shop.queue(&["delete", "mail-1"]));
    looks_like!("purge_not_confirmed", shop.queue(&["purge", "--queue", "mail", "--state", "ready"]));
    assert_eq!(shop.counted("mail").await, (2, 0, 2));
}

#[tokio::test]
async fn without_a_selection_nothing_happens() {
    let shop = Scene::shop().await;
    looks_like!("retry_no_selection", shop.queue(&["retry", "--yes"]));
    looks_like!("delete_no_selection", shop.queue(&["delete", "--yes"]));
    assert_eq!(shop.counted("mail").await, (2, 0, 2));
}

#[tokio::test]
async fn retry_puts_the_chosen_back_as_never_tried() {
    let shop = Scene::shop().await;
    looks_like!("retry", shop.queue(&["retry", "--error", "refused", "--yes"]));
    assert_eq!(shop.counted("mail").await, (4, 0, 0));
    assert_eq!(shop.counted("celery").await, (1, 1, 1), "another error stays where it is");
    let page = shop.store.page(&QueueName::new("mail").unwrap(), JobState::Ready, None, 10).await.unwrap();
    let back = page.jobs.iter().map(|job| Message::decode(&job.payload, &DecodeLimits::default()).unwrap());
    let back: Vec<_> = back.filter(|message| message.id.as_str().starts_with("mail-dead")).collect();
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|message| message.retries == 0), "{back:?}");
}

#[tokio::test]
async fn retry_by_id_names_what_it_cannot_retry() {
    let shop = Scene::shop().await;
    looks_like!("retry_by_id", shop.queue(&["retry", "mail-dead-1", "mail-1", "nobody", "--yes"]));
    assert_eq!(shop.counted("mail").await, (3, 0, 1));
    looks_like!("retry_only_unknown", shop.queue(&["retry", "nobody", "--yes"]));
}

#[tokio::test]
async fn retry_takes_off_an_expiry_that_has_passed_and_keeps_one_that_has_not() {
    let scene = Scene::new().await;
    for (id, expires) in [("passed", "2020-01-01"), ("to-come", "2999-01-01")] {
        scene.json(&["enqueue", "t", "--queue", "q", "--id", id, "--expires", expires]);
        scene.bury("q", failed()).await;
    }
    assert_eq!(scene.queue(&["retry", "--all", "--yes"]).code, Some(0));
    let page = scene.store.page(&QueueName::new("q").unwrap(), JobState::Ready, None, 10).await.unwrap();
    for job in &page.jobs {
        let message = Message::decode(&job.payload, &DecodeLimits::default()).unwrap();
        assert_eq!(message.expires.is_some(), message.id.as_str() == "to-come", "{message:?}");
    }
    assert_eq!(page.jobs.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_read_goes_back_byte_for_byte() {
    let scene = Scene::new().await;
    let whole = scene.outgoing("x", "q", "t", "[]", None).await;
    scene.store.enqueue(&[Outgoing { payload: b"\xff not json".to_vec().into(), ..whole }]).await.unwrap();
    scene.bury("q", DeadLetter { reason: DeadReason::Undecodable, ..failed() }).await;
    looks_like!("retry_unreadable", scene.queue(&["retry", "--all", "--yes"]));
    let page = scene.store.page(&QueueName::new("q").unwrap(), JobState::Ready, None, 10).await.unwrap();
    assert_eq!(&page.jobs[0].payload[..], b"\xff not json");
}

#[tokio::test]
async fn limit_bounds_what_is_touched() {
    let shop = Scene::shop().await;
    assert_eq!(shop.json(&["retry", "--queue", "mail", "--limit", "1", "--yes"])["done"], 1);
    assert_eq!(shop.counted("mail").await, (3, 0, 1));
}

/// A job is one, however often its id is typed.
#[tokio::test]
async fn an_id_that_is_named_twice_counts_once() {
    let shop = Scene::shop().await;
    assert_eq!(shop.json(&["retry", "mail-dead-1", "mail-dead-1", "--dry-run"])["matched"], 1);
    let retried = shop.json(&["retry", "mail-dead-1", "mail-dead-1", "--yes"]);
    assert_eq!(retried, serde_json::json!({"matched": 1, "done": 1, "missing": []}));
    assert_eq!(shop.json(&["delete", "nobody", "mail-1", "nobody", "--yes"])["missing"].as_array().unwrap().len(), 1);
    shop.result("r1", r#"{"status": "SUCCESS", "result": 1}"#).await;
    let forgotten = shop.json(&["forget", "r1", "r1"]);
    assert_eq!(forgotten, serde_json::json!({"forgotten": ["r1"], "missing": []}));
    assert_eq!(shop.json(&["revoke", "a", "a"])["revoked"], serde_json::json!(["a"]));
}

#[tokio::test]
async fn delete_by_filter_goes_through_many_pages() {
    let scene = Scene::new().await;
    let mut many = Vec::new();
    for n in 0..1000 {
        let task = if n % 3 == 0 { "keep" } else { "drop" };
        many.push(scene.outgoing(&format!("j{n}"), "q", task, "[]", None).await);
    }
    scene.store.enqueue(&many).await.unwrap();
    let ran = scene.queue(&["delete", "--task", "drop", "--state", "ready", "--yes"]);
    looks_like!("delete_many", ran);
    assert_eq!(scene.counted("q").await, (334, 0, 0));
    assert_eq!(scene.json(&["jobs", "--task", "keep", "--limit", "1000"])["jobs"].as_array().unwrap().len(), 334);
}

#[tokio::test]
async fn delete_by_filter_means_dead_letters_unless_told_otherwise() {
    let shop = Scene::shop().await;
    looks_like!("delete_dead", shop.queue(&["delete", "--queue", "mail", "--yes"]));
    assert_eq!(shop.counted("mail").await, (2, 0, 0));
}

#[tokio::test]
async fn delete_by_id_refuses_what_a_worker_holds() {
    let shop = Scene::shop().await;
    looks_like!("delete_leased", shop.queue(&["delete", "mail-leased", "--yes"]));
    looks_like!("delete_ready", shop.queue(&["delete", "mail-1", "--yes"]));
    assert_eq!(shop.counted("mail").await, (1, 0, 2));
}

#[tokio::test]
async fn purge_empties_one_state_of_one_queue() {
    let shop = Scene::shop().await;
    looks_like!("purge_dry_run", shop.queue(&["purge", "--queue", "mail", "--state", "dead", "--dry-run"]));
    looks_like!("purge", shop.queue(&["purge", "--queue", "mail", "--state", "dead", "--yes"]));
    assert_eq!(shop.counted("mail").await, (2, 0, 0));
    assert_eq!(shop.counted("celery").await, (1, 1, 1));
    looks_like!("purge_nothing", shop.queue(&["purge", "--queue", "mail", "--state", "dead", "--yes"]));
}

fn failed() -> DeadLetter {
    DeadLetter {
        id: None,
        task: None,
        reason: DeadReason::Failed,
        error: "it failed".to_owned(),
        retries: 0,
        worker: "worker@host".to_owned(),
    }
}
