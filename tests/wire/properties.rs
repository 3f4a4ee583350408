//! For any message of ours: what was said is read back; rewriting keeps the rest; no bytes at all make a reader panic.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use queue_core::message::{Changes, DecodeLimits, Draft, Json, Message, rewrite};
use queue_core::result::{ResultMeta, State, is_ready_meta};
use queue_core::{Priority, TaskId, Timestamp};

/// Any JSON text, in any spelling, with Python's words in it.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("NaN".to_owned()),
        Just("-Infinity".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][-+]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just("\"\\ud800\\u00e9\\/\"".to_owned()),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(" , "))),
            vec((any::<String>(), inner), 0..4).prop_map(|entries| object(&entries)),
        ]
    })
}

fn object(entries: &[(String, String)]) -> String {
    let entries: Vec<String> =
        entries.iter().map(|(key, value)| format!("{}:\n{value}", serde_json::to_string(key).unwrap())).collect();
    format!("{{{}}}", entries.join(","))
}

fn array() -> impl Strategy<Value = Json> {
    vec(json(), 0..4).prop_map(|items| Json::new(format!("[{}]", items.join(", "))).unwrap())
}

fn kwargs() -> impl Strategy<Value = Json> {
    vec((any::<String>(), json()), 0..4).prop_map(|entries| Json::new(object(&entries)).unwrap())
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (0..253_402_300_799_000_i64).prop_map(Timestamp::from_millis)
}

fn limit() -> impl Strategy<Value = Option<Duration>> {
    option::of((1..10_000_000_u64).prop_map(Duration::from_millis))
}

prop_compose! {
    fn draft()(
        task in ".{1,40}", id in ".{1,40}", queue in ".{0,20}", priority in 0..10_i64, retries in any::<u32>(),
        (args, kwargs) in (array(), kwargs()), (eta, expires, sent_at) in (option::of(instant()), option::of(instant()), option::of(instant())),
        (time_limit, soft_time_limit) in (limit(), limit()), ignore_result in any::<Option<bool>>(),
        (root_id, parent_id, group) in (any::<Option<String>>(), any::<Option<String>>(), any::<Option<String>>()),
        group_index in any::<Option<i64>>(), header in json(),
    ) -> Draft {
        let headers = vec![("x-mine".to_owned(), Json::new(header).unwrap())];
        Draft {
            args, kwargs, priority: Priority::new(priority), retries, eta, expires, sent_at, time_limit, soft_time_limit,
            ignore_result, root_id, parent_id, group, group_index, headers,
            ..Draft::new(task, TaskId::new(id).unwrap(), queue)
        }
    }
}

fn decode(payload: &[u8]) -> Message {
    Message::decode(payload, &DecodeLimits::default()).unwrap()
}

/// The text of one header.
fn header(message: &Message, name: &str) -> Option<String> {
    let mut entries = message.headers.entries().unwrap();
    entries.find(|(key, _)| key == name).map(|(_, value)| value.as_str().to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_is_read(draft in draft()) {
        let message = decode(&draft.encode());
        prop_assert_eq!(&message.task, &draft.task);
        prop_assert_eq!(&message.id, &draft.id);
        prop_assert_eq!(&message.routing_key, &draft.queue);
        prop_assert_eq!((&message.args, &message.kwargs, &message.embed), (&draft.args, &draft.kwargs, &draft.embed));
        prop_assert_eq!((message.priority, message.retries), (draft.priority, draft.retries));
        prop_assert_eq!((message.eta, message.expires, message.sent_at), (draft.eta, draft.expires, draft.sent_at));
        prop_assert_eq!((message.time_limit, message.soft_time_limit), (draft.time_limit, draft.soft_time_limit));
        prop_assert_eq!((message.ignore_result, message.group_index), (draft.ignore_result, draft.group_index));
        prop_assert_eq!(header(&message, "x-mine").unwrap(), draft.headers[0].1.as_str());
        prop_assert_eq!((message.root_id, message.parent_id, message.group), (draft.root_id, draft.parent_id, draft.group));
    }

    #[test]
    fn rewriting_keeps_the_rest(draft in draft(), retries in any::<u32>(), eta in option::of(option::of(instant()))) {
        let payload = draft.encode();
        let changes = Changes { retries: Some(retries), eta, ..Changes::default() };
        let (before, after) = (decode(&payload), decode(&rewrite(&payload, &changes).unwrap()));
        prop_assert_eq!(after.retries, retries);
        prop_assert_eq!(after.eta, eta.unwrap_or(before.eta));
        prop_assert_eq!(header(&after, "x-mine"), header(&before, "x-mine"));
        prop_assert_eq!((before.args, before.kwargs, before.task, before.id), (after.args, after.kwargs, after.task, after.id));
        // Changing back what was changed gives the first text again, but for the tag.
        let back = Changes { retries: Some(before.retries), eta: Some(before.eta), ..Changes::default() };
        let back = decode(&rewrite(&payload, &back).unwrap());
        prop_assert_eq!((back.retries, back.eta, back.expires), (before.retries, before.eta, before.expires));
    }

    #[test]
    fn any_value_survives(float in any::<f64>(), int in any::<i128>(), text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let json = Json::from_value(&(float, int, &text, &bytes)).unwrap();
        let back: (f64, i128, String, Vec<u8>) = json.parse().unwrap();
        prop_assert!(back.0 == float || (back.0.is_nan() && float.is_nan()));
        prop_assert_eq!((back.1, back.2, back.3), (int, text, bytes));
    }

    /// Alone: beside what `serde_json` cannot hold, a number is read by us.
    #[test]
    fn any_float_is_read_as_it_was_sent(float in any::<f64>()) {
        let back: f64 = Json::from_value(&float).unwrap().parse().unwrap();
        prop_assert_eq!(back.to_bits(), float.to_bits(), "{:e} became {:e}", float, back);
    }

    #[test]
    fn results_survive(result in json(), state in "[A-Z]{1,10}", traceback in any::<Option<String>>(), id in ".{1,40}", at in option::of(instant())) {
        let id = TaskId::new(id).unwrap();
        let meta = ResultMeta { traceback, ..ResultMeta::new(id, State::from(state.as_str()), Json::new(result).unwrap(), at) };
        let bytes = meta.encode();
        prop_assert_eq!(is_ready_meta(&bytes), meta.state.is_ready());
        prop_assert_eq!(ResultMeta::decode(&bytes).unwrap(), meta);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in any::<Vec<u8>>(), text in json(), cut in any::<prop::sample::Index>()) {
        let limits = DecodeLimits { max_body: 1000, max_depth: 20 };
        for bytes in [&bytes[..], text.as_bytes(), &text.as_bytes()[..cut.index(text.len())]] {
            let _ = Message::decode(bytes, &limits);
            let _ = ResultMeta::decode(bytes);
            let _ = rewrite(bytes, &Changes::default());
            let _ = is_ready_meta(bytes);
        }
        let json = Json::new(text).unwrap();
        let _ = json.parse::<serde_json::Value>();
        let _ = json.parse::<Vec<f64>>();
    }
}
