use std::time::Duration;

use futures_util::FutureExt;

use super::*;

fn hub() -> Arc<Hub> {
    Arc::new(Hub::default())
}

/// Whether it is woken now.
fn woken(waiting: &Waiting) -> bool {
    waiting.woken().now_or_never().is_some()
}

#[test]
fn one_message_wakes_the_one_that_waits_longest() {
    let hub = hub();
    let [a, b, c] = [(); 3].map(|()| hub.wait_for_messages(vec![1], false));
    hub.wake(1, Wake::Fresh, 1);
    assert_eq!([&a, &b, &c].map(woken), [true, false, false]);
    hub.wake(2, Wake::Fresh, 9);
    assert_eq!([&a, &b, &c].map(woken), [false; 3]);
    hub.wake(1, Wake::Fresh, 2);
    assert_eq!([&a, &b, &c].map(woken), [true, true, false]);
}

#[test]
fn two_messages_wake_two_before_either_has_looked() {
    let hub = hub();
    let [a, b] = [(); 2].map(|()| hub.wait_for_messages(vec![1], false));
    hub.wake(1, Wake::Fresh, 1);
    hub.wake(1, Wake::Fresh, 1);
    assert!(woken(&a) && woken(&b));
}

#[test]
fn who_leaves_without_looking_passes_it_on() {
    let hub = hub();
    let [a, b] = [(); 2].map(|()| hub.wait_for_messages(vec![1], false));
    hub.wake(1, Wake::Fresh, 1);
    drop(a);
    assert!(woken(&b));
    drop(b);
    // Nobody waits: who comes later looks first, and is not woken by the past.
    hub.wake(1, Wake::Fresh, 1);
    assert!(!woken(&hub.wait_for_messages(vec![1], false)));
}

#[test]
fn a_suspect_wakes_only_who_may_run_it() {
    let hub = hub();
    let (careful, free) = (hub.wait_for_messages(vec![1], false), hub.wait_for_messages(vec![1], true));
    hub.wake(1, Wake::Suspect, 5);
    assert!(!woken(&careful) && woken(&free));
}

#[test]
fn what_is_due_wakes_once() {
    let hub = hub();
    let waiting = hub.wait_for_messages(vec![1], false);
    hub.due(1, Some(Timestamp::from_millis(50)));
    hub.wake_due(Timestamp::from_millis(49));
    assert!(!woken(&waiting));
    hub.wake_due(Timestamp::from_millis(50));
    assert!(woken(&waiting));
    hub.wake_due(Timestamp::from_millis(51));
    assert!(!woken(&waiting));
}

#[test]
fn a_result_goes_to_all_who_find_it_ready() {
    let (hub, id) = (hub(), TaskId::new("t").unwrap());
    let mut any = hub.wait_for_result(&id, |_| true);
    let mut done = hub.wait_for_result(&id, |meta| meta == b"done");
    hub.result(&id, &Bytes::from_static(b"begun"));
    assert_eq!(any.result().now_or_never(), Some(Some(Bytes::from_static(b"begun"))));
    assert_eq!(done.result().now_or_never(), None);
    hub.result(&id, &Bytes::from_static(b"done"));
    assert_eq!(done.result().now_or_never(), Some(Some(Bytes::from_static(b"done"))));
}

#[test]
fn the_poller_looks_for_each_new_result_once() {
    let (hub, id) = (hub(), TaskId::new("t").unwrap());
    let waiting = hub.wait_for_result(&id, |_| true);
    let watch = hub.next_watch(Duration::ZERO).unwrap();
    assert!(watch.fresh && watch.results);
    assert_eq!(watch.new_results, [id]);
    assert!(hub.next_watch(Duration::ZERO).unwrap().new_results.is_empty());
    drop(waiting);
    hub.close();
    assert!(hub.next_watch(Duration::from_secs(60)).is_none());
}
