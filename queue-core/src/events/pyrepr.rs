//! JSON as Python shows it: single quotes, `None`, `True`, tuples. For events and `inspect`, whose readers expect that.
//!
//! Bounded: a repr has about a thousand characters at most, and costs no more than that however large the value is.

use crate::message::{Json, JsonRef, unescape_lossy};

/// Celery's bound, in characters (ours counts bytes).
const LONGEST: usize = 1024;
/// What is nested deeper is shown as `[...]`.
const DEEPEST: usize = 3;

/// How `json` looks in Python.
pub fn repr(json: JsonRef<'_>) -> String {
    of(json, false)
}

/// How a task's positional arguments look in Python: as a tuple.
pub fn args_repr(args: &Json) -> String {
    of(args.as_ref(), true)
}

/// How a text looks in Python: quoted.
pub fn text_repr(text: &str) -> String {
    let mut writer = Writer::default();
    writer.quoted(text);
    writer.out
}

fn of(json: JsonRef<'_>, tuple: bool) -> String {
    let mut writer = Writer::default();
    writer.value(json, 0, tuple);
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
}

impl Writer {
    fn is_full(&self) -> bool {
        self.out.len() >= LONGEST
    }

    fn value(&mut self, json: JsonRef<'_>, depth: usize, tuple: bool) {
        let text = json.as_str();
        match text.as_bytes().first() {
            Some(b'"') => self.quoted(&unescape_lossy(shortened(&text[1..text.len() - 1]))),
            Some(b'[') => self.array(json, depth, if tuple { ['(', ')'] } else { ['[', ']'] }),
            Some(b'{') => self.object(json, depth),
            _ => self.out.push_str(word(text)),
        }
    }

    fn array(&mut self, json: JsonRef<'_>, depth: usize, [open, close]: [char; 2]) {
        let Ok(elements) = json.elements() else { return };
        self.out.push(open);
        let mut count = 0;
        for element in elements {
            if !self.separate(count, depth) {
                break;
            }
            count += 1;
            self.value(element, depth + 1, false);
        }
        if count == 1 && open == '(' {
            self.out.push(',');
        }
        self.out.push(close);
    }

    fn object(&mut self, json: JsonRef<'_>, depth: usize) {
        let Ok(entries) = json.entries() else { return };
        self.out.push('{');
        for (count, (key, value)) in entries.enumerate() {
            if !self.separate(count, depth) {
                break;
            }
            self.quoted(&key);
            self.out.push_str(": ");
            self.value(value, depth + 1, false);
        }
        self.out.push('}');
    }

    /// Before an item; false when there is no room for it.
    fn separate(&mut self, count: usize, depth: usize) -> bool {
        if count > 0 {
            self.out.push_str(", ");
        }
        let room = depth < DEEPEST && !self.is_full();
        if !room {
            self.out.push_str("...");
        }
        room
    }

    fn quoted(&mut self, text: &str) {
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        self.out.push(quote);
        for c in text.chars() {
            if self.is_full() {
                self.out.push_str("...");
                break;
            }
            self.char(c, quote);
        }
        self.out.push(quote);
    }

    fn char(&mut self, c: char, quote: char) {
        match c {
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            '\\' => self.out.push_str("\\\\"),
            c if c == quote => self.out.extend(['\\', c]),
            c if c.is_control() => self.out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => self.out.push(c),
        }
    }
}

/// Python's word for one of JSON; numbers are the same.
fn word(text: &str) -> &str {
    match text {
        "null" => "None",
        "true" => "True",
        "false" => "False",
        "NaN" => "nan",
        "Infinity" => "inf",
        "-Infinity" => "-inf",
        number => number.get(..LONGEST).unwrap_or(number),
    }
}

/// As much of a string's raw text as can be shown, not cut within an escape or a character.
fn shortened(raw: &str) -> &str {
    // An escape has at most twelve bytes (a surrogate pair).
    let most = 12 * LONGEST;
    if raw.len() <= most {
        return raw;
    }
    let bytes = raw.as_bytes();
    let mut end = 0;
    while end < most || !raw.is_char_boundary(end) {
        end += match bytes[end..] {
            [b'\\', b'u', ..] => 6,
            [b'\\', ..] => 2,
            _ => 1,
        };
    }
    &raw[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        repr(Json::new(text).unwrap().as_ref())
    }

    #[test]
    fn values_look_as_in_python() {
        for (json, python) in [
            ("null", "None"),
            ("[true, false, 1.0, -3]", "[True, False, 1.0, -3]"),
            (r#"{"a": "b", "c": {}}"#, "{'a': 'b', 'c': {}}"),
            (r#""it's""#, r#""it's""#),
            (r#""it's \"both\"""#, r#"'it\'s "both"'"#),
            (r#""\n\t\\\u0001é""#, r"'\n\t\\\x01é'"),
            ("[NaN, -Infinity]", "[nan, -inf]"),
            ("[[[[1]]]]", "[[[[...]]]]"),
            ("[]", "[]"),
        ] {
            assert_eq!(shown(json), python, "{json}");
        }
    }

    #[test]
    fn arguments_are_a_tuple() {
        for (json, python) in [("[]", "()"), ("[1]", "(1,)"), (r#"[1, "a", [2]]"#, "(1, 'a', [2])")] {
            assert_eq!(args_repr(&Json::new(json).unwrap()), python);
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = format!("[{}]", vec!["12345"; 100_000].join(","));
        assert!(shown(&long).ends_with("12345, ...]") && shown(&long).len() < LONGEST + 32);
        for filler in ["x", "é", r"\n", r"\\", r"\u00e9", r"\ud83d\ude00"] {
            for shift in 0..13 {
                let text = format!("\"{}{}\"", "y".repeat(shift), filler.repeat(20_000));
                assert!(shown(&text).ends_with("...'"), "{filler} {shift}: {}", shown(&text));
                assert!(shown(&text).len() < LONGEST + 32);
            }
        }
    }
}
