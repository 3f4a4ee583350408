//! Text for people: `2026-11-28T18:14:47.687128Z  INFO task{task="shop.mail" id=…}: task succeeded runtime=0.000073`.
//!
//! Nothing that is logged can end its line or move a terminal's cursor: control characters are written as Rust writes them. Only a
//! message may have several lines.

use std::error::Error;
use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::causes;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text;

impl<S> FormatEvent<S, Self> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(&self, context: &FmtContext<'_, S, Self>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        SystemTime.format_time(&mut line)?;
        line.write_str(level(*event.metadata().level()))?;
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                line.write_str(span.name())?;
                let extensions = span.extensions();
                let fields = extensions.get::<FormattedFields<Self>>().map_or("", |fields| &fields.fields);
                if !fields.is_empty() {
                    line.write_char('{')?;
                    line.write_str(fields)?;
                    line.write_char('}')?;
                }
                line.write_char(':')?;
            }
            line.write_char(' ')?;
        }
        context.format_fields(line.by_ref(), event)?;
        line.write_char('\n')
    }
}

impl<'w> FormatFields<'w> for Text {
    fn format_fields<R: RecordFields>(&self, line: Writer<'w>, fields: R) -> fmt::Result {
        let mut found = Fields { line, begun: false, result: Ok(()) };
        fields.record(&mut found);
        found.result
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => " ERROR ",
        Level::WARN => "  WARN ",
        Level::INFO => "  INFO ",
        Level::DEBUG => " DEBUG ",
        Level::TRACE => " TRACE ",
    }
}

struct Fields<'w> {
    line: Writer<'w>,
    begun: bool,
    result: fmt::Result,
}

impl Fields<'_> {
    fn add(&mut self, field: &Field, value: impl FnOnce(&mut Printable<'_, '_>) -> fmt::Result) {
        self.result = self.result.and_then(|()| {
            if std::mem::replace(&mut self.begun, true) {
                self.line.write_char(' ')?;
            }
            let is_message = field.name() == "message";
            if !is_message {
                self.line.write_str(field.name().trim_start_matches("r#"))?;
                self.line.write_char('=')?;
            }
            value(&mut Printable { line: &mut self.line, lines: is_message })
        });
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |line| write!(line, "{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
        self.add(field, |line| match field.name() {
            "message" => line.write_str(value),
            _ if plain(value) => {
                line.line.write_char('"')?;
                line.line.write_str(value)?;
                line.line.write_char('"')
            }
            _ => write!(line, "{value:?}"),
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, |line| line.write_str(&causes(value)));
    }
}

/// Writes control characters so that they do nothing.
struct Printable<'a, 'w> {
    line: &'a mut Writer<'w>,
    /// Whether there may be several lines.
    lines: bool,
}

impl Write for Printable<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.line.write_str(text);
        }
        for letter in text.chars() {
            match letter {
                '\n' | '\t' if self.lines => self.line.write_char(letter)?,
                _ if letter.is_control() => write!(self.line, "{}", letter.escape_default())?,
                _ => self.line.write_char(letter)?,
            }
        }
        Ok(())
    }
}
