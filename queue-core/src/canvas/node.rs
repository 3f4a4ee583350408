//! What a signature's results will be called: Celery's *result tuples*.

use crate::message::Json;

/// The results of something sent: a task's, or those of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultNode {
    /// One task.
    Task(String),
    /// A group: its id, and its members in order.
    Group(String, Vec<ResultNode>),
}

impl ResultNode {
    /// The id of the task or group.
    pub fn id(&self) -> &str {
        match self {
            Self::Task(id) | Self::Group(id, _) => id,
        }
    }

    /// As Celery writes it: a task is `[[id, null], null]`, a group `[[id, null], [tuple, …]]`.
    pub fn to_json(&self) -> Json {
        let mut out = String::new();
        self.write(&mut out);
        Json::trusted(out)
    }

    /// Reads what [`ResultNode::to_json`] or Celery wrote; parents are left out.
    pub fn from_json(json: crate::message::JsonRef<'_>) -> Option<Self> {
        let mut parts = json.elements().ok()?;
        let id: String = parts.next()?.elements().ok()?.next()?.parse().ok()?;
        let members = parts.next()?;
        if members.is_null() {
            return Some(Self::Task(id));
        }
        let members = members.elements().ok()?.map(Self::from_json).collect::<Option<_>>()?;
        Some(Self::Group(id, members))
    }

    /// The group meta that Celery stores for a saved group.
    pub(crate) fn to_meta(&self) -> Json {
        Json::trusted(format!("{{\"result\": {}}}", self.to_json().as_str()))
    }

    fn write(&self, out: &mut String) {
        out.push_str("[[");
        out.push_str(Json::text(self.id()).as_str());
        out.push_str(", null], ");
        match self {
            Self::Task(_) => out.push_str("null"),
            Self::Group(_, members) => write_list(members, out, Self::write),
        }
        out.push(']');
    }
}

/// A JSON array of what `write` writes of each item, spaced as Python does.
pub(super) fn write_list<T>(items: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    out.push('[');
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
    out.push(']');
}
