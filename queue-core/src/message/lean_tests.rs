use super::super::{Draft, Json, shown};
use super::*;
use crate::clock::Timestamp;
use crate::names::{Priority, TaskId};

fn full() -> Draft {
    Draft {
        args: Json::new(r#"["é \" \\ ]", {"a": [1.5e3]}]"#).unwrap(),
        kwargs: Json::new(r#"{"b": null}"#).unwrap(),
        embed: Json::new(r#"{"chain": []}"#).unwrap(),
        priority: Priority::new(3),
        eta: Some(Timestamp::from_millis(1_795_380_812_912)),
        retries: 2,
        ignore_result: Some(true),
        root_id: Some("root".into()),
        group: Some("group".into()),
        sent_at: Some(Timestamp::from_millis(1_795_380_812_913)),
        headers: vec![("mine".into(), Json::new(r#"{"x":[]}"#).unwrap())],
        ..Draft::new("tasks.add", TaskId::new("i\"d").unwrap(), "cel\"ery")
    }
}

fn text(draft: &Draft) -> String {
    String::from_utf8(draft.encode().to_vec()).unwrap()
}

/// What `lean` says, which is what the walk says, or nothing.
fn both(text: &str) -> bool {
    let limits = DecodeLimits::default();
    let Some(lean) = read(text, &limits) else { return false };
    assert_eq!(lean, Envelope::walk(text, &limits).unwrap(), "{text}");
    true
}

#[test]
fn what_our_senders_write_needs_no_walk() {
    assert!(both(&text(&Draft::new("tasks.add", TaskId::random(), "celery"))));
    assert!(both(&text(&full())));
}

#[test]
fn what_others_write_is_walked() {
    let fixture = include_str!("../../../tests/fixtures/celery/messages.json");
    let fixture = shown(Json::new(fixture).unwrap().as_ref());
    let raw = fixture["cases"][0]["redis_after"]["db0"]["celery"]["items"][0]["raw"].as_str().unwrap();
    assert!(!both(raw) && Envelope::walk(raw, &DecodeLimits::default()).is_ok());
}

/// Wherever a byte is missing, comes twice, or is another: the walk would have said the same, if anything is said.
#[test]
fn a_message_that_differs_anywhere_means_the_same() {
    let whole = text(&full());
    let ends: Vec<usize> = whole.char_indices().map(|(at, _)| at).chain([whole.len()]).collect();
    let mut read = 0;
    for pair in ends.windows(2) {
        let (before, here, after) = (&whole[..pair[0]], &whole[pair[0]..pair[1]], &whole[pair[1]..]);
        for new in ["", " ", "\"", "\\", "{", "}", ",", "0", "null", "\",\"task\":\"other", &here.repeat(2)] {
            read += usize::from(both(&format!("{before}{new}{after}")));
        }
        both(before);
    }
    assert!(read > whole.len() / 2, "only {read} of them had the form");
}

#[test]
fn a_header_that_comes_twice_counts_as_the_later_one() {
    let text = text(&full()).replacen(",\"retries\"", ",\"task\":\"later\",\"retries\"", 1);
    assert!(both(&text));
    let task = read(&text, &DecodeLimits::default()).unwrap().fields.task.unwrap();
    assert_eq!(task.as_str(), "\"later\"");
}

#[test]
fn what_is_nested_too_deep_is_left_to_the_walk() {
    let limits = DecodeLimits { max_depth: 1, ..DecodeLimits::default() };
    let text = text(&full());
    assert!(read(&text, &limits).is_none() && Envelope::walk(&text, &limits).is_err());
}

/// Celery's defaults are read in one go, but not where anything of them is another.
#[test]
fn a_plain_call_of_celerys_means_what_its_headers_say() {
    let fixture = include_str!("../../../tests/fixtures/celery/messages.json");
    let fixture = shown(Json::new(fixture).unwrap().as_ref());
    let raw = fixture["cases"][0]["redis_after"]["db0"]["celery"]["items"][0]["raw"].as_str().unwrap();
    let fields = |text: &str| format!("{:?}", Envelope::walk(text, &DecodeLimits::default()).unwrap().fields);
    // A space more, and the walk goes from key to key.
    assert!(raw.contains(", \"shadow\": null"));
    assert_eq!(fields(raw), fields(&raw.replace(", \"shadow\"", " , \"shadow\"")));
    let late = fields(&raw.replace("\"retries\": 0", "\"retries\": 7"));
    assert_eq!(
        late,
        fields(&raw.replace("\"retries\": 0", "\"retries\":  7").replace(", \"shadow\"", " , \"shadow\""))
    );
    assert!(late.contains("\"7\""));
}
