//! The lean envelope, as [`Draft::encode`](super::Draft::encode) writes it, read by its constant parts.
//!
//! Most of what a worker reads has been written by a sender like it: what is the same in each message is compared in one
//! go, where a walk would go from key to key. A message that differs anywhere is walked, whatever it is.

use super::DecodeLimits;
use super::envelope::{Envelope, Properties};
use super::fields::Fields;
use super::json::JsonRef;
use super::scan::Scanner;

pub(super) const BODY: &str = "{\"body\":";
pub(super) const HEADERS: &str = ",\"content-type\":\"application/json\",\"headers\":";
pub(super) const TASK: &str = "{\"lang\":\"rs\",\"task\":";
pub(super) const ID: &str = ",\"id\":";
pub(super) const PROPERTIES: &str = ",\"properties\":";
pub(super) const DELIVERY_TAG: &str = "{\"delivery_tag\":";
pub(super) const PRIORITY: &str = ",\"priority\":";
pub(super) const DELIVERY_INFO: &str = ",\"delivery_info\":";
pub(super) const ROUTING_KEY: &str = "{\"exchange\":\"\",\"routing_key\":";
pub(super) const END: &str = "}}}";

/// Cuts a message, if it has this form; what comes out is what the walk would say of it.
pub(super) fn read<'a>(text: &'a str, limits: &DecodeLimits) -> Option<Envelope<'a>> {
    let mut scanner = Scanner::new(text, limits.max_depth);
    scanner.run(BODY)?;
    let body = value(&mut scanner)?;
    scanner.run(HEADERS)?;
    let (fields, headers) = headers(&mut scanner)?;
    scanner.run(PROPERTIES)?;
    let start = scanner.at();
    let property = properties(&mut scanner)?;
    // The last of the braces is the message's own.
    let properties = text.get(start..text.len() - 1)?;
    Some(Envelope {
        body: Some(body),
        content_type: Some(JsonRef::trusted("\"application/json\"")),
        headers: Some(headers),
        fields,
        properties: Some(JsonRef::trusted(properties)),
        property,
    })
}

fn headers<'a>(scanner: &mut Scanner<'a>) -> Option<(Fields<'a>, JsonRef<'a>)> {
    let start = scanner.at();
    let mut fields = Fields::default();
    scanner.run(TASK)?;
    fields.task = Some(value(scanner)?);
    scanner.run(ID)?;
    fields.id = Some(value(scanner)?);
    while let Some(key) = scanner.plain_key(&mut false).ok()? {
        fields.set(&key, value(scanner)?);
    }
    Some((fields, JsonRef::trusted(scanner.since(start))))
}

fn properties<'a>(scanner: &mut Scanner<'a>) -> Option<Properties<'a>> {
    let mut property = Properties::default();
    scanner.run(DELIVERY_TAG)?;
    property.delivery_tag = Some(value(scanner)?);
    if scanner.run(PRIORITY).is_some() {
        property.priority = Some(value(scanner)?);
    }
    scanner.run(DELIVERY_INFO)?;
    let start = scanner.at();
    scanner.run(ROUTING_KEY)?;
    property.exchange = Some(JsonRef::trusted("\"\""));
    property.routing_key = Some(value(scanner)?);
    let end = scanner.at();
    (scanner.rest() == END).then_some(())?;
    property.delivery_info = Some(JsonRef::trusted(scanner.between(start, end + 1)));
    Some(property)
}

fn value<'a>(scanner: &mut Scanner<'a>) -> Option<JsonRef<'a>> {
    scanner.value().ok().map(JsonRef::trusted)
}

#[cfg(test)]
#[path = "lean_tests.rs"]
mod tests;
