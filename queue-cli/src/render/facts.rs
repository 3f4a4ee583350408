//! What is known of one thing: a title, and names with their values below it.

use super::style::{Paint, Style};
use super::text;
use crate::out::Out;

/// Longer values are cut, unless asked not to.
const MOST_LINES: usize = 40;
const MOST_CHARS: usize = 2000;

/// A block as it grows.
#[derive(Debug)]
pub(crate) struct Facts {
    title: String,
    facts: Vec<(&'static str, String, Style)>,
}

impl Facts {
    /// A block with this title.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), facts: Vec::new() }
    }

    /// Adds a value on a line of its own.
    pub(crate) fn add(&mut self, name: &'static str, value: impl AsRef<str>) {
        self.styled(name, value, Style::Plain);
    }

    /// Adds a value where there is one.
    pub(crate) fn add_some(&mut self, name: &'static str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Adds a value in a colour.
    pub(crate) fn styled(&mut self, name: &'static str, value: impl AsRef<str>, style: Style) {
        self.facts.push((name, text::visible(value.as_ref()), style));
    }

    /// Adds a value that may be long, cut unless `full`.
    pub(crate) fn long(&mut self, name: &'static str, value: &str, full: bool) {
        let value = if full { value.to_owned() } else { shortened(value) };
        self.add(name, value);
    }

    /// As text, without a last line feed.
    pub(crate) fn render(&self, out: Out) -> String {
        let mut lines = vec![out.paint.on(Style::Strong, &text::one_line(&self.title))];
        let width = self.facts.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        for (name, value, style) in &self.facts {
            lines.extend(fact(out.paint, width, name, value, *style));
        }
        lines.join("\n")
    }
}

/// One line, or the name on one and the value's lines below it.
fn fact(paint: Paint, width: usize, name: &str, value: &str, style: Style) -> Vec<String> {
    let painted = paint.on(Style::Faint, &format!("{name:width$}"));
    if !value.contains('\n') {
        return vec![format!("  {painted}  {}", paint.on(style, value)).trim_end().to_owned()];
    }
    let mut lines = vec![format!("  {}", paint.on(Style::Faint, name))];
    lines.extend(value.lines().map(|line| format!("    {}", paint.on(style, line))));
    lines
}

fn shortened(value: &str) -> String {
    let end = value.char_indices().nth(MOST_CHARS).map_or(value.len(), |(at, _)| at);
    let end = value.match_indices('\n').nth(MOST_LINES - 1).map_or(end, |(at, _)| at.min(end));
    if end == value.len() {
        return value.to_owned();
    }
    format!("{}\n… {} more; --full shows all", &value[..end], text::bytes(value.len() - end))
}
