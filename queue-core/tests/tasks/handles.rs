//! What comes back from a job.

use bytes::Bytes;
use queue_core::prelude::*;
use queue_core::result::State;
use queue_core::store::{Results, StoredResult};

use crate::recorder::Bench;

#[task(name = "job.add")]
async fn add(x: i64, y: i64) -> i64 {
    x + y
}

#[task(name = "job.silent", ignore_result)]
async fn silent() {}

/// A job of `add` whose result is `result`, with the rest of Celery's fields.
async fn job_with(bench: &Bench, status: &str, result: &str) -> JobHandle<i64> {
    let job = bench.client.send(add.s(2, 3)).await.unwrap();
    let meta = format!(
        r#"{{"status": "{status}", "result": {result}, "traceback": null, "children": [], "date_done": null, "task_id": "{}"}}"#,
        job.id()
    );
    let stored = StoredResult { id: job.id().clone(), meta: Bytes::from(meta), ttl: None };
    bench.store.put_results(&[stored]).await.unwrap();
    job
}

#[tokio::test]
async fn a_value_comes_back_as_its_type() {
    let bench = Bench::new();
    let job = job_with(&bench, "SUCCESS", "5").await;
    assert_eq!(job.get(seconds(1)).await.unwrap(), 5);
    assert_eq!(job.status().await.unwrap(), State::Success);
    let elsewhere: JobHandle<i64> = bench.client.job(job.id().clone());
    assert_eq!(elsewhere.get(seconds(1)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_failure_comes_back_as_its_exception() {
    let bench = Bench::new();
    let exception = r#"{"exc_type": "Declined", "exc_message": ["no money"], "exc_module": "shop.payment"}"#;
    let error = job_with(&bench, "FAILURE", exception).await.get(seconds(1)).await.unwrap_err();
    let JobError::Failed(found) = &error else { panic!("{error}") };
    assert_eq!((found.exc_type.as_str(), found.exc_module.as_str()), ("Declined", "shop.payment"));
    assert_eq!(error.to_string(), "the task failed with Declined: no money");
}

#[tokio::test]
async fn a_revoked_job_says_why() {
    let bench = Bench::new();
    let why = r#"{"exc_type": "TaskRevokedError", "exc_message": ["expired"], "exc_module": "celery.exceptions"}"#;
    let error = job_with(&bench, "REVOKED", why).await.get(seconds(1)).await.unwrap_err();
    assert!(matches!(&error, JobError::Revoked(why) if why == "expired"), "{error}");
}

#[tokio::test]
async fn a_job_that_is_not_done_times_out() {
    let bench = Bench::new();
    let job = job_with(&bench, "STARTED", r#"{"pid": 1}"#).await;
    assert!(matches!(job.get(seconds(1)).await, Err(JobError::Timeout(_))));
    assert_eq!(job.status().await.unwrap(), State::Started);
    let unknown = bench.client.send(add.s(1, 1)).await.unwrap();
    assert_eq!(unknown.status().await.unwrap(), State::Pending);
    assert!(unknown.meta().await.unwrap().is_none());
}

#[tokio::test]
async fn a_result_of_another_type_or_none_at_all_is_told_apart() {
    let bench = Bench::new();
    let job = job_with(&bench, "SUCCESS", r#""five""#).await;
    assert!(matches!(job.get(seconds(1)).await, Err(JobError::Type(_))));
    let job = bench.client.send(silent.s()).await.unwrap();
    assert!(matches!(job.get(seconds(1)).await, Err(JobError::Ignored)));
    let asked = bench.client.send(silent.s().ignore_result(false)).await.unwrap();
    assert!(matches!(asked.get(seconds(1)).await, Err(JobError::Timeout(_))));
}

#[tokio::test]
async fn a_job_is_forgotten_and_revoked() {
    let bench = Bench::new();
    let job = job_with(&bench, "SUCCESS", "5").await;
    assert!(job.forget().await.unwrap());
    assert!(!job.forget().await.unwrap());
    job.revoke().await.unwrap();
    assert_eq!(*bench.store.revoked.lock().unwrap(), [job.id().clone()]);
}
