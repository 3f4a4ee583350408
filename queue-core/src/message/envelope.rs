//! The envelope: the object found in a queue, cut into its parts.

use super::DecodeLimits;
use super::error::DecodeError;
use super::fields::{Field, Fields};
use super::json::JsonRef;
use super::lean;
use super::scan::{Fault, Scanner};

/// What Celery writes after the id of a call that says nothing of its own: seven headers of the fifteen, told by one comparison.
const PLAIN_CALL: &str = ", \"shadow\": null, \"eta\": null, \"expires\": null, \"group\": null, \"group_index\": null, \
    \"retries\": 0, \"timelimit\": [null, null]";

/// An envelope's parts, as they stand.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Envelope<'a> {
    pub(super) body: Option<JsonRef<'a>>,
    pub(super) content_type: Option<JsonRef<'a>>,
    pub(super) headers: Option<JsonRef<'a>>,
    /// What is in `headers`.
    pub(crate) fields: Fields<'a>,
    pub(super) properties: Option<JsonRef<'a>>,
    /// What is in `properties`.
    pub(super) property: Properties<'a>,
}

/// The properties that mean something to us, as they stand.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Properties<'a> {
    pub(super) body_encoding: Option<JsonRef<'a>>,
    pub(super) delivery_tag: Option<JsonRef<'a>>,
    pub(super) delivery_info: Option<JsonRef<'a>>,
    pub(super) exchange: Option<JsonRef<'a>>,
    pub(super) routing_key: Option<JsonRef<'a>>,
    pub(super) priority: Option<JsonRef<'a>>,
    pub(super) reply_to: Option<JsonRef<'a>>,
    pub(super) correlation_id: Option<JsonRef<'a>>,
}

/// `payload` as text.
pub(crate) fn utf8<'a>(payload: &'a [u8], part: &'static str) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(payload).map_err(|error| DecodeError::NotUtf8 { part, at: error.valid_up_to() })
}

/// Walks the object that comes next, giving each key to `entry`, which must take the value.
pub(crate) fn walk<'a>(
    scanner: &mut Scanner<'a>,
    mut entry: impl FnMut(&str, &mut Scanner<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    scanner.open_object()?;
    let mut first = true;
    while let Some(key) = scanner.plain_key(&mut first)? {
        entry(&key, scanner)?;
    }
    Ok(())
}

impl<'a> Envelope<'a> {
    /// Cuts a whole message; nothing is checked yet but that it is one JSON object.
    pub(crate) fn read(text: &'a str, limits: &DecodeLimits) -> Result<Self, DecodeError> {
        if let Some(envelope) = lean::read(text, limits) {
            return Ok(envelope);
        }
        Self::walk(text, limits)
    }

    /// The same, in whatever form it is.
    pub(super) fn walk(text: &'a str, limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let mut envelope = Self::default();
        let mut scanner = Scanner::new(text, limits.max_depth);
        walk(&mut scanner, |key, scanner| envelope.entry(key, scanner))
            .and_then(|()| scanner.end())
            .map_err(|fault| fault.of("message", text))?;
        Ok(envelope)
    }

    fn entry(&mut self, key: &str, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let object = scanner.peek() == Some(b'{');
        let start = scanner.at();
        // A key that comes twice: the later one counts, all of it, as in Python.
        match key {
            "headers" => self.fields = Fields::default(),
            "properties" => self.property = Properties::default(),
            _ => {}
        }
        match key {
            "headers" if object => walk(scanner, |key, scanner| {
                self.fields.set(key, JsonRef::trusted(scanner.value()?));
                if key == "id" && scanner.run(PLAIN_CALL).is_some() {
                    self.fields.set_plain();
                }
                Ok(())
            })?,
            "properties" if object => walk(scanner, |key, scanner| self.property.entry(key, scanner))?,
            _ => {
                scanner.value()?;
            }
        }
        let raw = JsonRef::trusted(scanner.since(start));
        match key {
            "body" => self.body = Some(raw),
            "content-type" => self.content_type = Some(raw),
            "headers" => self.headers = Some(raw),
            "properties" => self.properties = Some(raw),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Properties<'a> {
    fn entry(&mut self, key: &str, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let object = scanner.peek() == Some(b'{');
        let start = scanner.at();
        if key == "delivery_info" {
            (self.exchange, self.routing_key) = (None, None);
        }
        if key == "delivery_info" && object {
            walk(scanner, |key, scanner| self.delivery(key, scanner))?;
        } else {
            scanner.value()?;
        }
        let raw = JsonRef::trusted(scanner.since(start));
        let place = match key {
            "body_encoding" => &mut self.body_encoding,
            "delivery_tag" => &mut self.delivery_tag,
            "delivery_info" => &mut self.delivery_info,
            "priority" => &mut self.priority,
            "reply_to" => &mut self.reply_to,
            "correlation_id" => &mut self.correlation_id,
            _ => return Ok(()),
        };
        *place = Some(raw);
        Ok(())
    }

    fn delivery(&mut self, key: &str, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let raw = JsonRef::trusted(scanner.value()?);
        match key {
            "exchange" => self.exchange = Some(raw),
            "routing_key" => self.routing_key = Some(raw),
            _ => {}
        }
        Ok(())
    }
}

/// The parts with their names, for what is wrong with them.
impl<'a> Envelope<'a> {
    pub(crate) fn body(&self) -> Option<Field<'a>> {
        named("", "body", self.body)
    }

    pub(crate) fn content_type(&self) -> Option<Field<'a>> {
        named("", "content-type", self.content_type)
    }

    pub(crate) fn headers(&self) -> Option<Field<'a>> {
        named("", "headers", self.headers)
    }

    pub(crate) fn compression(&self) -> Option<Field<'a>> {
        named("headers", "compression", self.fields.compression)
    }

    pub(crate) fn properties(&self) -> Option<Field<'a>> {
        named("", "properties", self.properties)
    }

    pub(crate) fn body_encoding(&self) -> Option<Field<'a>> {
        named("properties", "body_encoding", self.property.body_encoding)
    }

    pub(crate) fn delivery_tag(&self) -> Option<Field<'a>> {
        named("properties", "delivery_tag", self.property.delivery_tag)
    }

    pub(crate) fn delivery_info(&self) -> Option<Field<'a>> {
        named("properties", "delivery_info", self.property.delivery_info)
    }

    pub(crate) fn exchange(&self) -> Option<Field<'a>> {
        named("properties.delivery_info", "exchange", self.property.exchange)
    }

    pub(crate) fn routing_key(&self) -> Option<Field<'a>> {
        named("properties.delivery_info", "routing_key", self.property.routing_key)
    }

    pub(crate) fn priority(&self) -> Option<Field<'a>> {
        named("properties", "priority", self.property.priority)
    }

    pub(crate) fn reply_to(&self) -> Option<Field<'a>> {
        named("properties", "reply_to", self.property.reply_to)
    }

    pub(crate) fn correlation_id(&self) -> Option<Field<'a>> {
        named("properties", "correlation_id", self.property.correlation_id)
    }
}

fn named<'a>(scope: &'static str, name: &'static str, raw: Option<JsonRef<'a>>) -> Option<Field<'a>> {
    raw.map(|raw| Field { scope, name, raw })
}
