//! Reads JSON texts as Rust values, those with Python's peculiarities included.
//!
//! Ordinary texts go straight to `serde_json`. Those with `NaN`, `Infinity`, integers beyond 64 bits or kombu's typed
//! values (`{"__type__": …, "__value__": …}`) become a [`Value`] first, which keeps what `serde_json` would lose.

mod deserialize;
mod typed;

use serde::de::DeserializeOwned;

use super::error::ValueError;
use super::json::JsonRef;
use super::scan::{Fault, FaultKind, Scanner};
use super::text::{self, next_special, shorten};

pub(crate) use self::typed::{Typed, typed};

/// As deep as typed values go; `serde_json` has the same limit.
const MAX_DEPTH: usize = 128;

/// Reads `json` as a `T`.
pub(crate) fn parse<T: DeserializeOwned>(json: JsonRef<'_>) -> Result<T, ValueError> {
    if is_ordinary(json.as_str()) {
        return serde_json::from_str(json.as_str()).map_err(|error| mismatch(&error.to_string()));
    }
    let value = Value::read(json)?;
    T::deserialize(value).map_err(|error| mismatch(&error.to_string()))
}

/// serde's words, without the position (which counts from the start of a part that the reader never sees), and short.
fn mismatch(error: &str) -> ValueError {
    let words = error.rsplit_once(" at line ").map_or(error, |(words, _)| words);
    if words == "recursion limit exceeded" {
        return ValueError::TooDeep(MAX_DEPTH);
    }
    ValueError::Mismatch(shorten(words, 200))
}

/// Whether `serde_json` reads this text without loss.
fn is_ordinary(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let start = at + 1;
                at = string_end(bytes, start);
                if bytes.get(start..at) == Some(b"__type__") {
                    return false;
                }
                at += 1;
            }
            b'N' | b'I' => return false,
            b'0'..=b'9' => {
                let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                if digits > 18 {
                    return false;
                }
                at += digits;
            }
            _ => at += 1,
        }
    }
    true
}

/// The offset of the quote that ends the string that began before `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = next_special(bytes, at);
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            _ => return at,
        }
    }
}

/// A JSON text as a tree, nothing lost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
    Typed(Typed),
}

impl Value {
    /// Reads a text in one walk. Recursive, but never deeper than [`MAX_DEPTH`].
    pub(crate) fn read(json: JsonRef<'_>) -> Result<Self, ValueError> {
        // The scanner, which does not recurse, looks at the depth first.
        Scanner::new(json.as_str(), MAX_DEPTH).value().map_err(|fault| fault_of(fault, json))?;
        Self::build(&mut Scanner::trusted(json))
    }

    fn build(scanner: &mut Scanner<'_>) -> Result<Self, ValueError> {
        match scanner.peek() {
            Some(b'[') => Self::array(scanner),
            Some(b'{') => Self::object(scanner),
            _ => Self::alone(JsonRef::trusted(scanner.value().map_err(torn)?)),
        }
    }

    fn alone(json: JsonRef<'_>) -> Result<Self, ValueError> {
        let text = json.as_str();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => Self::Text(unquote(json)?),
            _ => Self::Number(text.to_owned()),
        })
    }

    fn array(scanner: &mut Scanner<'_>) -> Result<Self, ValueError> {
        scanner.open_array().map_err(torn)?;
        let (mut all, mut first) = (Vec::new(), true);
        while scanner.element(&mut first).map_err(torn)? {
            all.push(Self::build(scanner)?);
        }
        Ok(Self::Array(all))
    }

    fn object(scanner: &mut Scanner<'_>) -> Result<Self, ValueError> {
        if let Some(value) = Self::typed(scanner)? {
            return Ok(value);
        }
        scanner.open_object().map_err(torn)?;
        let (mut all, mut first) = (Vec::new(), true);
        while let Some(key) = scanner.key(&mut first).map_err(torn)? {
            all.push((text::unescape_lossy(key).into_owned(), Self::build(scanner)?));
        }
        Ok(Self::Object(all))
    }

    /// A typed value, if the object that comes next is one. Only one that begins like one is looked at as a whole.
    fn typed(scanner: &mut Scanner<'_>) -> Result<Option<Self>, ValueError> {
        let mut ahead = scanner.clone();
        ahead.open_object().map_err(torn)?;
        let first = ahead.key(&mut true).map_err(torn)?.map(text::unescape_lossy);
        if !matches!(first.as_deref(), Some("__type__" | "__value__")) {
            return Ok(None);
        }
        let mut ahead = scanner.clone();
        let whole = ahead.value().map_err(torn)?;
        let value = typed(JsonRef::trusted(whole))?;
        if value.is_some() {
            *scanner = ahead;
        }
        Ok(value.map(Self::Typed))
    }
}

/// Never: the text was walked before.
fn torn(fault: Fault) -> ValueError {
    fault_of(fault, JsonRef::trusted(""))
}

/// The content of a string.
pub(crate) fn unquote(json: JsonRef<'_>) -> Result<String, ValueError> {
    let raw = json.as_str().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(raw) = raw else {
        return Err(ValueError::Type { expected: "a string", found: json.preview(60) });
    };
    match text::unescape(raw) {
        Some(text) => Ok(text.into_owned()),
        None => Err(ValueError::Mismatch("a string with half a surrogate pair is no Unicode text".to_owned())),
    }
}

fn fault_of(fault: Fault, json: JsonRef<'_>) -> ValueError {
    match fault.kind {
        FaultKind::TooDeep(limit) => ValueError::TooDeep(limit),
        FaultKind::Expected(expected) => ValueError::Type { expected, found: json.preview(60) },
    }
}

#[cfg(test)]
mod tests;
