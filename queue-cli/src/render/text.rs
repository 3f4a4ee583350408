//! Texts from messages, made safe for a terminal: a payload must not move the cursor.

use std::fmt::Write as _;

/// `text` on one line: line feeds and tabs become blanks, other control characters are written out.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c => push_visible(&mut line, c),
        }
    }
    line
}

/// `text` with its line feeds, other control characters written out.
pub(crate) fn visible(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => safe.push(c),
            c => push_visible(&mut safe, c),
        }
    }
    safe
}

fn push_visible(line: &mut String, c: char) {
    if c.is_control() || is_invisible(c) {
        // Writing to a `String` cannot fail.
        let _ = write!(line, "\\u{{{:x}}}", u32::from(c));
    } else {
        line.push(c);
    }
}

/// Characters that turn the direction of text around, with which a name can be made to look like another.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// At most `most` characters, the last of them `…` when something is missing.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Bytes that may not be text: as text where they are, otherwise with `\x..` for what is not.
pub(crate) fn lossless(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => visible(text),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// `1 job`, `2 jobs`, `1,234,567 jobs`.
pub(crate) fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// `1,234,567`.
pub(crate) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 B`, `1.5 KiB`, `16.0 MiB`.
pub(crate) fn bytes(count: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size shown with one digit")]
    let (count, kib) = (count as f64, count as f64 / 1024.0);
    if count < 1024.0 {
        format!("{count} B")
    } else if kib < 1024.0 {
        format!("{kib:.1} KiB")
    } else {
        format!("{:.1} MiB", kib / 1024.0)
    }
}
