//! Which client a call uses that names none. One test: the installed client is the process's own.

use queue_core::prelude::*;

use crate::recorder::Bench;

#[task(name = "whose.task")]
async fn task_of_somebody() {}

#[tokio::test]
async fn scope_before_run_before_installed() {
    let (installed, scoped, worker) = (Bench::new(), Bench::new(), Bench::new());
    let counts = || [installed.sent().len(), scoped.sent().len(), worker.sent().len()];

    installed.client.install().unwrap();
    installed.client.clone().install().unwrap();
    let error = scoped.client.install().unwrap_err();
    assert!(!error.hint().is_empty());
    task_of_somebody.delay().await.unwrap();
    assert_eq!(counts(), [1, 0, 0]);

    scoped.client.scope(async { task_of_somebody.delay().await }).await.unwrap();
    assert_eq!(counts(), [1, 1, 0]);

    let ctx = worker.context(installed.messages().pop().unwrap());
    ctx.clone().enter(async { task_of_somebody.delay().await }).await.unwrap();
    assert_eq!(counts(), [1, 1, 1]);

    let scope = scoped.client.scope(async { task_of_somebody.delay().await });
    ctx.enter(scope).await.unwrap();
    assert_eq!(counts(), [1, 2, 1]);

    // A call made in a scope keeps its client, wherever it is awaited.
    let sending = scoped.client.scope(async { task_of_somebody.delay() }).await;
    tokio::spawn(sending).await.unwrap().unwrap();
    assert_eq!(counts(), [1, 3, 1]);
}
