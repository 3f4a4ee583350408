//! An envelope that carries no task: an event, a request to workers, a reply.
//!
//! The same envelope as a task's message, with any JSON for a body and free headers. We write the body as plain text; a
//! reader takes base64 as well.

use bytes::Bytes;
use serde_json::Value;

use super::DecodeLimits;
use super::body::body_text;
use super::envelope::{Envelope, utf8};
use super::error::DecodeError;
use super::json::{Json, JsonRef};
use super::text::{unescape_lossy, write_escaped, write_string};
use crate::names::TaskId;

/// What such an envelope holds.
#[derive(Debug, Clone)]
pub struct Post {
    /// The headers: a JSON object.
    pub headers: Json,
    /// The body.
    pub body: Json,
}

impl Post {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is none. As in Celery, an envelope without a content type is not read.
    pub fn decode(payload: &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let envelope = Envelope::read(utf8(payload, "message")?, limits)?;
        let body = Json::new(body_text(&envelope, limits)?.into_owned())?;
        let headers = match envelope.headers {
            Some(field) if field.raw.as_str().starts_with('{') => field.raw.to_json(),
            Some(field) if !field.raw.is_null() => return Err(field.not("an object")),
            _ => Json::empty_object(),
        };
        Ok(Self { headers, body })
    }

    /// Writes it, addressed to `routing_key` of `exchange`, under a fresh delivery tag.
    pub fn encode(&self, exchange: &str, routing_key: &str) -> Bytes {
        let mut out = Vec::with_capacity(320 + self.headers.as_str().len() + self.body.as_str().len() * 9 / 8);
        out.extend_from_slice(b"{\"body\":\"");
        write_escaped(&mut out, self.body.as_str());
        out.extend_from_slice(b"\",\"content-encoding\":\"utf-8\",\"content-type\":\"application/json\",\"headers\":");
        out.extend_from_slice(self.headers.as_str().as_bytes());
        out.extend_from_slice(b",\"properties\":{\"delivery_mode\":1,\"priority\":0,\"delivery_tag\":");
        write_string(&mut out, TaskId::random().as_str());
        out.extend_from_slice(b",\"delivery_info\":{\"exchange\":");
        write_string(&mut out, exchange);
        out.extend_from_slice(b",\"routing_key\":");
        write_string(&mut out, routing_key);
        out.extend_from_slice(b"}}}");
        Bytes::from(out)
    }
}

/// `json` as a value, whatever it holds: what has no place in one (`Infinity`, `NaN`) becomes its text. For looking.
pub(crate) fn shown(json: JsonRef<'_>) -> Value {
    let text = json.as_str();
    match text.as_bytes().first() {
        Some(b'"') => Value::String(unescape_lossy(&text[1..text.len() - 1]).into_owned()),
        Some(b'[') => Value::Array(json.elements().into_iter().flatten().map(shown).collect()),
        Some(b'{') => {
            let entries = json.entries().into_iter().flatten();
            Value::Object(entries.map(|(key, value)| (key.into_owned(), shown(value))).collect())
        }
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let post =
            Post { headers: Json::new(r#"{"clock":7}"#).unwrap(), body: Json::new(r#"{"a":["é\n"]}"#).unwrap() };
        let read = Post::decode(&post.encode("x", "y"), &DecodeLimits::default()).unwrap();
        assert_eq!((read.headers, read.body), (post.headers, post.body));
    }

    #[test]
    fn whatever_it_holds_can_be_shown() {
        let json = Json::new(r#"{"a": [1, 2.5, null, true, "x\n"], "b": Infinity, "c": NaN, "d": {}}"#).unwrap();
        let value = serde_json::json!({"a": [1, 2.5, null, true, "x\n"], "b": "Infinity", "c": "NaN", "d": {}});
        assert_eq!(shown(json.as_ref()), value);
    }

    #[test]
    fn what_is_no_post_is_refused() {
        let limits = DecodeLimits::default();
        for text in ["", "[]", "{}", r#"{"body":"{}"}"#, r#"{"body":"{","content-type":"application/json"}"#] {
            assert!(Post::decode(text.as_bytes(), &limits).is_err(), "{text}");
        }
        assert!(matches!(Post::decode(b"\xff", &limits), Err(DecodeError::NotUtf8 { .. })));
    }
}
