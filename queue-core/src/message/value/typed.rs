//! kombu's typed values: what JSON has no form for, as an object with exactly two keys.
//!
//! Source: kombu 5.3 and later, `kombu/utils/json.py`; earlier ones write bare strings.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{JsonRef, ValueError, unquote};

/// A typed value, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Typed {
    /// A date, time, decimal or UUID, as text.
    Text(String),
    /// Bytes, and the text that stood for them.
    Bytes(Vec<u8>, String),
}

/// Reads `{"__type__": …, "__value__": …}`. `None` for any other object; an unknown type is an error, as in Python.
pub(crate) fn typed(json: JsonRef<'_>) -> Result<Option<Typed>, ValueError> {
    let Some((kind, value)) = pair(json)? else { return Ok(None) };
    let kind = unquote(kind)?;
    let typed = match kind.as_str() {
        "datetime" | "date" | "time" | "decimal" => Typed::Text(unquote(value)?),
        "uuid" => Typed::Text(uuid(value)?),
        "bytes" => {
            let text = unquote(value)?;
            Typed::Bytes(text.clone().into_bytes(), text)
        }
        "base64" => {
            let text = unquote(value)?;
            let bytes = STANDARD.decode(&text).map_err(|error| bad("base64", &error.to_string()))?;
            Typed::Bytes(bytes, text)
        }
        unknown => return Err(bad(unknown, "the type is unknown")),
    };
    Ok(Some(typed))
}

/// The values of `__type__` and `__value__`, when these are the only keys.
fn pair(json: JsonRef<'_>) -> Result<Option<(JsonRef<'_>, JsonRef<'_>)>, ValueError> {
    let (mut kind, mut content) = (None, None);
    for (key, value) in json.entries()? {
        match key.as_ref() {
            "__type__" => kind = Some(value),
            "__value__" => content = Some(value),
            _ => return Ok(None),
        }
    }
    Ok(kind.zip(content))
}

fn uuid(value: JsonRef<'_>) -> Result<String, ValueError> {
    let hex = value.entries()?.find(|(key, _)| key == "hex");
    let Some((_, hex)) = hex else { return Err(bad("uuid", "`hex` is missing")) };
    let uuid = uuid::Uuid::parse_str(&unquote(hex)?).map_err(|error| bad("uuid", &error.to_string()))?;
    Ok(uuid.hyphenated().to_string())
}

fn bad(kind: &str, why: &str) -> ValueError {
    let kind = super::shorten(kind, 40);
    ValueError::Mismatch(format!("typed value `{kind}`: {why}"))
}
