//! JSON as Python writes it, and values as Python shows them.

use super::json::JsonRef;
use super::text::unescape_lossy;

/// Containers deeper than this are shown as `[...]`; Celery's `saferepr` does the same.
const REPR_DEPTH: usize = 3;

/// The same JSON byte for byte as Python's `json.dumps` spaces and escapes it: `, ` and `: ` between, nothing but ASCII.
/// Numbers stay as they are written.
pub(crate) fn python_text(json: JsonRef<'_>) -> String {
    let text = json.as_str();
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let (mut in_string, mut escaped) = (false, false);
    for char in text.chars() {
        if in_string {
            write_ascii(&mut out, char);
            in_string = escaped || char != '"';
            escaped = !escaped && char == '\\';
            continue;
        }
        match char {
            ' ' | '\n' | '\r' | '\t' => {}
            ',' => out.push_str(", "),
            ':' => out.push_str(": "),
            _ => {
                in_string = char == '"';
                out.push(char);
            }
        }
    }
    out
}

fn write_ascii(out: &mut String, char: char) {
    if char.is_ascii() {
        out.push(char);
        return;
    }
    let mut units = [0; 2];
    for unit in char.encode_utf16(&mut units) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// A value as Python's `repr` shows it (`None`, `True`, single quotes), at most `max` characters of it, then `...`.
pub fn python_repr(json: JsonRef<'_>, max: usize) -> String {
    let mut out = String::new();
    show(json, 0, max, &mut out);
    if out.chars().count() > max {
        out = out.chars().take(max).collect();
        out.push_str("...");
    }
    out
}

fn show(json: JsonRef<'_>, depth: usize, max: usize, out: &mut String) {
    // What is beyond the limit is cut anyway.
    if out.len() > 4 * max {
        return;
    }
    match json.as_str() {
        "null" => out.push_str("None"),
        "true" => out.push_str("True"),
        "false" => out.push_str("False"),
        "NaN" => out.push_str("nan"),
        "Infinity" => out.push_str("inf"),
        "-Infinity" => out.push_str("-inf"),
        text if text.starts_with('"') => show_string(&unescape_lossy(&text[1..text.len() - 1]), out),
        text if text.starts_with('[') => {
            if depth >= REPR_DEPTH {
                return out.push_str("[...]");
            }
            out.push('[');
            for (nth, element) in json.elements().into_iter().flatten().enumerate() {
                out.push_str(if nth > 0 { ", " } else { "" });
                show(element, depth + 1, max, out);
            }
            out.push(']');
        }
        text if text.starts_with('{') => {
            if depth >= REPR_DEPTH {
                return out.push_str("{...}");
            }
            out.push('{');
            for (nth, (key, value)) in json.entries().into_iter().flatten().enumerate() {
                out.push_str(if nth > 0 { ", " } else { "" });
                show_string(&key, out);
                out.push_str(": ");
                show(value, depth + 1, max, out);
            }
            out.push('}');
        }
        number => out.push_str(number),
    }
}

/// Python prefers single quotes, and takes double ones for a text that has single ones and no double ones.
fn show_string(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if char == quote => {
                out.push('\\');
                out.push(char);
            }
            char if char.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::super::Json;
    use super::*;

    #[test]
    fn text_is_spaced_and_escaped_as_python_does() {
        let json = Json::new("{\"a\":[1,2.50,\"h\u{e9} \u{1f600}: , \\\" x\"],\"b\" : null}").unwrap();
        let python = "{\"a\": [1, 2.50, \"h\\u00e9 \\ud83d\\ude00: , \\\" x\"], \"b\": null}";
        assert_eq!(python_text(json.as_ref()), python);
    }

    #[test]
    fn values_are_shown_as_python_does() {
        let shown = |text: &str| python_repr(Json::new(text).unwrap().as_ref(), 100);
        assert_eq!(
            shown(r#"[1, true, null, "it's", "a\"b'c", {"k": "v"}]"#),
            r#"[1, True, None, "it's", 'a"b\'c', {'k': 'v'}]"#
        );
        assert_eq!(shown("[[[[1]]]]"), "[[[[...]]]]");
        assert_eq!(python_repr(Json::new(r#""aaaaaaaaaa""#).unwrap().as_ref(), 5), "'aaaa...");
    }
}
