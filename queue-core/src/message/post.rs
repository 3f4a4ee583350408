//! An envelope that carries no task: an event, a request to workers, a reply.
//!
//! The same envelope as a task's message, with any JSON for a body and free headers. We write the body as plain text; a
//! reader takes base64 as well.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::DecodeLimits;
use super::body::body_text;
use super::envelope::{Envelope, utf8};
use super::error::DecodeError;
use super::json::{Json, JsonRef};
use super::scan::{Fault, Scanner};
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
        let headers = match envelope.headers() {
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
    read(&mut Scanner::trusted(json)).expect("a Json is well-formed")
}

/// The next value. In one walk, however deep it is nested: it is no deeper than what checked it allows.
fn read(scanner: &mut Scanner<'_>) -> Result<Value, Fault> {
    match scanner.peek() {
        Some(b'[') => array(scanner),
        Some(b'{') => object(scanner),
        _ => scanner.value().map(alone),
    }
}

fn array(scanner: &mut Scanner<'_>) -> Result<Value, Fault> {
    scanner.open_array()?;
    let (mut all, mut first) = (Vec::new(), true);
    while scanner.element(&mut first)? {
        all.push(read(scanner)?);
    }
    Ok(Value::Array(all))
}

fn object(scanner: &mut Scanner<'_>) -> Result<Value, Fault> {
    scanner.open_object()?;
    let (mut all, mut first) = (Map::new(), true);
    while let Some(key) = scanner.key(&mut first)? {
        all.insert(unescape_lossy(key).into_owned(), read(scanner)?);
    }
    Ok(Value::Object(all))
}

/// What holds no other value.
fn alone(text: &str) -> Value {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(raw) => Value::String(unescape_lossy(raw).into_owned()),
        None => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
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
