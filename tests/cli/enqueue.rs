//! `queue enqueue`.

use queue_core::message::{DecodeLimits, Message};
use queue_core::store::JobState;
use queue_core::{Priority, QueueName};

use crate::looks_like;
use crate::scene::{Scene, queue_nowhere};

#[tokio::test]
async fn sends_what_was_typed_byte_for_byte() {
    let scene = Scene::new().await;
    let args = [
        "enqueue",
        "mail.send",
        "--args",
        r#"[123456789012345678901234, 1.0, "é"]"#,
        "--kwargs",
        r#"{"b": 1, "a": []}"#,
        "--queue",
        "mail",
        "--priority",
        "6",
        "--id",
        "my-id",
        "--expires",
        "1h",
    ];
    looks_like!("enqueue", scene.queue(&args));
    let page = scene.store.page(&QueueName::new("mail").unwrap(), JobState::Ready, None, 10).await.unwrap();
    assert_eq!(page.jobs[0].step, 6);
    let message = Message::decode(&page.jobs[0].payload, &DecodeLimits::default()).unwrap();
    assert_eq!(message.args.as_str(), r#"[123456789012345678901234, 1.0, "é"]"#);
    assert_eq!(message.kwargs.as_str(), r#"{"b": 1, "a": []}"#);
    assert_eq!((message.id.as_str(), message.priority), ("my-id", Priority::new(6)));
    let lives = message.sent_at.unwrap().until(message.expires.unwrap());
    assert_eq!(lives.as_secs(), 3600);
}

#[tokio::test]
async fn a_countdown_waits_in_the_store() {
    let scene = Scene::new().await;
    let sent = scene.json(&["enqueue", "t", "--countdown", "2h"]);
    let counts = scene.store.counts(&QueueName::celery()).await.unwrap();
    assert_eq!((counts.ready, counts.scheduled), (0, 1));
    assert_eq!(sent["due"], counts.next_due.unwrap().to_string());
}

#[tokio::test]
async fn with_a_key_it_is_sent_once() {
    let scene = Scene::new().await;
    let keyed = |name| ["enqueue", name, "--idempotency-key", "order-42"];
    let first = scene.json(&[&keyed("mail.send")[..], &["--countdown", "2h"]].concat());
    let again = scene.json(&keyed("mail.send"));
    assert_eq!((&first["before"], &again["before"]), (&false.into(), &true.into()));
    assert_eq!(first["id"], again["id"]);
    looks_like!("enqueue_key_of_another", scene.queue(&keyed("mail.bill")));
    looks_like!(
        "enqueue_key_for_no_time",
        scene.queue(&[&keyed("mail.send")[..], &["--idempotency-ttl", "0s"]].concat())
    );
    let counts = scene.store.counts(&QueueName::celery()).await.unwrap();
    assert_eq!((counts.ready, counts.scheduled), (0, 1));
}

#[tokio::test]
async fn an_eta_that_has_passed_is_ready_at_once() {
    let scene = Scene::new().await;
    scene.json(&["enqueue", "t", "--eta", "2020-01-01"]);
    assert_eq!(scene.store.counts(&QueueName::celery()).await.unwrap().ready, 1);
}

#[tokio::test]
async fn a_missing_file_is_made_and_named() {
    looks_like!("enqueue_new_file", queue_nowhere(&["enqueue", "t"]));
}

#[tokio::test]
async fn waiting_for_a_result_that_does_not_come_times_out() {
    looks_like!("enqueue_wait", Scene::new().await.queue(&["enqueue", "t", "--wait", "10ms"]));
}

/// No worker takes a message without a task's name.
#[test]
fn a_task_without_a_name_is_not_sent() {
    let ran = queue_nowhere(&["enqueue", ""]);
    assert!(ran.code == Some(2) && ran.stderr.contains("a value is required for '<NAME>'"), "{}", ran.stderr);
}

#[test]
fn bad_json_is_shown_where_it_is_bad_and_nothing_is_made() {
    for (name, args) in [
        ("enqueue_bad_json", ["--args", r#"[1, "two", x]"#]),
        ("enqueue_open_json", ["--args", r#"[1, {"a": "#]),
        ("enqueue_two_values", ["--args", "[1] [2]"]),
        ("enqueue_no_array", ["--args", r#"{"a": 1}"#]),
        ("enqueue_no_object", ["--kwargs", "[1]"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = crate::scene::program(dir.path()).args(["enqueue", "t"]).args(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(dir.path().read_dir().unwrap().next().is_none(), "a wrong command line leaves nothing behind");
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots", omit_expression => true }, {
            insta::assert_snapshot!(name, stderr);
        });
    }
}
