//! `queue.send_email`, as Python would call it.

use queue_core::prelude::*;
use queue_core::store::DeadReason;
use queue_tests::Bench;
use queue_worker::Mailer;

use crate::scene::{SOON, Stage, client, dead_letter, worker};

fn call(kwargs: serde_json::Value) -> Call {
    Call::named("queue.send_email").kwargs(kwargs)
}

async fn mail_is_written_to_the_directory(bench: &Bench) {
    let directory = tempfile::tempdir().unwrap();
    let mailer = Mailer::directory(directory.path().join("out")).from("Shop <orders@example.com>").unwrap();
    let _worker = worker(bench, &Stage::default()).state(mailer).start(client(bench)).await.unwrap();
    let mail = json!({"to": ["ann@example.com", "Bob <bob@example.com>"], "subject": "Hello", "body": "Good day.", "html": "<b>Good day.</b>"});
    let job = client(bench).send(call(mail)).await.unwrap();
    let id = job.get(SOON).await.unwrap();
    let id = id.as_str().unwrap();
    assert_eq!(id, format!("<{}@queue>", job.id()));
    let written: Vec<_> = std::fs::read_dir(directory.path().join("out")).unwrap().collect();
    let [Ok(file)] = &written[..] else { panic!("one mail, not {written:?}") };
    assert_eq!(file.path().extension().unwrap(), "eml");
    let text = std::fs::read_to_string(file.path()).unwrap();
    for line in ["From: Shop <orders@example.com>", "To: ann@example.com, Bob <bob@example.com>", "Subject: Hello", id]
    {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    assert!(text.contains("Good day.") && text.contains("<b>Good day.</b>"), "{text}");
}

async fn wrong_address_is_not_tried_again(bench: &Bench) {
    let mailer = Mailer::directory("never-written");
    let _worker = worker(bench, &Stage::default()).state(mailer).start(client(bench)).await.unwrap();
    let job = client(bench).send(call(json!({"to": "nobody", "subject": "s", "body": "b"}))).await.unwrap();
    let Err(JobError::Failed(why)) = job.get(SOON).await else { panic!("it cannot have succeeded") };
    assert!(why.message.contains("`nobody` is not a mail address"), "{}", why.message);
    assert_eq!(dead_letter(bench).await.1, DeadReason::Failed);
}

async fn server_that_cannot_be_reached_is_tried_again(bench: &Bench) {
    // A port that was free a moment ago, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mailer = Mailer::smtp(&format!("smtp://127.0.0.1:{port}")).unwrap();
    let _worker = worker(bench, &Stage::default()).state(mailer).start(client(bench)).await.unwrap();
    client(bench).send(call(json!({"to": "ann@example.com", "subject": "s", "body": "b"}))).await.unwrap();
    queue_tests::wait_until("a retry", || async { bench.counts("q").await.scheduled == 1 }).await;
    assert_eq!(bench.counts("q").await.dead, 0);
}

queue_tests::on_driver!(
    sqlite_memory, SqliteMemory:
    mail_is_written_to_the_directory,
    wrong_address_is_not_tried_again,
    server_that_cannot_be_reached_is_tried_again
);
