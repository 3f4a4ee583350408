//! Writes the lean envelope.
//!
//! The least that a Celery worker takes, its `retry()` included: the body as plain JSON text, the content type, `task`
//! and `id`, a delivery tag and where the message was sent. Everything else is written only when it says something.

use std::time::Duration;

use bytes::Bytes;

use super::date::write_date;
use super::json::Json;
use super::text::{write_escaped, write_int, write_string};
use super::{Draft, Message, Text, lean};
use crate::clock::Timestamp;
use crate::names::{Priority, TaskId};

/// What a body has besides its three parts: `[,,]`.
const FRAME: usize = 4;

impl Message {
    /// The name to show: `shadow` where there is one, else the task's.
    pub fn display_name(&self) -> &str {
        self.shadow.as_deref().unwrap_or(&self.task)
    }
}

impl Draft {
    /// A call of `task` with no arguments, to `queue`, with nothing else said.
    pub fn new(task: impl Into<Text>, id: TaskId, queue: impl Into<Text>) -> Self {
        Self {
            task: task.into(),
            id,
            args: Json::empty_array(),
            kwargs: Json::empty_object(),
            embed: Json::null(),
            queue: queue.into(),
            priority: Priority::HIGHEST,
            retries: 0,
            eta: None,
            expires: None,
            time_limit: None,
            soft_time_limit: None,
            ignore_result: None,
            root_id: None,
            parent_id: None,
            group: None,
            group_index: None,
            sent_at: None,
            headers: Vec::new(),
        }
    }

    /// How many bytes its body has, before it is quoted.
    pub(crate) fn body_bytes(&self) -> usize {
        FRAME + self.content()
    }

    fn content(&self) -> usize {
        self.args.as_str().len() + self.kwargs.as_str().len() + self.embed.as_str().len()
    }

    /// The envelope, with a fresh `delivery_tag`.
    pub fn encode(&self) -> Bytes {
        let content = self.content();
        let mut out = Vec::with_capacity(384 + content + content / 8);
        self.write_body(&mut out);
        constant(&mut out, lean::HEADERS);
        self.write_headers(&mut out);
        out.push(b'}');
        constant(&mut out, lean::PROPERTIES);
        constant(&mut out, lean::DELIVERY_TAG);
        write_int(&mut out, fresh_delivery_tag());
        if self.priority != Priority::HIGHEST {
            constant(&mut out, lean::PRIORITY);
            write_int(&mut out, self.priority.get());
        }
        constant(&mut out, lean::DELIVERY_INFO);
        constant(&mut out, lean::ROUTING_KEY);
        write_string(&mut out, &self.queue);
        constant(&mut out, lean::END);
        Bytes::from(out)
    }

    fn write_body(&self, out: &mut Vec<u8>) {
        constant(out, lean::BODY);
        out.extend_from_slice(b"\"[");
        write_escaped(out, self.args.as_str());
        out.push(b',');
        write_escaped(out, self.kwargs.as_str());
        out.push(b',');
        write_escaped(out, self.embed.as_str());
        out.extend_from_slice(b"]\"");
    }

    fn write_headers(&self, out: &mut Vec<u8>) {
        constant(out, lean::TASK);
        write_string(out, &self.task);
        constant(out, lean::ID);
        write_string(out, self.id.as_str());
        if self.retries > 0 {
            number(out, "retries", self.retries);
        }
        self.eta.inspect(|at| date(out, "eta", *at));
        self.expires.inspect(|at| date(out, "expires", *at));
        if self.time_limit.is_some() || self.soft_time_limit.is_some() {
            self.write_limits(out);
        }
        self.ignore_result.inspect(|ignore| raw(out, "ignore_result", if *ignore { "true" } else { "false" }));
        self.root_id.as_deref().inspect(|id| string(out, "root_id", id));
        self.parent_id.as_deref().inspect(|id| string(out, "parent_id", id));
        self.group.as_deref().inspect(|id| string(out, "group", id));
        self.group_index.inspect(|index| number(out, "group_index", *index));
        self.sent_at.inspect(|at| number(out, "sent_at", at.as_millis()));
        for (name, value) in &self.headers {
            out.push(b',');
            write_string(out, name);
            out.push(b':');
            out.extend_from_slice(value.as_str().as_bytes());
        }
    }

    fn write_limits(&self, out: &mut Vec<u8>) {
        key(out, "timelimit");
        out.push(b'[');
        seconds(out, self.time_limit);
        out.push(b',');
        seconds(out, self.soft_time_limit);
        out.push(b']');
    }
}

/// Unique among the messages in flight, which is all that a delivery tag must be. A number is shorter than a UUID.
pub(crate) fn fresh_delivery_tag() -> u64 {
    fastrand::u64(..)
}

/// What is the same in each message; `lean` reads it again.
fn constant(out: &mut Vec<u8>, part: &'static str) {
    out.extend_from_slice(part.as_bytes());
}

/// `,"name":` of a name that has nothing to escape: one of ours.
fn key(out: &mut Vec<u8>, name: &'static str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn string(out: &mut Vec<u8>, name: &'static str, value: &str) {
    key(out, name);
    write_string(out, value);
}

fn number(out: &mut Vec<u8>, name: &'static str, value: impl Into<i128>) {
    key(out, name);
    write_int(out, value);
}

fn raw(out: &mut Vec<u8>, name: &'static str, json: &str) {
    key(out, name);
    out.extend_from_slice(json.as_bytes());
}

fn date(out: &mut Vec<u8>, name: &'static str, at: Timestamp) {
    key(out, name);
    out.push(b'"');
    write_date(out, at);
    out.push(b'"');
}

/// Seconds with as many decimals as it takes, none for whole ones; `null` for no limit.
fn seconds(out: &mut Vec<u8>, limit: Option<Duration>) {
    match limit {
        None => out.extend_from_slice(b"null"),
        Some(limit) if limit.subsec_nanos() == 0 => write_int(out, limit.as_secs()),
        Some(limit) => out.extend_from_slice(limit.as_secs_f64().to_string().as_bytes()),
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
