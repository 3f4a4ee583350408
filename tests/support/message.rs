//! Messages, results and settlements, built in a word.
//!
//! A message is known by its label: its id is the bench's prefix, a dot, and the label.

use std::time::Duration;

use bytes::Bytes;
use queue_core::store::{DeadLetter, DeadReason, Delivery, Ending, Outgoing, Settlement, StoredResult};
use queue_core::{Priority, QueueName, TaskId};
use serde_json::{Value, json};

/// A message in the lean envelope, ready at once.
pub fn message(queue: &QueueName, id: &TaskId) -> Outgoing {
    let envelope = json!({
        "body": "W1tdLCB7fSwgbnVsbF0=",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "rs", "task": "test.job", "id": id.as_str(), "root_id": id.as_str(), "retries": 0},
        "properties": {
            "correlation_id": id.as_str(), "delivery_mode": 2, "delivery_tag": id.as_str(), "priority": 0,
            "delivery_info": {"exchange": "", "routing_key": queue.as_str()}, "body_encoding": "base64",
        },
    });
    Outgoing {
        queue: queue.clone(),
        priority: Priority::HIGHEST,
        due: None,
        id: id.clone(),
        task: "test.job".into(),
        payload: envelope.to_string().into(),
    }
}

/// The label of a message of [`message`]'s making.
pub fn label(payload: &[u8]) -> String {
    let id = id(payload);
    id.split_once('.').map_or(&*id, |(_, label)| label).to_owned()
}

fn id(payload: &[u8]) -> String {
    let envelope: Value = serde_json::from_slice(payload).unwrap();
    envelope["headers"]["id"].as_str().unwrap().to_owned()
}

/// The labels of deliveries, in order.
pub fn labels(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| label(delivery.payload())).collect()
}

/// Celery's result object.
pub fn meta(id: &TaskId, state: &str, value: &Value) -> Bytes {
    let value = json!(value);
    format!(
        r#"{{"status": "{state}", "result": {value}, "traceback": null, "children": [], "date_done": null, "task_id": "{id}"}}"#
    )
    .into()
}

/// A result kept for a month: longer than any test moves its clock.
pub fn result(id: &TaskId, state: &str, value: impl Into<Value>) -> StoredResult {
    StoredResult { id: id.clone(), meta: meta(id, state, &value.into()), ttl: Some(Duration::from_secs(30 * 86_400)) }
}

/// Settles `delivery` as done.
pub fn done(delivery: &Delivery) -> Settlement {
    Settlement::done(delivery.tag.clone())
}

/// The same settlement with one more result to store.
pub fn with_result(mut settlement: Settlement, result: StoredResult) -> Settlement {
    settlement.results.push(result);
    settlement
}

/// The same settlement with one more message to enqueue.
pub fn with_follow(mut settlement: Settlement, follow: Outgoing) -> Settlement {
    settlement.follow.push(follow);
    settlement
}

/// Settles `delivery` as a dead letter with this error.
pub fn dead_letter(delivery: &Delivery, error: &str) -> Settlement {
    let letter = DeadLetter {
        id: Some(id(delivery.payload())),
        task: Some("test.job".to_owned()),
        reason: DeadReason::Failed,
        error: error.to_owned(),
        retries: 2,
        worker: "tester@bench".to_owned(),
    };
    Settlement { ending: Ending::Dead(Box::new(letter)), ..done(delivery) }
}
