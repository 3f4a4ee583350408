//! JSON texts, kept as they came.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{DecodeError, ValueError};

/// A JSON text, kept as it came. May hold Python's `NaN`, `Infinity` and integers of any size. Always well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(Box<str>);

/// A borrowed [`Json`]: a part of one, or all of it. Always well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonRef<'a>(&'a str);

impl Json {
    /// `null`.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// `[]`.
    pub fn empty_array() -> Self {
        Self("[]".into())
    }

    /// `{}`.
    pub fn empty_object() -> Self {
        Self("{}".into())
    }

    /// Takes a JSON text.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Json`] when it is none.
    pub fn new(_text: impl Into<Box<str>>) -> Result<Self, DecodeError> {
        unimplemented!("signature first")
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    ///
    /// [`ValueError::Unwritable`] for maps whose keys are no strings or numbers, and what the type itself refuses.
    pub fn from_value<T: Serialize + ?Sized>(_value: &T) -> Result<Self, ValueError> {
        unimplemented!("signature first")
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

    /// Reads it as a `T`.
    ///
    /// # Errors
    ///
    /// [`ValueError`] when it does not fit.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, ValueError> {
        unimplemented!("signature first")
    }

    /// Its elements, in order.
    ///
    /// # Errors
    ///
    /// [`ValueError::Type`] when it is no array.
    pub fn elements(self) -> Result<Elements<'a>, ValueError> {
        unimplemented!("signature first")
    }

    /// Its entries, in order: each key decoded, each value as it came. A key may occur twice; the last one counts.
    ///
    /// # Errors
    ///
    /// [`ValueError::Type`] when it is no object.
    pub fn entries(self) -> Result<Entries<'a>, ValueError> {
        unimplemented!("signature first")
    }

    /// At most `max_chars` characters of it, for people; cut with `…`.
    pub fn preview(self, _max_chars: usize) -> String {
        unimplemented!("signature first")
    }
}

/// The elements of an array; made by [`Json::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a>(std::marker::PhantomData<&'a str>);

impl<'a> Iterator for Elements<'a> {
    type Item = JsonRef<'a>;
    fn next(&mut self) -> Option<JsonRef<'a>> {
        unimplemented!("signature first")
    }
}

/// The entries of an object; made by [`Json::entries`].
#[derive(Debug, Clone)]
pub struct Entries<'a>(std::marker::PhantomData<&'a str>);

impl<'a> Iterator for Entries<'a> {
    type Item = (std::borrow::Cow<'a, str>, JsonRef<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        unimplemented!("signature first")
    }
}
