//! Celery's protocol 2 on the wire: what a message holds, how it is read, written and rewritten.
//!
//! We read everything Celery 5 writes and write a lean envelope that Celery 5 reads: the body as plain JSON text,
//! only the headers that say something. Texts of JSON are kept as they came ([`Json`]), so that
//! `NaN`, big integers and unknown headers travel on unchanged.

mod body;
mod compression;
mod date;
mod decode;
mod encode;
mod envelope;
mod error;
mod fields;
mod json;
mod lean;
mod post;
mod python;
mod rewrite;
mod scan;
mod short;
mod text;
mod value;
mod write;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::names::{Priority, TaskId};

pub use self::date::parse_date;
pub use self::error::{DecodeError, ValueError};
pub use self::json::{Elements, Entries, Json, JsonRef};
pub use self::post::Post;
pub use self::rewrite::rewrite;
pub use self::short::Text;

pub(crate) use self::compression::decompress;
pub(crate) use self::date::write_date;
pub(crate) use self::envelope::{utf8, walk};
pub(crate) use self::fields::Field;
pub(crate) use self::post::shown;
pub(crate) use self::python::python_text;
pub(crate) use self::scan::Scanner;
pub(crate) use self::text::{unescape_lossy, write_int, write_string};

/// One message, decoded for a worker or for looking.
#[derive(Debug, Clone)]
pub struct Message {
    /// The task's name.
    pub task: Text,
    /// The task's id.
    pub id: TaskId,
    /// Positional arguments: a JSON array.
    pub args: Json,
    /// Keyword arguments: a JSON object.
    pub kwargs: Json,
    /// Callbacks, errbacks, chain, chord: a JSON object, array or null, as it came.
    pub embed: Json,
    /// 0 for the first run.
    pub retries: u32,
    /// Not before this instant.
    pub eta: Option<Timestamp>,
    /// Not after this instant.
    pub expires: Option<Timestamp>,
    /// Hard limit: the run is ended.
    pub time_limit: Option<Duration>,
    /// Soft limit: the run is asked to end.
    pub soft_time_limit: Option<Duration>,
    /// True: store no result. `None`: the task's default.
    pub ignore_result: Option<bool>,
    /// The first task of the workflow; absent: this one.
    pub root_id: Option<String>,
    /// Who sent it.
    pub parent_id: Option<String>,
    /// The group it belongs to.
    pub group: Option<String>,
    /// Its place in the group.
    pub group_index: Option<i64>,
    /// A name to show instead of `task`.
    pub shadow: Option<String>,
    /// `gen<pid>@<host>` of the producer.
    pub origin: Option<String>,
    /// When it was sent; only our producers say so (header `sent_at`, Unix ms).
    pub sent_at: Option<Timestamp>,
    /// All headers, as they came: a JSON object.
    pub headers: Json,
    /// Whether there are headers besides those that the fields above stand for. Few messages of ours have any.
    pub other_headers: bool,
    /// The priority property.
    pub priority: Priority,
    /// `properties.delivery_info.exchange`.
    pub exchange: Text,
    /// `properties.delivery_info.routing_key`.
    pub routing_key: Text,
    /// `properties.delivery_tag`, as it stands: fresh each time the message is sent on.
    pub delivery_tag: Text,
    /// `properties.reply_to`.
    pub reply_to: Option<String>,
    /// `properties.correlation_id`.
    pub correlation_id: Option<String>,
}

impl Message {
    /// Since when it could be started, as far as it says: since it was due, or else since it was sent.
    pub fn ready_since(&self) -> Option<Timestamp> {
        self.eta.max(self.sent_at)
    }
}

/// What a new message says; [`Draft::encode`] makes the envelope.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The task's name.
    pub task: Text,
    /// The task's id.
    pub id: TaskId,
    /// A JSON array.
    pub args: Json,
    /// A JSON object.
    pub kwargs: Json,
    /// The third element of the body; `null` when there is nothing.
    pub embed: Json,
    /// The queue, which is also the routing key.
    pub queue: Text,
    /// The priority property; left out when 0.
    pub priority: Priority,
    /// Left out when 0.
    pub retries: u32,
    /// Left out when absent, as are all below.
    pub eta: Option<Timestamp>,
    /// As [`Message::expires`].
    pub expires: Option<Timestamp>,
    /// As [`Message::time_limit`].
    pub time_limit: Option<Duration>,
    /// As [`Message::soft_time_limit`].
    pub soft_time_limit: Option<Duration>,
    /// As [`Message::ignore_result`].
    pub ignore_result: Option<bool>,
    /// As [`Message::root_id`].
    pub root_id: Option<String>,
    /// As [`Message::parent_id`].
    pub parent_id: Option<String>,
    /// As [`Message::group`].
    pub group: Option<String>,
    /// As [`Message::group_index`].
    pub group_index: Option<i64>,
    /// As [`Message::sent_at`].
    pub sent_at: Option<Timestamp>,
    /// More headers, merged flat: a name and its JSON.
    pub headers: Vec<(String, Json)>,
}

/// What to change in a message that is sent on; everything else stays byte for byte.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// `headers.retries`.
    pub retries: Option<u32>,
    /// `headers.eta`: `Some(None)` removes it.
    pub eta: Option<Option<Timestamp>>,
    /// `headers.expires`: `Some(None)` removes it.
    pub expires: Option<Option<Timestamp>>,
    /// Other positional arguments, a JSON array; the body is then written anew, as plain text.
    pub args: Option<Json>,
    /// Other keyword arguments, a JSON object; likewise.
    pub kwargs: Option<Json>,
    /// More headers to set: a name and its JSON.
    pub headers: Vec<(String, Json)>,
}

/// Limits on what is read.
#[derive(Debug, Clone, Copy)]
pub struct DecodeLimits {
    /// Bytes of a body after decompression. Default 64 MiB.
    pub max_body: usize,
    /// Nesting of arrays and objects. Default 512.
    pub max_depth: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_body: 64 * 1024 * 1024, max_depth: 512 }
    }
}
