use queue_core::TaskId;
use queue_core::message::{DecodeLimits, Draft};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const FINE: Facts = Facts { deaths: 0, revoked: false, known: true, now: NOW };

fn message(change: impl FnOnce(&mut Draft)) -> Message {
    let mut draft = Draft::new("app.add", TaskId::new("t1").unwrap(), "celery");
    change(&mut draft);
    Message::decode(&draft.encode(), &DecodeLimits::default()).unwrap()
}

#[test]
fn an_ordinary_message_passes() {
    assert_eq!(gate(&message(|_| {}), FINE), Gate::Open);
}

#[test]
fn the_third_death_of_its_worker_is_the_last() {
    assert_eq!(gate(&message(|_| {}), Facts { deaths: 2, ..FINE }), Gate::Open);
    assert_eq!(gate(&message(|_| {}), Facts { deaths: 3, revoked: true, ..FINE }), Gate::Poison);
}

#[test]
fn what_was_revoked_is_not_run_even_if_it_is_unknown() {
    assert_eq!(gate(&message(|_| {}), Facts { revoked: true, known: false, ..FINE }), Gate::Revoked);
}

#[test]
fn a_message_expires_at_its_instant() {
    let until = |expires| message(|draft| draft.expires = Some(expires));
    assert_eq!(gate(&until(NOW), FINE), Gate::Expired);
    assert_eq!(gate(&until(Timestamp::from_millis(1_000_001)), FINE), Gate::Open);
}

#[test]
fn a_message_that_comes_too_early_waits_until_its_eta() {
    let at = |eta| message(|draft| draft.eta = Some(eta));
    let later = Timestamp::from_millis(1_000_500);
    assert_eq!(gate(&at(later), FINE), Gate::NotYet(later));
    assert_eq!(gate(&at(NOW), FINE), Gate::Open);
}

#[test]
fn an_unknown_task_is_not_run() {
    assert_eq!(gate(&message(|_| {}), Facts { known: false, ..FINE }), Gate::UnknownTask);
}
