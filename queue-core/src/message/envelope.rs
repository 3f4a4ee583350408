//! The envelope: the object found in a queue, cut into its parts in one walk.

use super::DecodeLimits;
use super::error::DecodeError;
use super::fields::{Field, Fields};
use super::json::JsonRef;
use super::scan::{Fault, Scanner};

/// An envelope's parts, as they stand.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) body: Option<Field<'a>>,
    pub(crate) content_type: Option<Field<'a>>,
    pub(crate) headers: Option<Field<'a>>,
    /// What is in `headers`.
    pub(crate) fields: Fields<'a>,
    pub(crate) properties: Option<Field<'a>>,
    /// What is in `properties`.
    pub(crate) property: Properties<'a>,
}

/// The properties that mean something to us, as they stand.
#[derive(Debug, Default)]
pub(crate) struct Properties<'a> {
    pub(crate) body_encoding: Option<Field<'a>>,
    pub(crate) delivery_tag: Option<Field<'a>>,
    pub(crate) delivery_info: Option<Field<'a>>,
    pub(crate) exchange: Option<Field<'a>>,
    pub(crate) routing_key: Option<Field<'a>>,
    pub(crate) priority: Option<Field<'a>>,
    pub(crate) reply_to: Option<Field<'a>>,
    pub(crate) correlation_id: Option<Field<'a>>,
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
                self.fields.set("headers", key, JsonRef::trusted(scanner.value()?));
                Ok(())
            })?,
            "properties" if object => walk(scanner, |key, scanner| self.property.entry(key, scanner))?,
            _ => {
                scanner.value()?;
            }
        }
        let raw = JsonRef::trusted(scanner.since(start));
        match key {
            "body" => self.body = Some(Field { scope: "", name: "body", raw }),
            "content-type" => self.content_type = Some(Field { scope: "", name: "content-type", raw }),
            "headers" => self.headers = Some(Field { scope: "", name: "headers", raw }),
            "properties" => self.properties = Some(Field { scope: "", name: "properties", raw }),
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
        let (place, name) = match key {
            "body_encoding" => (&mut self.body_encoding, "body_encoding"),
            "delivery_tag" => (&mut self.delivery_tag, "delivery_tag"),
            "delivery_info" => (&mut self.delivery_info, "delivery_info"),
            "priority" => (&mut self.priority, "priority"),
            "reply_to" => (&mut self.reply_to, "reply_to"),
            "correlation_id" => (&mut self.correlation_id, "correlation_id"),
            _ => return Ok(()),
        };
        *place = Some(Field { scope: "properties", name, raw });
        Ok(())
    }

    fn delivery(&mut self, key: &str, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let raw = JsonRef::trusted(scanner.value()?);
        let (place, name) = match key {
            "exchange" => (&mut self.exchange, "exchange"),
            "routing_key" => (&mut self.routing_key, "routing_key"),
            _ => return Ok(()),
        };
        *place = Some(Field { scope: "properties.delivery_info", name, raw });
        Ok(())
    }
}
