//! Sends a message on with a few headers changed and everything else byte for byte.

use std::borrow::Cow;

use bytes::Bytes;

use super::body;
use super::date::write_date;
use super::encode::fresh_delivery_tag;
use super::envelope::{Envelope, utf8, walk};
use super::error::DecodeError;
use super::scan::Scanner;
use super::text::write_string;
use super::{Changes, DecodeLimits, Json};
use crate::clock::Timestamp;

/// New values of an object's fields, by name; a field that is not there yet is added, unless the value is `null`.
type Edits<'c> = Vec<(&'c str, Cow<'c, str>)>;

/// Sends a message on: only `changes` and the `delivery_tag` differ, everything else stays byte for byte.
///
/// A date that is removed is written as `null` where it stood. In a message of protocol 1 `retries`, `eta` and `expires`
/// are in the body, which is then written anew, as plain text.
///
/// # Errors
///
/// [`DecodeError`] when `payload` is not a message, or would be one that is too large to be read.
pub fn rewrite(payload: &[u8], changes: &Changes) -> Result<Bytes, DecodeError> {
    let limits = DecodeLimits::default();
    let text = utf8(payload, "message")?;
    let envelope = Envelope::read(text, &limits)?;
    let mut top = Edits::new();
    let mut properties: Edits<'_> = vec![("delivery_tag", fresh_delivery_tag().to_string().into())];
    let mut headers = changes.more_headers();
    let mut in_body = changes.arguments();
    if envelope.fields.task.is_some() {
        headers.splice(0..0, changes.schedule());
    } else {
        in_body.extend(changes.schedule());
    }
    if !in_body.is_empty() {
        let body = edit_body(&body::body_text(&envelope, &limits)?, in_body)?;
        // Nobody could read it, nor say whose it was.
        body::check_size(body.len(), &limits)?;
        top.push(("body", quoted(&body).into()));
        properties.push(("body_encoding", "null".into()));
        headers.push(("compression", "null".into()));
    }
    let Some(old) = envelope.properties() else {
        return Err(DecodeError::Missing { field: "properties".to_owned() });
    };
    top.push(("properties", edit(old.raw.as_str(), "message", properties)?.into()));
    match envelope.headers() {
        _ if headers.is_empty() => {}
        Some(old) if !old.raw.is_null() => {
            top.push(("headers", edit(old.raw.as_str(), "message", headers)?.into()));
        }
        _ => top.push(("headers", edit("{}", "message", headers)?.into())),
    }
    edit(text, "message", top).map(Bytes::from)
}

/// A body with some of its parts replaced: an array of three, or the object of protocol 1.
fn edit_body(body: &str, edits: Edits<'_>) -> Result<String, DecodeError> {
    let limits = DecodeLimits::default();
    if Scanner::new(body, 0).peek() == Some(b'{') {
        return edit(body, "body", edits);
    }
    let parts = body::cut(body, &limits)?;
    let part = |name: &str, old: &Json| {
        let new = edits.iter().find(|(edited, _)| *edited == name).map(|(_, new)| new.as_ref());
        new.unwrap_or(old.as_str()).to_owned()
    };
    Ok(format!("[{}, {}, {}]", part("args", &parts.args), part("kwargs", &parts.kwargs), parts.embed.as_str()))
}

impl Changes {
    fn arguments(&self) -> Edits<'_> {
        let parts = [("args", &self.args), ("kwargs", &self.kwargs)];
        let given = parts.into_iter().filter_map(|(name, new)| Some((name, new.as_ref()?.as_str().into())));
        given.collect()
    }

    /// What protocol 1 has in its body.
    fn schedule(&self) -> Edits<'_> {
        let mut edits = Edits::new();
        if let Some(retries) = self.retries {
            edits.push(("retries", retries.to_string().into()));
        }
        if let Some(eta) = self.eta {
            edits.push(("eta", date(eta).into()));
        }
        if let Some(expires) = self.expires {
            edits.push(("expires", date(expires).into()));
        }
        edits
    }

    fn more_headers(&self) -> Edits<'_> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str().into())).collect()
    }
}

fn date(at: Option<Timestamp>) -> String {
    let Some(at) = at else { return "null".to_owned() };
    let mut out = vec![b'"'];
    write_date(&mut out, at);
    out.push(b'"');
    text(out)
}

fn quoted(content: &str) -> String {
    let mut out = Vec::with_capacity(content.len() + content.len() / 8);
    write_string(&mut out, content);
    text(out)
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("was put together from texts")
}

/// Copies an object's text with some values replaced, and what it has not yet added at its end.
fn edit(object: &str, part: &'static str, edits: Edits<'_>) -> Result<String, DecodeError> {
    let mut out = String::with_capacity(object.len() + 64);
    let mut found = vec![false; edits.len()];
    let (mut copied, mut end, mut empty) = (0, 0, true);
    let mut scanner = Scanner::new(object, DecodeLimits::default().max_depth);
    let walked = walk(&mut scanner, |key, scanner| {
        scanner.peek();
        let start = scanner.at();
        scanner.value()?;
        end = scanner.at();
        empty = false;
        if let Some(nth) = edits.iter().position(|(name, _)| *name == key) {
            out.push_str(&object[copied..start]);
            out.push_str(&edits[nth].1);
            copied = end;
            found[nth] = true;
        }
        Ok(())
    });
    walked.map_err(|fault| fault.of(part, object))?;
    if empty {
        end = object.find('{').map_or(0, |at| at + 1);
    }
    out.push_str(&object[copied..end]);
    for ((name, value), _) in edits.iter().zip(found).filter(|((_, value), found)| !found && value != "null") {
        out.push_str(if empty { "" } else { ", " });
        out.push_str(&quoted(name));
        out.push_str(": ");
        out.push_str(value);
        empty = false;
    }
    out.push_str(&object[end..]);
    Ok(out)
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
