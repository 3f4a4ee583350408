//! Celery's own tools.

use queue_tests::{CeleryVersion, wait_for};

use crate::on_celery;
use crate::scene::Scene;

/// `celery status` and `celery inspect` find who answers.
async fn commands(scene: &Scene) {
    let worker = scene.celery.worker("py", &[]);
    worker.ready();
    let status = scene.celery.command(&["status"]);
    assert!(status.status.success() && status.stdout.contains(worker.name()), "{status:?}");
    let registered = scene.celery.command(&["inspect", "registered", "--json"]);
    assert!(registered.stdout.contains("tasks.add"), "{registered:?}");
}

/// Flower lists who sends events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flower() {
    let scene = Scene::new(CeleryVersion::Latest);
    let flower = scene.celery.flower();
    let worker = scene.celery.worker("py", &["-E"]);
    wait_for("the worker in Flower", || async {
        let (status, page) = flower.get("/api/workers?refresh=true");
        (status == 200 && page.contains(worker.name())).then_some(())
    })
    .await;
}

on_celery!(commands);
