use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn error(kind: ErrorKind) -> TaskError {
    TaskError { kind, exception: Box::new(exception()), replacement: None, again: None }
}

fn exception() -> Exception {
    Exception { exc_type: "Oops".into(), exc_module: "m".into(), message: "oops".into(), traceback: None }
}

fn attempt(retries: u32, max_retries: Option<u32>) -> Attempt {
    let backoff = Backoff { factor: SECOND, max: 60 * SECOND, jitter: false };
    Attempt { retries, max_retries, backoff, interrupted: false }
}

fn dead(reason: DeadReason) -> Verdict {
    Verdict::DeadLetter { reason, why: exception() }
}

fn retry(wait: Duration) -> Verdict {
    Verdict::Retry { wait, why: exception(), again: Again::default() }
}

#[test]
fn a_value_succeeds() {
    let value = Json::from_value(&5).unwrap();
    assert_eq!(verdict(Ok(value.clone()), attempt(0, None)), Verdict::Succeed(value));
}

#[test]
fn an_error_is_retried_with_doubling_waits_while_the_task_has_retries_left() {
    let failed = |retries| verdict(Err(error(ErrorKind::Failed)), attempt(retries, Some(3)));
    assert_eq!(failed(0), retry(SECOND));
    assert_eq!(failed(2), retry(4 * SECOND));
    assert_eq!(failed(3), dead(DeadReason::Failed));
}

#[test]
fn an_error_of_a_task_without_retries_is_its_end() {
    assert_eq!(verdict(Err(error(ErrorKind::Failed)), attempt(0, None)), dead(DeadReason::Failed));
    assert_eq!(verdict(Err(error(ErrorKind::Panicked)), attempt(0, None)), dead(DeadReason::Failed));
}

#[test]
fn a_panic_is_retried_like_an_error() {
    assert_eq!(verdict(Err(error(ErrorKind::Panicked)), attempt(0, Some(1))), retry(SECOND));
}

#[test]
fn a_retry_asked_for_has_its_own_wait_and_three_tries_by_default() {
    let asked = |retries, wait| verdict(Err(error(ErrorKind::Retry(wait))), attempt(retries, None));
    assert_eq!(asked(0, Some(7 * SECOND)), retry(7 * SECOND));
    assert_eq!(asked(2, None), retry(4 * SECOND));
    assert_eq!(asked(3, Some(SECOND)), dead(DeadReason::Failed));
}

#[test]
fn a_snooze_spends_no_attempt_however_many_were_spent() {
    let snooze = error(ErrorKind::Snooze(SECOND));
    assert_eq!(verdict(Err(snooze), attempt(9, Some(3))), Verdict::Snooze { wait: SECOND });
}

#[test]
fn what_cannot_get_better_is_not_retried() {
    let end = |kind| verdict(Err(error(kind)), attempt(0, Some(5)));
    assert_eq!(end(ErrorKind::Fatal), dead(DeadReason::Failed));
    assert_eq!(end(ErrorKind::Reject), dead(DeadReason::Rejected));
    assert_eq!(end(ErrorKind::BadArguments), dead(DeadReason::BadArguments));
    assert_eq!(end(ErrorKind::TimeLimit), dead(DeadReason::TimeLimit));
}

#[test]
fn a_failure_of_a_body_that_the_stopping_worker_cut_short_does_not_count() {
    let interrupted = |kind| verdict(Err(error(kind)), Attempt { interrupted: true, ..attempt(0, Some(5)) });
    assert_eq!(interrupted(ErrorKind::Failed), Verdict::GiveBack);
    assert_eq!(interrupted(ErrorKind::Retry(None)), Verdict::GiveBack);
    assert_eq!(interrupted(ErrorKind::Fatal), dead(DeadReason::Failed));
    assert_eq!(interrupted(ErrorKind::Snooze(SECOND)), Verdict::Snooze { wait: SECOND });
}
