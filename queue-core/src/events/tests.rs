use serde_json::{Value, json};

use super::*;

fn captures() -> Value {
    shown(Json::new(include_str!("../../../tests/fixtures/celery/events.json")).unwrap().as_ref())
}

/// The messages of the capture that are events, raw and as they were decoded by Celery.
fn messages() -> Vec<(String, Value)> {
    let all = captures();
    let events = all["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["channel"].as_str().unwrap().contains("celeryev"));
    events.map(|one| (one["raw"].as_str().unwrap().to_owned(), one["decoded_body"].clone())).collect()
}

#[test]
fn every_event_of_the_capture_is_read_and_nothing_of_it_is_lost() {
    assert!(messages().len() > 60);
    for (raw, body) in messages() {
        let expected = if body.is_array() { body.as_array().unwrap().clone() } else { vec![body] };
        let events = Event::decode(raw.as_bytes()).unwrap();
        let read: Vec<Value> = events.iter().map(Event::to_value).collect();
        assert_eq!(read, expected);
    }
}

#[test]
fn what_we_write_we_read_again() {
    let clock = Lamport::default();
    let at = Timestamp::from_millis(1_795_380_740_727);
    let event = Event::new("task-succeeded", "w@host", at, &clock).with("uuid", "u1").with("runtime", 0.5);
    let (topic, payload) = event.post();
    assert_eq!(topic, Topic::Event("task.succeeded".to_owned()));
    assert_eq!(Event::decode(&payload).unwrap(), std::slice::from_ref(&event));
    let (topic, payload) = Event::multi(&[event.clone(), event.clone()]);
    assert_eq!(topic, Topic::Event("task.multi".to_owned()));
    assert_eq!(Event::decode(&payload).unwrap(), [event.clone(), event.clone()]);
    assert_eq!(event.to_value()["timestamp"], json!(1_795_380_740.727));
    assert_eq!(event.to_value().get("utcoffset"), None);
}

#[test]
fn what_is_no_event_is_left_out_and_what_is_odd_is_taken_as_not_said() {
    let post = |body: Value| {
        let json = |value: &Value| Json::from_value(value).unwrap();
        Post { headers: json(&json!({})), body: json(&body) }.encode("celeryev", "x")
    };
    let odd = json!([7, {"type": 7}, {}, {"type": "task-x", "pid": "many", "timestamp": null, "hostname": 3}, null]);
    let events = Event::decode(&post(odd)).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].pid, events[0].timestamp, events[0].hostname.as_str()), (None, 0.0, ""));
    assert!(Event::decode(b"hello").is_err());
    assert!(Event::decode(&post(json!("text"))).unwrap().is_empty());
}

#[test]
fn a_clock_is_always_after_what_it_heard() {
    let clock = Lamport::default();
    assert_eq!((clock.tick(), clock.tick()), (1, 2));
    clock.heard(40);
    assert!(clock.tick() > 40);
    clock.heard(3);
    assert!(clock.now() > 40);
}

#[test]
fn a_clock_that_heard_the_greatest_number_goes_on() {
    let clock = Lamport::default();
    assert_eq!((clock.tick(), clock.tick()), (1, 2));
    clock.heard(u64::MAX);
    assert_eq!((clock.tick(), clock.tick(), clock.now()), (u64::MAX, u64::MAX, u64::MAX));
}
