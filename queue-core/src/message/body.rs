//! The body: out of its string, its base64 and its compression, and cut into arguments.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::DecodeLimits;
use super::compression::decompress;
use super::envelope::{Envelope, walk};
use super::error::DecodeError;
use super::fields::{Field, Fields};
use super::json::{Json, JsonRef};
use super::scan::Scanner;

/// Strict but for the last bits, which Python ignores too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// The end of a body, after its last comma, as Celery writes it for a call without callbacks.
const NO_EMBED: &str = " {\"callbacks\": null, \"errbacks\": null, \"chain\": null, \"chord\": null}]";

/// A body's parts, and for protocol 1 the fields that were not in the headers yet.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    pub(crate) args: Json,
    pub(crate) kwargs: Json,
    pub(crate) embed: Json,
    pub(crate) fields: Option<Box<Fields<'a>>>,
}

/// The text of an envelope's body.
pub(crate) fn body_text<'a>(envelope: &Envelope<'a>, limits: &DecodeLimits) -> Result<Cow<'a, str>, DecodeError> {
    check_content_type(envelope)?;
    let Some(field) = envelope.body() else { return Err(missing("body")) };
    let Some(text) = field.text() else { return Err(field.not("a string")) };
    let compression = match envelope.compression() {
        Some(field) if !field.raw.is_null() => field.text().ok_or_else(|| field.not("a string or null"))?,
        _ => Cow::Borrowed(""),
    };
    let plain = !is_base64(envelope)?;
    if plain && compression.is_empty() {
        check_size(text.len(), limits)?;
        return Ok(text);
    }
    let bytes = if plain { text.into_owned().into_bytes() } else { unpack_base64(&text, limits)? };
    let bytes = if compression.is_empty() { bytes } else { decompress(&compression, &bytes, limits.max_body, "body")? };
    let text = String::from_utf8(bytes);
    text.map(Cow::Owned).map_err(|error| DecodeError::NotUtf8 { part: "body", at: error.utf8_error().valid_up_to() })
}

fn missing(field: &str) -> DecodeError {
    DecodeError::Missing { field: field.to_owned() }
}

/// Refuses a body that has more bytes than what reads it takes.
pub(super) fn check_size(bytes: usize, limits: &DecodeLimits) -> Result<(), DecodeError> {
    if bytes > limits.max_body { Err(DecodeError::TooLarge { part: "body", limit: limits.max_body }) } else { Ok(()) }
}

fn is_base64(envelope: &Envelope<'_>) -> Result<bool, DecodeError> {
    let expected = "`base64`, `utf-8` or null";
    match envelope.body_encoding() {
        Some(field) if !field.raw.is_null() => match field.text().as_deref() {
            Some("base64") => Ok(true),
            Some("utf-8" | "utf8" | "") => Ok(false),
            _ => Err(field.not(expected)),
        },
        _ => Ok(false),
    }
}

fn unpack_base64(text: &str, limits: &DecodeLimits) -> Result<Vec<u8>, DecodeError> {
    check_size((text.len() / 4).saturating_sub(1) * 3, limits)?;
    let bytes = BASE64.decode(text).map_err(|error| DecodeError::Base64 { field: "body", why: error.to_string() })?;
    check_size(bytes.len(), limits)?;
    Ok(bytes)
}

fn check_content_type(envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let Some(field) = envelope.content_type() else { return Err(missing("content-type")) };
    if field.raw.as_str() == "\"application/json\"" {
        return Ok(());
    }
    let Some(content_type) = field.text() else { return Err(field.not("a string")) };
    let hint = match content_type.as_ref() {
        "application/json" => return Ok(()),
        "application/data" => ": a signed (or raw) body; send with `task_serializer = 'json'`",
        "application/x-python-serialize" => ": pickle runs code when it is read; send with `task_serializer = 'json'`",
        "application/x-yaml" | "application/x-msgpack" => ": send with `task_serializer = 'json'`",
        _ => "",
    };
    Err(DecodeError::ContentType { content_type: super::text::shorten(&content_type, 60), hint })
}

/// Cuts a body: `[args, kwargs, embed]`, or the object of protocol 1.
pub(crate) fn cut<'b>(text: &'b str, limits: &DecodeLimits) -> Result<Body<'b>, DecodeError> {
    match Scanner::new(text, 0).peek() {
        Some(b'{') => cut_object(text, limits),
        _ => cut_array(text, limits),
    }
}

fn cut_array<'b>(text: &'b str, limits: &DecodeLimits) -> Result<Body<'b>, DecodeError> {
    let mut scanner = Scanner::new(text, limits.max_depth);
    let mut parts = [None; 3];
    let mut count = 0;
    let mut walk = || {
        scanner.open_array()?;
        let mut first = true;
        while scanner.element(&mut first)? {
            if count == 2 && scanner.rest() == NO_EMBED {
                (parts[2], count) = (Some(JsonRef::trusted(&NO_EMBED[1..NO_EMBED.len() - 1])), 3);
                return Ok(());
            }
            let raw = scanner.value()?;
            if let Some(part) = parts.get_mut(count) {
                *part = Some(JsonRef::trusted(raw));
            }
            count += 1;
        }
        scanner.end()
    };
    walk().map_err(|fault| fault.of("body", text))?;
    let ([Some(args), Some(kwargs), Some(embed)], 3) = (parts, count) else {
        return Err(DecodeError::Invalid {
            field: "body".to_owned(),
            expected: "an array of three: [args, kwargs, embed]",
            found: format!("an array of {count}"),
        });
    };
    Ok(Body {
        args: array("body[0] (args)", args)?,
        kwargs: object("body[1] (kwargs)", kwargs)?,
        embed: embedded(embed)?,
        fields: None,
    })
}

fn part<'b>(name: &'static str, raw: JsonRef<'b>) -> Field<'b> {
    Field { scope: "", name, raw }
}

fn array(name: &'static str, raw: JsonRef<'_>) -> Result<Json, DecodeError> {
    if raw.as_str().starts_with('[') { Ok(raw.to_json()) } else { Err(part(name, raw).not("an array")) }
}

fn object(name: &'static str, raw: JsonRef<'_>) -> Result<Json, DecodeError> {
    if raw.as_str().starts_with('{') { Ok(raw.to_json()) } else { Err(part(name, raw).not("an object")) }
}

fn embedded(raw: JsonRef<'_>) -> Result<Json, DecodeError> {
    let nothing = raw.is_null() || raw.elements().is_ok_and(|mut elements| elements.next().is_none());
    if nothing || raw.as_str().starts_with('{') {
        return Ok(raw.to_json());
    }
    Err(part("body[2] (embed)", raw).not("an object, null or []"))
}

fn cut_object<'b>(text: &'b str, limits: &DecodeLimits) -> Result<Body<'b>, DecodeError> {
    let mut fields: Box<Fields<'_>> = Box::default();
    let (mut args, mut kwargs) = (None, None);
    let (mut callbacks, mut errbacks, mut chord) = (None, None, None);
    let mut scanner = Scanner::new(text, limits.max_depth);
    walk(&mut scanner, |key, scanner| {
        let raw = JsonRef::trusted(scanner.value()?);
        match key {
            "args" => args = Some(raw),
            "kwargs" => kwargs = Some(raw),
            "callbacks" => callbacks = Some(raw),
            "errbacks" => errbacks = Some(raw),
            "chord" => chord = Some(raw),
            // A body is compressed as a whole: only the envelope's header says so.
            "compression" => {}
            // What protocol 1 calls a group.
            "taskset" if !raw.is_null() => (fields.group, fields.taskset) = (Some(raw), true),
            _ => fields.set(key, raw),
        }
        Ok(())
    })
    .and_then(|()| scanner.end())
    .map_err(|fault| fault.of("body", text))?;
    Ok(Body {
        args: args.map_or(Ok(Json::empty_array()), |raw| array("body.args", raw))?,
        kwargs: kwargs.map_or(Ok(Json::empty_object()), |raw| object("body.kwargs", raw))?,
        embed: embed_of(callbacks, errbacks, chord),
        fields: Some(fields),
    })
}

/// What protocol 2 would have said.
fn embed_of(callbacks: Option<JsonRef<'_>>, errbacks: Option<JsonRef<'_>>, chord: Option<JsonRef<'_>>) -> Json {
    let text = |part: Option<JsonRef<'_>>| part.map_or("null", JsonRef::as_str).to_owned();
    let (callbacks, errbacks, chord) = (text(callbacks), text(errbacks), text(chord));
    Json::trusted(format!(
        "{{\"callbacks\": {callbacks}, \"errbacks\": {errbacks}, \"chain\": null, \"chord\": {chord}}}"
    ))
}
