//! An object a line, for programs:
//! `{"timestamp":"…","level":"INFO","message":"task succeeded","runtime":"0.000073","target":"…","span":{"task":"shop.mail",…,"name":"task"}}`.
//!
//! `span` is the innermost; where there are several, `spans` has all of them, the outermost first.

use std::error::Error;
use std::fmt::{self, Debug, Display, Write};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::causes;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json;

impl<S> FormatEvent<S, Self> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(&self, context: &FmtContext<'_, S, Self>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(event.metadata().level().as_str())?;
        line.write_str("\",")?;
        let mut fields = Fields { line: line.by_ref(), begun: false, result: Ok(()) };
        event.record(&mut fields);
        let (begun, result) = (fields.begun, fields.result);
        result?;
        line.write_str(if begun { ",\"target\":" } else { "\"target\":" })?;
        string(&mut line, event.metadata().target())?;
        let mut scope = context.event_scope().into_iter().flatten();
        if let Some(innermost) = scope.next() {
            line.write_str(",\"span\":")?;
            object(&mut line, &innermost)?;
            if scope.next().is_some() {
                all(&mut line, context)?;
            }
        }
        line.write_str("}\n")
    }
}

fn all<S>(line: &mut Writer<'_>, context: &FmtContext<'_, S, Json>) -> fmt::Result
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    line.write_str(",\"spans\":[")?;
    let spans = context.event_scope().into_iter().flat_map(|scope| scope.from_root());
    for (n, span) in spans.enumerate() {
        if n > 0 {
            line.write_char(',')?;
        }
        object(line, &span)?;
    }
    line.write_char(']')
}

fn object<S>(line: &mut Writer<'_>, span: &SpanRef<'_, S>) -> fmt::Result
where
    S: for<'a> LookupSpan<'a>,
{
    line.write_char('{')?;
    let extensions = span.extensions();
    if let Some(fields) = extensions.get::<FormattedFields<Json>>().filter(|fields| !fields.is_empty()) {
        line.write_str(fields)?;
        line.write_char(',')?;
    }
    line.write_str("\"name\":")?;
    string(line, span.name())?;
    line.write_char('}')
}

impl<'w> FormatFields<'w> for Json {
    fn format_fields<R: RecordFields>(&self, line: Writer<'w>, fields: R) -> fmt::Result {
        let mut found = Fields { line, begun: false, result: Ok(()) };
        fields.record(&mut found);
        found.result
    }

    fn add_fields(&self, known: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let begun = !known.is_empty();
        let mut found = Fields { line: known.as_writer(), begun, result: Ok(()) };
        fields.record(&mut found);
        found.result
    }
}

/// `"name":value` each, with commas in between.
struct Fields<'w> {
    line: Writer<'w>,
    begun: bool,
    result: fmt::Result,
}

impl Fields<'_> {
    fn add(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        self.result = self.result.and_then(|()| {
            if std::mem::replace(&mut self.begun, true) {
                self.line.write_char(',')?;
            }
            string(&mut self.line, field.name().trim_start_matches("r#"))?;
            self.line.write_char(':')?;
            value(&mut self.line)
        });
    }

    fn number(&mut self, field: &Field, number: impl Display) {
        self.add(field, |line| write!(line, "{number}"));
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |line| {
            line.write_char('"')?;
            write!(Quoted(line), "{value:?}")?;
            line.write_char('"')
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |line| string(line, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, |line| string(line, &causes(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is no number.
        self.add(field, |line| if value.is_finite() { write!(line, "{value:?}") } else { line.write_str("null") });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, value);
    }
}

fn string(line: &mut Writer<'_>, text: &str) -> fmt::Result {
    line.write_char('"')?;
    Quoted(line).write_str(text)?;
    line.write_char('"')
}

/// What stands between the quotes of a JSON string.
struct Quoted<'a, 'w>(&'a mut Writer<'w>);

impl Write for Quoted<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        let escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        while let Some(at) = rest.bytes().position(escaped) {
            self.0.write_str(&rest[..at])?;
            match rest.as_bytes()[at] {
                b'\n' => self.0.write_str("\\n")?,
                byte @ (b'"' | b'\\') => write!(self.0, "\\{}", char::from(byte))?,
                byte => write!(self.0, "\\u{byte:04x}")?,
            }
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}
