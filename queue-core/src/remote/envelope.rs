//! Requests and replies on the wire.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::glob::glob;
use crate::message::{DecodeError, DecodeLimits, Json, Post, shown};
use crate::store::ReplyTo;

/// kombu's exchange of requests.
const EXCHANGE: &str = "celery.pidbox";

/// A request to workers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// What to do: `ping`, `revoke`, …
    pub method: String,
    /// With what.
    pub arguments: Map<String, Value>,
    /// Which workers; empty: all, or those that fit `pattern`.
    pub destination: Vec<String>,
    /// Without a destination, those whose names fit this.
    pub pattern: Option<String>,
    /// What kind of pattern: `glob` or `pcre`.
    pub matcher: Option<String>,
    /// Names the request to its replies.
    pub ticket: Option<String>,
    /// Where replies go; `None`: none is wanted.
    pub reply_to: Option<ReplyTo>,
    /// The sender's logical clock.
    pub clock: Option<u64>,
    /// Until when replies are waited for, in Unix seconds.
    pub expires: Option<f64>,
}

impl Request {
    /// Reads what was published. Where Celery's workers are tolerant, so is this: all but the method may be missing.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is no envelope, or its body no request.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let (headers, mut body) = read(payload)?;
        let Some(Value::String(method)) = body.remove("method") else {
            return Err(DecodeError::Missing { field: "body.method".to_owned() });
        };
        let mut take = |name: &str| body.remove(name).unwrap_or(Value::Null);
        let arguments = match take("arguments") {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        Ok(Self {
            method,
            arguments,
            destination: names(take("destination")),
            pattern: text(take("pattern")),
            matcher: text(take("matcher")),
            ticket: text(take("ticket")),
            reply_to: serde_json::from_value(take("reply_to")).ok(),
            clock: headers.get("clock").and_then(Value::as_u64),
            expires: headers.get("expires").and_then(Value::as_f64),
        })
    }

    /// The envelope.
    pub fn encode(&self) -> Bytes {
        let some = |destination: &[String]| (!destination.is_empty()).then(|| json!(destination));
        let mut body = json!({
            "method": self.method, "arguments": self.arguments, "destination": some(&self.destination),
            "pattern": self.pattern, "matcher": self.matcher,
        });
        if let (Some(ticket), Some(reply_to)) = (&self.ticket, &self.reply_to) {
            body["ticket"] = json!(ticket);
            body["reply_to"] = json!(reply_to);
        }
        let headers = json!({ "clock": self.clock.unwrap_or(0), "expires": self.expires.unwrap_or(0.0) });
        write(&headers, &body, EXCHANGE, "")
    }

    /// Whether the worker of this name is meant; `None` when the pattern is of a kind that we cannot tell.
    pub fn is_for(&self, hostname: &str) -> Option<bool> {
        if !self.destination.is_empty() {
            return Some(self.destination.iter().any(|name| name == hostname));
        }
        match (self.pattern.as_deref(), self.matcher.as_deref()) {
            (None | Some(""), _) | (_, None | Some("")) => Some(true),
            (Some(pattern), Some("glob")) => Some(glob(pattern, hostname)),
            (Some(_), Some(_)) => None,
        }
    }
}

/// What workers replied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// The request's.
    pub ticket: Option<String>,
    /// The sender's logical clock.
    pub clock: Option<u64>,
    /// By the worker's name; a worker sends one.
    pub answers: Map<String, Value>,
}

impl Reply {
    /// Reads what was put into a reply box.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is no envelope, or its body no object.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let (mut headers, answers) = read(payload)?;
        let clock = headers.get("clock").and_then(Value::as_u64);
        let ticket = headers.remove("ticket").and_then(text);
        Ok(Self { ticket, clock, answers })
    }

    /// The envelope, addressed to a box.
    pub fn encode(&self, to: &ReplyTo) -> Bytes {
        let headers = json!({ "ticket": self.ticket, "clock": self.clock.unwrap_or(0) });
        write(&headers, &Value::Object(self.answers.clone()), &to.exchange, &to.routing_key)
    }
}

type Object = Map<String, Value>;

/// Headers and body.
fn read(payload: &[u8]) -> Result<(Object, Object), DecodeError> {
    let post = Post::decode(payload, &DecodeLimits::default())?;
    match (shown(post.headers.as_ref()), shown(post.body.as_ref())) {
        (Value::Object(headers), Value::Object(body)) => Ok((headers, body)),
        (_, body) => {
            let found = Json::from_value(&body).map(|body| body.preview(60)).unwrap_or_default();
            Err(DecodeError::Invalid { field: "body".to_owned(), expected: "an object", found })
        }
    }
}

fn write(headers: &Value, body: &Value, exchange: &str, routing_key: &str) -> Bytes {
    // Values of ours: always JSON.
    let json = |value: &Value| Json::from_value(value).unwrap_or_else(|_| Json::empty_object());
    Post { headers: json(headers), body: json(body) }.encode(exchange, routing_key)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A list of names, or one.
fn names(value: Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.into_iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
