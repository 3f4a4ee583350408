//! What a body's error says.

use std::fmt;
use std::time::Duration;

use queue_core::prelude::*;
use queue_core::store::BoxError;
use queue_core::task::ErrorKind;

use crate::recorder::Bench;

#[derive(Debug)]
struct Declined(std::num::ParseIntError);

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the card was declined")
    }
}

impl std::error::Error for Declined {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn declined() -> Declined {
    Declined("x".parse::<u8>().unwrap_err())
}

#[task]
async fn typed() -> Result<(), Declined> {
    Err(declined())
}

#[task]
async fn questioned() -> TaskResult {
    Err(declined())?
}

#[task]
async fn boxed() -> Result<(), BoxError> {
    Err(TaskError::snooze(minutes(1)))?
}

#[task]
async fn worded() -> Result<(), String> {
    Err("no such order".to_owned())
}

#[task]
async fn unwritable() -> std::collections::HashMap<(u8, u8), u8> {
    [((1, 2), 3)].into()
}

async fn failure<T: Task>(task: T) -> TaskError {
    Bench::new().run_with(task, "[]", "{}").await.unwrap_err()
}

#[tokio::test]
async fn an_error_keeps_its_type_its_words_and_its_causes() {
    for error in [failure(typed).await, failure(questioned).await] {
        assert_eq!(error.kind, ErrorKind::Failed);
        assert_eq!(error.exception.exc_type, "Declined");
        assert_eq!(error.exception.exc_module, "tasks.errors");
        assert_eq!(error.exception.message, "the card was declined");
        let chain = "the card was declined\ncaused by: invalid digit found in string\n";
        assert_eq!(error.exception.traceback.as_deref(), Some(chain));
    }
}

#[tokio::test]
async fn a_task_error_survives_a_box() {
    assert_eq!(failure(boxed).await.kind, ErrorKind::Snooze(Duration::from_secs(60)));
}

#[tokio::test]
async fn texts_are_errors_too() {
    let error = failure(worded).await;
    assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::Failed, "no such order"));
    assert_eq!(error.exception.exc_type, "TaskError");
}

#[tokio::test]
async fn a_result_without_json_form_fails_for_good() {
    let error = failure(unwritable).await;
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(error.to_string().contains("cannot be written as JSON"), "{error}");
}

#[test]
fn a_cause_speaks_for_an_error_without_words() {
    let error = TaskError::retry_in(minutes(2)).because(declined());
    assert_eq!(error.kind, ErrorKind::Retry(Some(Duration::from_secs(120))));
    assert_eq!((error.exception.exc_type.as_str(), error.to_string().as_str()), ("Declined", "the card was declined"));
    assert_eq!(TaskError::retry().to_string(), "asked for a retry");
}

#[test]
fn a_cause_joins_the_chain_of_an_error_with_words() {
    let error = TaskError::reject("order 7 is nobody's").because(declined());
    assert_eq!(error.kind, ErrorKind::Reject);
    assert_eq!(error.to_string(), "order 7 is nobody's");
    let chain = "order 7 is nobody's\ncaused by: Declined: the card was declined\n\
                 caused by: invalid digit found in string\n";
    assert_eq!(error.exception.traceback.as_deref(), Some(chain));
}

#[test]
fn fatal_takes_errors_and_texts() {
    assert_eq!(TaskError::fatal(declined()).exception.exc_type, "Declined");
    assert_eq!(TaskError::fatal("no").exception.exc_module, "queue");
    assert_eq!(TaskError::fatal(TaskError::msg("no")).kind, ErrorKind::Fatal);
}
