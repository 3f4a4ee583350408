//! `queue job`, `queue result`, `queue forget`, `queue revoke`.

use std::time::Duration;

use queue_core::QueueName;
use queue_core::store::JobState;

use crate::looks_like;
use crate::scene::Scene;

const SUCCESS: &str = r#"{"status": "SUCCESS", "result": {"sum": 12345678901234567890123}, "traceback": null, "children": [], "date_done": "2026-11-22T20:53:31.949122+00:00", "task_id": "done"}"#;
const FAILURE: &str = r#"{"status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": ["no such day"], "exc_module": "builtins"}, "traceback": "Traceback (most recent call last):\n  File \"report.py\", line 7\nValueError: no such day\n", "children": [], "date_done": "2026-11-22T20:53:31.949122+00:00", "task_id": "failed"}"#;

#[tokio::test]
async fn job_tells_all_that_is_known() {
    let shop = Scene::shop().await;
    looks_like!("job_ready", shop.queue(&["job", "mail-2"]));
    looks_like!("job_dead", shop.queue(&["job", "report-dead"]));
    looks_like!("job_leased", shop.queue(&["job", "mail-leased"]));
    looks_like!("job_scheduled", shop.queue(&["job", "report-2"]));
    looks_like!("job_json", shop.queue(&["job", "mail-2", "--json"]));
}

#[tokio::test]
async fn several_messages_of_one_id_are_all_shown_with_the_result() {
    let scene = Scene::new().await;
    scene.dead("done", "q", "sum", "[1]", "timeout").await;
    scene.send("done", "q", "sum", "[1]").await;
    scene.result("done", SUCCESS).await;
    looks_like!("job_several", scene.queue(&["job", "done"]));
    assert_eq!(scene.json(&["job", "done"])["jobs"].as_array().unwrap().len(), 2);
    let json = scene.queue(&["job", "done", "--json"]).stdout;
    assert!(json.contains("12345678901234567890123"), "big integers stay what they are: {json}");
}

#[tokio::test]
async fn long_arguments_are_cut_unless_asked_for() {
    let scene = Scene::new().await;
    scene.send("long", "q", "t", &format!("[{:?}]", "x".repeat(5000))).await;
    let cut = scene.queue(&["job", "long"]).stdout;
    assert!(cut.len() < 3000 && cut.contains("--full shows all"), "{cut}");
    assert!(scene.queue(&["job", "long", "--full"]).stdout.contains(&"x".repeat(5000)));
}

#[tokio::test]
async fn raw_message_is_shown_when_asked_for() {
    let scene = Scene::new().await;
    scene.send("raw", "q", "t", "[1]").await;
    let page = scene.store.page(&QueueName::new("q").unwrap(), JobState::Ready, None, 1).await.unwrap();
    let payload = std::str::from_utf8(&page.jobs[0].payload).unwrap().to_owned();
    assert!(scene.queue(&["job", "raw", "--raw"]).stdout.contains(&payload));
    assert_eq!(scene.json(&["job", "raw", "--raw"])["jobs"][0]["raw"], payload);
}

#[tokio::test]
async fn unknown_job_is_not_found() {
    looks_like!("job_unknown", Scene::shop().await.queue(&["job", "nobody"]));
}

#[tokio::test]
async fn result_says_by_its_exit_code_how_the_job_ended() {
    let scene = Scene::new().await;
    scene.result("done", SUCCESS).await;
    scene.result("failed", FAILURE).await;
    looks_like!("result_success", scene.queue(&["result", "done"]));
    looks_like!("result_failure", scene.queue(&["result", "failed"]));
    looks_like!("result_failure_json", scene.queue(&["result", "failed", "--json"]));
    looks_like!("result_none", scene.queue(&["result", "nobody"]));
}

#[tokio::test]
async fn result_that_is_not_there_yet_is_said_with_where_the_job_is() {
    let shop = Scene::shop().await;
    looks_like!("result_not_yet", shop.queue(&["result", "mail-1"]));
    looks_like!("result_timeout", shop.queue(&["result", "mail-1", "--wait", "10ms"]));
}

#[tokio::test]
async fn result_waits_for_what_is_to_come() {
    let scene = Scene::new().await;
    scene.send("done", "q", "sum", "[]").await;
    let (store, dir) = (scene.store.clone(), scene.dir().to_owned());
    let waiting = tokio::task::spawn_blocking(move || {
        crate::scene::program(&dir).args(["result", "done", "--wait", "60s"]).output().unwrap()
    });
    let worker = scene.worker(&["q"]).await;
    let tag = scene.lease(&worker, "q").await;
    scene.result("done", SUCCESS).await;
    drop((store, tag));
    let output = tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("SUCCESS"));
}

#[tokio::test]
async fn forget_deletes_results() {
    let scene = Scene::new().await;
    scene.result("done", SUCCESS).await;
    looks_like!("forget", scene.queue(&["forget", "done", "nobody"]));
    assert_eq!(scene.queue(&["result", "done"]).code, Some(1));
}

#[tokio::test]
async fn revoked_tasks_are_known_to_workers() {
    let shop = Scene::shop().await;
    looks_like!("revoke", shop.queue(&["revoke", "mail-1", "mail-2"]));
    let worker = shop.worker(&["mail"]).await;
    let ids = ["mail-1", "mail-2", "report-1"].map(|id| queue_core::TaskId::new(id).unwrap());
    assert_eq!(worker.revoked(&ids.iter().collect::<Vec<_>>()).await.unwrap(), [true, true, false]);
}
