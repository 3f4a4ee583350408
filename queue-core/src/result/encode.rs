//! Writes results in Python's order and spacing: readers and scripts look at how they begin.

use bytes::Bytes;

use super::ResultMeta;
use crate::clock::Timestamp;
use crate::message::{write_date, write_string};

impl ResultMeta {
    /// The bytes, in Python's order and spacing: they begin with `{"status": "<STATE>"`.
    pub fn encode(&self) -> Bytes {
        let children = self.children.as_ref().map_or("null", |children| children.as_str());
        let mut out = Vec::with_capacity(224 + self.result.as_str().len() + children.len());
        out.extend_from_slice(b"{\"status\": ");
        write_string(&mut out, self.state.as_str());
        raw(&mut out, b", \"result\": ", self.result.as_str());
        text(&mut out, b", \"traceback\": ", self.traceback.as_deref());
        raw(&mut out, b", \"children\": ", children);
        date(&mut out, b", \"date_done\": ", self.date_done);
        self.group_id.as_deref().inspect(|id| text(&mut out, b", \"group_id\": ", Some(id)));
        self.parent_id.as_deref().inspect(|id| text(&mut out, b", \"parent_id\": ", Some(id)));
        for (name, value) in &self.extra {
            out.extend_from_slice(b", ");
            write_string(&mut out, name);
            raw(&mut out, b": ", value.as_str());
        }
        text(&mut out, b", \"task_id\": ", Some(self.task_id.as_str()));
        out.push(b'}');
        Bytes::from(out)
    }
}

fn raw(out: &mut Vec<u8>, key: &[u8], json: &str) {
    out.extend_from_slice(key);
    out.extend_from_slice(json.as_bytes());
}

/// A string, or `null`.
fn text(out: &mut Vec<u8>, key: &[u8], text: Option<&str>) {
    out.extend_from_slice(key);
    match text {
        Some(text) => write_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

fn date(out: &mut Vec<u8>, key: &[u8], at: Option<Timestamp>) {
    out.extend_from_slice(key);
    match at {
        Some(at) => {
            out.push(b'"');
            write_date(out, at);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}
