//! JSON texts, kept as they came, and their parts.

use std::borrow::Cow;

use compact_str::CompactString;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{DecodeError, ValueError};
use super::scan::Scanner;
use super::{text, value, write};

/// How deep a text may be nested that is taken with [`Json::new`].
const MAX_DEPTH: usize = 512;

/// A JSON text, kept as it came. May hold Python's `NaN`, `Infinity` and integers of any size. Always well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(CompactString);

/// A borrowed [`Json`]: a part of one, or all of it. Always well-formed, without white space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonRef<'a>(&'a str);

impl Json {
    /// `null`.
    pub fn null() -> Self {
        Self(CompactString::const_new("null"))
    }

    /// `[]`.
    pub fn empty_array() -> Self {
        Self(CompactString::const_new("[]"))
    }

    /// `{}`.
    pub fn empty_object() -> Self {
        Self(CompactString::const_new("{}"))
    }

    /// Takes a JSON text: white space around it is dropped, everything else stays.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is none, or nested more than 512 levels deep.
    ///
    /// ```
    /// # use queue_core::message::Json;
    /// assert_eq!(Json::new("[1, NaN]")?.as_str(), "[1, NaN]");
    /// assert!(Json::new("[1,").is_err());
    /// # Ok::<(), queue_core::message::DecodeError>(())
    /// ```
    pub fn new(text: impl Into<String>) -> Result<Self, DecodeError> {
        let text = text.into();
        let mut scanner = Scanner::new(&text, MAX_DEPTH);
        let checked = scanner.value().and_then(|value| scanner.end().map(|()| value));
        match checked.map_err(|fault| fault.of("text", &text))? {
            value if value.len() == text.len() => Ok(Self(text.into())),
            value => Ok(Self(value.into())),
        }
    }

    /// A string.
    pub(crate) fn text(text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 2);
        text::write_string(&mut out, text);
        Self::trusted(String::from_utf8(out).expect("was put together from texts"))
    }

    /// An array of these elements.
    pub fn array_of<'a>(elements: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::array(elements.into_iter().map(Self::as_str))
    }

    /// An array of texts that are JSON themselves.
    pub(crate) fn array<'a>(elements: impl IntoIterator<Item = &'a str>) -> Self {
        let mut out = String::from("[");
        for element in elements {
            if out.len() > 1 {
                out.push_str(", ");
            }
            out.push_str(element);
        }
        out.push(']');
        Self::trusted(out)
    }

    /// Whether it is nested no deeper than what reads messages allows: it may have been put together from others.
    pub(crate) fn is_readable(&self) -> bool {
        // A level takes two bytes at least.
        self.0.len() <= 2 * MAX_DEPTH || Scanner::new(&self.0, MAX_DEPTH).value().is_ok()
    }

    /// Takes a text that was checked or made here.
    pub(crate) fn trusted(text: impl Into<CompactString>) -> Self {
        Self(text.into())
    }

    /// Writes a value as JSON, as `serde_json` does, but for floats that are no numbers: they are written as Python's
    /// `NaN`, `Infinity` and `-Infinity` instead of being turned into `null`.
    ///
    /// # Errors
    ///
    /// [`ValueError::Unwritable`] for maps whose keys are no strings or numbers, and for what the type itself refuses;
    /// [`ValueError::TooDeep`] beyond 500 levels.
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Result<Self, ValueError> {
        write::to_text(value).map(Self::trusted)
    }

    /// Borrows it.
    pub fn as_ref(&self) -> JsonRef<'_> {
        JsonRef(&self.0)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads it as a `T`. See [`JsonRef::parse`].
    ///
    /// # Errors
    ///
    /// [`ValueError`] when it does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        self.as_ref().parse()
    }

    /// Its elements. See [`JsonRef::elements`].
    ///
    /// # Errors
    ///
    /// [`ValueError::Type`] when it is no array.
    pub fn elements(&self) -> Result<Elements<'_>, ValueError> {
        self.as_ref().elements()
    }

    /// Its entries. See [`JsonRef::entries`].
    ///
    /// # Errors
    ///
    /// [`ValueError::Type`] when it is no object.
    pub fn entries(&self) -> Result<Entries<'_>, ValueError> {
        self.as_ref().entries()
    }

    /// At most `max_chars` characters of it, for people; cut with `…`.
    pub fn preview(&self, max_chars: usize) -> String {
        self.as_ref().preview(max_chars)
    }
}

impl<'a> JsonRef<'a> {
    pub(crate) fn trusted(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// A copy of its own.
    pub fn to_json(self) -> Json {
        Json(self.0.into())
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// Reads it as a `T`, however Python wrote it.
    ///
    /// Floats take `NaN` and `Infinity`. Integers beyond 64 bits fit `i128`, `u128` and floats, nothing else. kombu's
    /// typed values (`{"__type__": …, "__value__": …}`) become what stands for them in JSON: dates, times and decimals
    /// their text, UUIDs their hyphenated text, bytes a byte buffer, a sequence of `u8` or (base64) text, as the
    /// target asks. `serde_json::Value` takes all that has a place in it; the rest is an error, never `null`.
    ///
    /// # Errors
    ///
    /// [`ValueError::Mismatch`] when it does not fit; [`ValueError::TooDeep`] beyond 128 levels.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, ValueError> {
        value::parse(self)
    }

    /// Its elements, in order.
    ///
    /// # Errors
    ///
    /// [`ValueError::Type`] when it is no array.
    pub fn elements(self) -> Result<Elements<'a>, ValueError> {
        let mut scanner = Scanner::trusted(self);
        scanner.open_array().map_err(|_| self.no("an array"))?;
        Ok(Elements { scanner: Some(scanner), first: true })
    }

    /// Its entries, in order: each key decoded, each value as it came. A key may occur twice; the last one counts.
    ///
    /// # Errors
    ///
    /// [`ValueError::Type`] when it is no object.
    pub fn entries(self) -> Result<Entries<'a>, ValueError> {
        let mut scanner = Scanner::trusted(self);
        scanner.open_object().map_err(|_| self.no("an object"))?;
        Ok(Entries { scanner: Some(scanner), first: true })
    }

    /// At most `max_chars` characters of it, for people; cut with `…`.
    pub fn preview(self, max_chars: usize) -> String {
        text::shorten(self.0, max_chars)
    }

    fn no(self, expected: &'static str) -> ValueError {
        ValueError::Type { expected, found: self.preview(60) }
    }
}

/// The elements of an array; made by [`Json::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    /// `None` once past the end.
    scanner: Option<Scanner<'a>>,
    first: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = JsonRef<'a>;

    fn next(&mut self) -> Option<JsonRef<'a>> {
        let scanner = self.scanner.as_mut()?;
        if scanner.element(&mut self.first).expect("a Json is well-formed") {
            return Some(JsonRef(scanner.value().expect("a Json is well-formed")));
        }
        self.scanner = None;
        None
    }
}

/// The entries of an object; made by [`Json::entries`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    /// `None` once past the end.
    scanner: Option<Scanner<'a>>,
    first: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Cow<'a, str>, JsonRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let scanner = self.scanner.as_mut()?;
        if let Some(key) = scanner.key(&mut self.first).expect("a Json is well-formed") {
            let value = scanner.value().expect("a Json is well-formed");
            return Some((text::unescape_lossy(key), JsonRef(value)));
        }
        self.scanner = None;
        None
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
