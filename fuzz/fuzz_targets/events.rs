//! Any bytes are events or refused; an event is written and read again. JSON is shown as Python does, within bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue_core::Timestamp;
use queue_core::events::{Event, Lamport, args_repr, repr, text_repr};
use queue_core::message::{Json, Message};

fuzz_target!(|data: &[u8]| {
    match Event::decode(data) {
        Ok(events) => {
            events.iter().for_each(alone);
            let (_, bytes) = Event::multi(&events);
            assert_eq!(Event::decode(&bytes).expect("what was written are events").len(), events.len());
        }
        Err(error) => assert!(error.to_string().len() < 1000),
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    bounded(&text_repr(text));
    if let Ok(json) = Json::new(text) {
        bounded(&repr(json.as_ref()));
        bounded(&args_repr(&json));
    }
    if let Ok(message) = Message::decode(data, &queue_fuzz::parts::limits()) {
        let (clock, now) = (Lamport::default(), Timestamp::from_millis(0));
        clock.heard(u64::MAX - 1);
        alone(&Event::new("task-received", "queue@host", now, &clock).about(&message));
    }
});

fn alone(event: &Event) {
    let _ = (event.uuid(), format!("{event:?}"));
    let (_, bytes) = event.post();
    let again = Event::decode(&bytes).expect("what was written is an event");
    assert_eq!(again.len(), 1);
    assert_eq!((&again[0].kind, &again[0].hostname, again[0].pid), (&event.kind, &event.hostname, event.pid));
    assert_eq!(again[0].fields, event.fields);
}

fn bounded(shown: &str) {
    assert!(shown.len() < 2000, "{} bytes", shown.len());
}
