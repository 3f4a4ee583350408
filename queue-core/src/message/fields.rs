//! The known fields of a message's headers (or of a body of protocol 1), as they stand and as what they mean.

use std::borrow::Cow;
use std::time::Duration;

use super::date::parse_date;
use super::error::DecodeError;
use super::json::JsonRef;
use super::text;
use super::value::{Typed, typed};
use crate::clock::{self, Timestamp};

/// A field that was found: where, and its JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// `headers`, `properties`, `body`, …
    pub(crate) scope: &'static str,
    pub(crate) name: &'static str,
    pub(crate) raw: JsonRef<'a>,
}

impl<'a> Field<'a> {
    /// The error that this is not `expected`.
    #[cold]
    pub(crate) fn not(self, expected: &'static str) -> DecodeError {
        DecodeError::Invalid { field: path(self.scope, self.name), expected, found: self.raw.preview(60) }
    }

    /// A string, or a typed value's text.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let raw = self.raw.as_str();
        match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(raw) => text::unescape(raw),
            None if raw.starts_with('{') => match typed(self.raw) {
                Ok(Some(Typed::Text(text))) => Some(Cow::Owned(text)),
                Ok(Some(Typed::Bytes(bytes, _))) => String::from_utf8(bytes).ok().map(Cow::Owned),
                Ok(None) | Err(_) => None,
            },
            None => None,
        }
    }

    /// A string, or an integer's digits: what senders use as ids.
    pub(crate) fn id(self) -> Result<Cow<'a, str>, DecodeError> {
        let raw = self.raw.as_str();
        if raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Ok(Cow::Borrowed(raw));
        }
        self.text().ok_or_else(|| self.not("a string"))
    }

    /// An integer, or a string of its digits, which Python takes in some places.
    pub(crate) fn int<T: std::str::FromStr>(self, expected: &'static str) -> Result<T, DecodeError> {
        let raw = self.raw.as_str();
        let digits = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
        digits.parse().map_err(|_| self.not(expected))
    }

    pub(crate) fn bool(self) -> Result<bool, DecodeError> {
        match self.raw.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.not("true, false or null")),
        }
    }

    pub(crate) fn date(self) -> Result<Timestamp, DecodeError> {
        let date = self.text().and_then(|text| parse_date(&text));
        date.ok_or_else(|| self.not("a date such as `2026-11-22T20:37:14.663492+00:00`, or null"))
    }

    /// `[hard, soft]` in seconds, either may be null; 0 counts as none, as in Celery, and so does the longest time there is.
    pub(crate) fn limits(self) -> Result<[Option<Duration>; 2], DecodeError> {
        let expected = "[hard, soft] in seconds, either may be null";
        let Ok(elements) = self.raw.elements() else { return Err(self.not(expected)) };
        let elements: Vec<JsonRef<'_>> = elements.take(3).collect();
        let seconds = |raw: JsonRef<'_>| {
            if raw.is_null() {
                return Ok(None);
            }
            let limit = raw.as_str().parse().ok().and_then(clock::seconds);
            let counts = |limit: Duration| (!limit.is_zero() && limit != Duration::MAX).then_some(limit);
            limit.map(counts).ok_or_else(|| self.not(expected))
        };
        match elements.as_slice() {
            [] => Ok([None, None]),
            [hard, soft] => Ok([seconds(*hard)?, seconds(*soft)?]),
            _ => Err(self.not(expected)),
        }
    }
}

/// `scope.name`.
pub(crate) fn path(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// The fields of headers, or of a protocol 1 body, that mean something to us, as they stand. What they are called is said where
/// they are read ([`Found`]): a message has few of them, and each would carry its name along.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Fields<'a> {
    pub(crate) task: Option<JsonRef<'a>>,
    pub(crate) id: Option<JsonRef<'a>>,
    pub(crate) eta: Option<JsonRef<'a>>,
    pub(crate) expires: Option<JsonRef<'a>>,
    pub(crate) retries: Option<JsonRef<'a>>,
    pub(crate) timelimit: Option<JsonRef<'a>>,
    pub(crate) ignore_result: Option<JsonRef<'a>>,
    pub(crate) root_id: Option<JsonRef<'a>>,
    pub(crate) parent_id: Option<JsonRef<'a>>,
    /// In a body of protocol 1 also `taskset`, what that calls a group.
    pub(crate) group: Option<JsonRef<'a>>,
    pub(crate) group_index: Option<JsonRef<'a>>,
    pub(crate) shadow: Option<JsonRef<'a>>,
    pub(crate) origin: Option<JsonRef<'a>>,
    pub(crate) sent_at: Option<JsonRef<'a>>,
    pub(crate) compression: Option<JsonRef<'a>>,
    /// Whether the group was called `taskset`.
    pub(crate) taskset: bool,
    /// Whether there were fields that mean nothing here.
    pub(crate) others: bool,
}

impl<'a> Fields<'a> {
    /// Notes the field if it is one of ours. A later one of the same name counts, as in Python.
    pub(crate) fn set(&mut self, key: &str, raw: JsonRef<'a>) {
        let place = match key {
            "task" => &mut self.task,
            "id" => &mut self.id,
            "eta" => &mut self.eta,
            "expires" => &mut self.expires,
            "retries" => &mut self.retries,
            "timelimit" => &mut self.timelimit,
            "ignore_result" => &mut self.ignore_result,
            "root_id" => &mut self.root_id,
            "parent_id" => &mut self.parent_id,
            "group" => {
                self.taskset = false;
                &mut self.group
            }
            "group_index" => &mut self.group_index,
            "shadow" => &mut self.shadow,
            "origin" => &mut self.origin,
            "sent_at" => &mut self.sent_at,
            "compression" => &mut self.compression,
            // Says who wrote it, which changes nothing.
            "lang" => return,
            _ => {
                self.others = true;
                return;
            }
        };
        *place = Some(raw);
    }

    /// Notes what a call carries by default that says nothing of its own.
    pub(crate) fn set_plain(&mut self) {
        let null = Some(JsonRef::trusted("null"));
        (self.shadow, self.eta, self.expires) = (null, null, null);
        (self.group, self.group_index, self.taskset) = (null, null, false);
        self.retries = Some(JsonRef::trusted("0"));
        self.timelimit = Some(JsonRef::trusted("[null, null]"));
    }
}

/// The fields of a message: its headers', and where they lack one that of a protocol 1 body.
pub(crate) struct Found<'e, 'a> {
    pub(crate) headers: &'e Fields<'a>,
    pub(crate) body: Option<&'e Fields<'a>>,
}

impl<'a> Found<'_, 'a> {
    /// The field that `pick` takes, called `name`.
    #[inline]
    pub(crate) fn field(
        &self,
        name: &'static str,
        pick: impl Fn(&Fields<'a>) -> Option<JsonRef<'a>>,
    ) -> Option<Field<'a>> {
        match pick(self.headers) {
            Some(raw) => Some(Field { scope: "headers", name, raw }),
            None => self.body.and_then(pick).map(|raw| Field { scope: "body", name, raw }),
        }
    }
}

/// Reads a field that may be absent or null.
#[inline]
pub(crate) fn optional<'a, T>(
    field: Option<Field<'a>>,
    read: impl FnOnce(Field<'a>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    match field {
        Some(field) if !field.raw.is_null() => read(field).map(Some),
        _ => Ok(None),
    }
}
