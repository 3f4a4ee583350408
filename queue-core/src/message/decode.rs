//! Decodes messages: protocol 2, protocol 1, and Celery's mixture of both.

use super::body::{self, Body};
use super::envelope::{Envelope, utf8};
use super::error::DecodeError;
use super::fields::{Field, Found, optional};
use super::json::Json;
use super::{DecodeLimits, Message, Text};
use crate::clock::Timestamp;
use crate::names::{Priority, TaskId};

impl Message {
    /// Decodes one message: `payload` is the JSON object found in the queue.
    ///
    /// The body may be plain or base64, compressed, of protocol 2 or 1. Where a Celery worker is tolerant, so is
    /// this: `embed` may be `{}`, `null` or `[]`; `timelimit` `null` or `[]`; dates naive, with a space, with too many
    /// digits; the id an integer. Unknown headers stay in [`Message::headers`]. `timelimit` is `[hard, soft]` in seconds.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] says which field was wrong, what was expected there and what was found.
    pub fn decode(payload: &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let text = utf8(payload, "message")?;
        let envelope = Envelope::read(text, limits)?;
        check_required(&envelope)?;
        let body_text = body::body_text(&envelope, limits)?;
        let body = body::cut(&body_text, limits)?;
        message(&envelope, body)
    }
}

/// What a Celery worker needs to take the message at all, although its task layer never looks at it.
fn check_required(envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    object(envelope.properties(), "properties")?;
    object(envelope.delivery_info(), "properties.delivery_info")?;
    let Some(tag) = envelope.delivery_tag() else { return Err(missing("properties.delivery_tag")) };
    if tag.raw.is_null() || (tag.raw.as_str().starts_with(['{', '[']) && tag.text().is_none()) {
        return Err(tag.not("a string or a number"));
    }
    match envelope.headers() {
        Some(headers) if !headers.raw.is_null() => object(Some(headers), "headers"),
        _ => Ok(()),
    }
}

fn missing(field: &str) -> DecodeError {
    DecodeError::Missing { field: field.to_owned() }
}

fn object(field: Option<Field<'_>>, path: &str) -> Result<(), DecodeError> {
    match field {
        Some(field) if field.raw.as_str().starts_with('{') => Ok(()),
        Some(field) => Err(field.not("an object")),
        None => Err(missing(path)),
    }
}

fn message(envelope: &Envelope<'_>, body: Body<'_>) -> Result<Message, DecodeError> {
    let found = Found { headers: &envelope.fields, body: body.fields.as_deref() };
    let limits = optional(found.field("timelimit", |fields| fields.timelimit), Field::limits)?;
    let [time_limit, soft_time_limit] = limits.unwrap_or_default();
    Ok(Message {
        task: task(&found)?,
        id: id(&found)?,
        retries: optional(found.field("retries", |fields| fields.retries), |field| {
            field.int("a whole number, 0 or more")
        })?
        .unwrap_or(0),
        eta: optional(found.field("eta", |fields| fields.eta), Field::date)?,
        expires: optional(found.field("expires", |fields| fields.expires), Field::date)?,
        time_limit,
        soft_time_limit,
        ignore_result: optional(found.field("ignore_result", |fields| fields.ignore_result), Field::bool)?,
        root_id: optional(found.field("root_id", |fields| fields.root_id), owned_id)?,
        parent_id: optional(found.field("parent_id", |fields| fields.parent_id), owned_id)?,
        group: optional(group(&found), owned_id)?,
        group_index: optional(found.field("group_index", |fields| fields.group_index), |field| {
            field.int("a whole number or null")
        })?,
        shadow: optional(found.field("shadow", |fields| fields.shadow), owned_text)?,
        origin: optional(found.field("origin", |fields| fields.origin), owned_text)?,
        // Ours; but anybody may send a header of this name.
        sent_at: found
            .field("sent_at", |fields| fields.sent_at)
            .and_then(|field| field.raw.as_str().parse().ok())
            .map(Timestamp::from_millis),
        headers: headers(envelope),
        other_headers: envelope.fields.others,
        priority: priority(envelope),
        exchange: optional(required(envelope.exchange(), "properties.delivery_info.exchange")?, short_text)?
            .unwrap_or_default(),
        routing_key: match required(envelope.routing_key(), "properties.delivery_info.routing_key")? {
            Some(field) => short_text(field)?,
            None => Text::default(),
        },
        delivery_tag: envelope.delivery_tag().map(|tag| tag.raw.as_str().into()).unwrap_or_default(),
        reply_to: optional(envelope.reply_to(), owned_id)?,
        correlation_id: optional(envelope.correlation_id(), owned_id)?,
        args: body.args,
        kwargs: body.kwargs,
        embed: body.embed,
    })
}

fn required<'a>(field: Option<Field<'a>>, path: &str) -> Result<Option<Field<'a>>, DecodeError> {
    if field.is_some() { Ok(field) } else { Err(missing(path)) }
}

fn owned_id(field: Field<'_>) -> Result<String, DecodeError> {
    field.id().map(|id| id.into_owned())
}

fn owned_text(field: Field<'_>) -> Result<String, DecodeError> {
    field.text().map(|text| text.into_owned()).ok_or_else(|| field.not("a string"))
}

fn short_text(field: Field<'_>) -> Result<Text, DecodeError> {
    field.text().map(|text| text.as_ref().into()).ok_or_else(|| field.not("a string"))
}

fn task(found: &Found<'_, '_>) -> Result<Text, DecodeError> {
    let Some(field) = found.field("task", |fields| fields.task) else { return Err(missing("headers.task")) };
    match short_text(field)? {
        name if name.is_empty() => Err(field.not("a task's name")),
        name => Ok(name),
    }
}

fn id(found: &Found<'_, '_>) -> Result<TaskId, DecodeError> {
    let Some(field) = found.field("id", |fields| fields.id) else { return Err(missing("headers.id")) };
    TaskId::new(field.id()?).map_err(|_| field.not("a task id of 1 to 512 bytes"))
}

fn group<'a>(found: &Found<'_, 'a>) -> Option<Field<'a>> {
    let taskset = found.headers.group.is_none() && found.body.is_some_and(|body| body.taskset);
    found.field(if taskset { "taskset" } else { "group" }, |fields| fields.group)
}

fn headers(envelope: &Envelope<'_>) -> Json {
    match envelope.headers() {
        Some(headers) if !headers.raw.is_null() => headers.raw.to_json(),
        _ => Json::empty_object(),
    }
}

/// As kombu: whatever is no integer is 0.
fn priority(envelope: &Envelope<'_>) -> Priority {
    let number = envelope.priority().and_then(|field| field.raw.as_str().parse::<i64>().ok());
    Priority::new(number.unwrap_or(0))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
