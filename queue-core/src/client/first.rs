//! What is kept under an idempotency key: of which task the first send was, and what its results are called.

use bytes::Bytes;

use crate::canvas::ResultNode;
use crate::message::Json;
use crate::names::TaskId;

/// The first send with an idempotency key, as whoever sends with it again is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstSend {
    /// The name of the task; of a workflow Celery's word for it, e.g. `celery.chain`.
    pub task: String,
    /// Its last results: what a caller waits for.
    pub result: ResultNode,
}

impl FirstSend {
    /// A single call.
    pub fn of_task(task: impl Into<String>, id: &TaskId) -> Self {
        Self { task: task.into(), result: ResultNode::Task(id.as_str().to_owned()) }
    }

    /// As a store keeps it: a JSON array of the two.
    pub fn encode(&self) -> Bytes {
        format!("[{}, {}]", Json::text(&self.task).as_str(), self.result.to_json().as_str()).into()
    }

    /// Reads what [`FirstSend::encode`] wrote.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let json = Json::new(std::str::from_utf8(value).ok()?).ok()?;
        let mut parts = json.as_ref().elements().ok()?;
        let task = parts.next()?.parse().ok()?;
        let result = ResultNode::from_json(parts.next()?)?;
        Some(Self { task, result }).filter(|_| parts.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let members = vec![ResultNode::Task("a\"b".to_owned()), ResultNode::Group("g".to_owned(), Vec::new())];
        let sent = FirstSend { task: "mail.\"send\"".to_owned(), result: ResultNode::Group("all".to_owned(), members) };
        assert_eq!(FirstSend::decode(&sent.encode()), Some(sent));
        for nothing in ["", "x", "[]", "[\"t\"]", "[\"t\", [[\"i\", null], null], 1]", "{}"] {
            assert_eq!(FirstSend::decode(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
