//! The pieces that every JSON document of ours is made of.

use queue_core::Timestamp;
use queue_core::message::Json;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON text from a message, put into the document as it is. Where Python wrote what is not JSON
/// (`NaN`, `Infinity`) the text is put in as a string.
#[derive(Debug)]
pub(crate) enum Embedded {
    /// JSON.
    Value(Box<RawValue>),
    /// Not quite.
    Text(String),
}

impl Embedded {
    /// Takes a text.
    pub(crate) fn text(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(value) => Self::Value(value),
            Err(_) => Self::Text(text.to_owned()),
        }
    }
}

impl From<&Json> for Embedded {
    fn from(json: &Json) -> Self {
        Self::text(json.as_str())
    }
}

impl Serialize for Embedded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// An instant in a document: RFC 3339 with milliseconds, in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Texts up to this long stay on one line.
const ONE_LINE: usize = 72;

/// A JSON text over several lines, for people; as it came where it is short, or not quite JSON.
pub(crate) fn pretty(text: &str) -> String {
    if text.chars().count() <= ONE_LINE {
        return text.to_owned();
    }
    reindent(text).unwrap_or_else(|| text.to_owned())
}

/// Spreads JSON over lines without touching a token of it, so that big integers and `1.0` stay what they are.
fn reindent(text: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut spread = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut tokens = text.chars().peekable();
    while let Some(c) = tokens.next() {
        if in_string {
            spread.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            ' ' | '\n' | '\r' | '\t' => {}
            '"' => {
                in_string = true;
                spread.push(c);
            }
            '{' | '[' => {
                spread.push(c);
                while tokens.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(close) = tokens.next_if(|next| matches!(next, '}' | ']')) {
                    spread.push(close);
                } else {
                    depth += 1;
                    line(&mut spread, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut spread, depth);
                spread.push(c);
            }
            ',' => {
                spread.push(c);
                line(&mut spread, depth);
            }
            ':' => spread.push_str(": "),
            c => spread.push(c),
        }
    }
    Some(spread)
}

fn line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}
