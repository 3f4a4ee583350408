//! The strings of JSON: finding their ends, reading and writing their escapes.

use std::borrow::Cow;

/// The offset of the first `"`, `\` or control character at or after `at`; the length when there is none.
///
/// Looks at eight bytes at a time: messages are mostly strings.
pub(crate) fn next_special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        match special_mask(u64::from_le_bytes(*chunk)) {
            0 => at += 8,
            mask => return at + (mask.trailing_zeros() / 8) as usize,
        }
    }
    while let Some(&byte) = bytes.get(at) {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            return at;
        }
        at += 1;
    }
    at
}

/// The highest bit of the lowest special byte is set; bits above it may be set wrongly (a borrow), bits below are not.
fn special_mask(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let zero_in = |x: u64| x.wrapping_sub(ONES) & !x;
    let quotes = zero_in(word ^ (ONES * b'"' as u64));
    let slashes = zero_in(word ^ (ONES * b'\\' as u64));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | slashes | controls) & HIGHS
}

/// What stands between a string's quotes, decoded. `None` when it holds half of a surrogate pair, which Python writes for
/// text that is not Unicode. `raw` has been checked by the scanner.
pub(crate) fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    unescape_with(raw, || None)
}

/// As [`unescape`], with U+FFFD for what is not Unicode. For looking, and for keys.
pub(crate) fn unescape_lossy(raw: &str) -> Cow<'_, str> {
    unescape_with(raw, || Some(char::REPLACEMENT_CHARACTER)).unwrap_or(Cow::Borrowed(raw))
}

fn unescape_with(raw: &str, half: impl Fn() -> Option<char>) -> Option<Cow<'_, str>> {
    let Some(mut slash) = memchr::memchr(b'\\', raw.as_bytes()) else { return Some(Cow::Borrowed(raw)) };
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        text.push_str(&rest[..slash]);
        rest = &rest[slash..];
        let (char, length) = escape(rest);
        match char {
            Some(char) => text.push(char),
            None => text.push(half()?),
        }
        rest = rest.get(length..)?;
        // Escapes come in clusters (`\"a\":\"`): look a few bytes ahead before asking memchr.
        slash = match rest.as_bytes().iter().take(16).position(|&byte| byte == b'\\') {
            Some(near) => near,
            None => match memchr::memchr(b'\\', rest.as_bytes()) {
                Some(far) => far,
                None => break,
            },
        };
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// The character that the escape at the start of `rest` stands for (`None`: half a surrogate pair), and its length.
fn escape(rest: &str) -> (Option<char>, usize) {
    let simple = match rest.as_bytes().get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(rest),
        Some(&byte) => char::from(byte),
        None => return (None, rest.len()),
    };
    (Some(simple), 2)
}

fn unicode_escape(rest: &str) -> (Option<char>, usize) {
    let unit = |at: usize| rest.get(at..at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = unit(2) else { return (None, rest.len().min(2)) };
    if let Some(char) = char::from_u32(first) {
        return (Some(char), 6);
    }
    let second = if rest.get(6..8) == Some("\\u") { unit(8) } else { None };
    match (first, second) {
        (0xd800..0xdc00, Some(second @ 0xdc00..0xe000)) => {
            (char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)), 12)
        }
        _ => (None, 6),
    }
}

/// Appends `text` as a JSON string with its quotes. Only what must be escaped is.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Appends `text` as it stands between the quotes of a JSON string.
pub(crate) fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    loop {
        let at = next_special(bytes, start);
        out.extend_from_slice(&bytes[start..at]);
        let Some(&byte) = bytes.get(at) else { return };
        write_escape(out, byte);
        start = at + 1;
    }
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends a number.
pub(crate) fn write_int(out: &mut Vec<u8>, number: impl Into<i128>) {
    let number = number.into();
    if let Ok(small) = u64::try_from(number) {
        return write_digits(out, small);
    }
    let mut digits = [0_u8; 40];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Nearly all numbers.
fn write_digits(out: &mut Vec<u8>, mut rest: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The first `max_chars` characters, with `…` where there are more.
pub(crate) fn shorten(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
