//! `queue jobs`.

use queue_core::QueueName;
use queue_core::store::{DeadLetter, DeadReason, Outgoing};

use crate::looks_like;
use crate::scene::Scene;

#[tokio::test]
async fn lists_what_runs_first_then_what_waits_then_what_is_dead() {
    let shop = Scene::shop().await;
    looks_like!("jobs", shop.queue(&["jobs"]));
    looks_like!("jobs_dead", shop.queue(&["jobs", "--state", "dead"]));
}

#[tokio::test]
async fn filters_by_queue_task_error_and_age() {
    let shop = Scene::shop().await;
    let ids = |args: &[&str]| -> Vec<String> {
        let listing = shop.json(&[&["jobs"], args].concat());
        listing["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["--queue", "celery", "--state", "ready"]), ["report-1"]);
    assert_eq!(ids(&["--task", "mail.w*"]), ["mail-2"]);
    assert_eq!(ids(&["--error", "CONNECTION"]), ["mail-dead-2", "mail-dead-1"]);
    assert_eq!(ids(&["--older-than", "2h", "--state", "ready"]), ["report-1", "mail-1", "mail-2"]);
    assert_eq!(ids(&["--newer-than", "1h"]), ["report-dead", "mail-dead-2", "mail-dead-1"]);
    assert!(ids(&["--older-than", "3h"]).is_empty());
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat_whatever_the_limit() {
    let scene = Scene::new().await;
    for n in 0..7 {
        scene.send(&format!("a{n}"), "a", "t.even", "[]").await;
        scene.send(&format!("b{n}"), "b", if n % 2 == 0 { "t.even" } else { "t.odd" }, "[]").await;
    }
    for limit in ["1", "2", "3", "5", "100"] {
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut args = vec!["jobs", "--limit", limit, "--task", "*.even"];
            if let Some(cursor) = &cursor {
                args.extend(["--cursor", cursor]);
            }
            let page = scene.json(&args);
            seen.extend(page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(seen, ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "b0", "b2", "b4", "b6"], "limit {limit}");
    }
}

#[tokio::test]
async fn next_page_is_offered() {
    looks_like!("jobs_next_page", Scene::shop().await.queue(&["jobs", "--limit", "2", "--state", "ready"]));
}

#[tokio::test]
async fn search_for_few_among_many_stops_and_says_how_to_go_on() {
    let scene = Scene::new().await;
    let mut many = Vec::new();
    for n in 0..250 {
        many.push(scene.outgoing(&format!("j{n}"), "q", "common", "[]", None).await);
    }
    many.push(scene.outgoing("needle", "q", "rare", "[]", None).await);
    scene.store.enqueue(&many).await.unwrap();
    looks_like!("jobs_scan_ended", scene.queue(&["jobs", "--task", "rare", "--scan", "200"]));
    let first = scene.json(&["jobs", "--task", "rare", "--scan", "200"]);
    let second = scene.json(&["jobs", "--task", "rare", "--cursor", first["next"].as_str().unwrap()]);
    assert_eq!(second["jobs"][0]["id"], "needle");
    assert_eq!(second["looked_at"], 51);
}

#[tokio::test]
async fn what_cannot_be_read_is_shown_as_such() {
    let scene = Scene::new().await;
    let garbage: [&[u8]; 3] = [b"not json", b"\xff\xfe\x1b[2J", b"{\"headers\": {}}"];
    for (n, payload) in garbage.into_iter().enumerate() {
        let whole = scene.outgoing(&format!("g{n}"), "q", "t", "[]", None).await;
        scene.store.enqueue(&[Outgoing { payload: payload.to_vec().into(), ..whole }]).await.unwrap();
    }
    let letter = DeadLetter {
        id: None,
        task: None,
        reason: DeadReason::Undecodable,
        error: "message is not JSON\u{1b}[31m".to_owned(),
        retries: 0,
        worker: "worker@host".to_owned(),
    };
    scene.bury("q", letter).await;
    let ran = scene.queue(&["jobs", "--queue", "q"]);
    assert!(!ran.stdout.contains('\u{1b}'), "what a message says must not reach the terminal: {ran}");
    looks_like!("jobs_unreadable", ran);
    looks_like!("jobs_unreadable_json", scene.queue(&["jobs", "--json"]));
}

#[tokio::test]
async fn a_closed_pipe_is_a_quiet_end() {
    let scene = Scene::new().await;
    let mut many = Vec::new();
    for n in 0..3000 {
        many.push(scene.outgoing(&format!("job-number-{n}"), "q", "common", "[]", None).await);
    }
    scene.store.enqueue(&many).await.unwrap();
    let mut head = crate::scene::program(scene.dir());
    head.args(["jobs", "--limit", "3000"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = head.spawn().unwrap();
    // Closed before the first byte, as `| head -0` does.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panic"), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(scene.store.counts(&QueueName::new("q").unwrap()).await.unwrap().ready, 3000);
}
