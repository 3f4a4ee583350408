//! A file that nobody has open any more: its log was written into it, and is gone.

use std::fs::File;
use std::path::Path;

use queue_core::{Call, Client, QueueName};
use queue_tests::{Child, bin, signal, wait_until};

/// What SQLite keeps beside the file while it is open.
fn beside(file: &Path) -> Vec<String> {
    let names = ["-wal", "-shm"].map(|end| format!("{}{end}", file.display()));
    names.into_iter().filter(|name| std::fs::exists(name).unwrap()).collect()
}

/// The last client, the last command and the last worker that is asked to stop leave the file alone behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_one_leaves_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let (file, log) = (dir.path().join("queue.db"), dir.path().join("worker.log"));
    let url = format!("sqlite:{}", file.display());
    let client = Client::connect(&url).await.unwrap();
    client.send(Call::named("t.nobody").queue("other")).await.unwrap();
    drop(client);
    wait_until("it is closed", || async { beside(&file).is_empty() }).await;

    let mut worker = Child::start_logged(bin("queue-worker"), &["--url", &url], &[], File::create(&log).unwrap());
    wait_until("it has signed on", || async {
        let client = Client::connect(&url).await.unwrap();
        client.store().workers().await.unwrap().len() == 1
    })
    .await;
    assert_eq!(beside(&file).len(), 2, "the worker has it open");
    signal(worker.pid(), "TERM");
    assert!(worker.end().await.success(), "{}", std::fs::read_to_string(&log).unwrap());
    assert_eq!(beside(&file), [""; 0]);

    let mut command = Child::start(bin("queue"), &["--url", &url, "status"], &[]);
    assert!(command.end().await.success());
    assert_eq!(beside(&file), [""; 0]);

    let client = Client::connect(&url).await.unwrap();
    assert_eq!(client.store().counts(&QueueName::new("other").unwrap()).await.unwrap().ready, 1);
}
