//! JSON as Python writes it.

use super::json::JsonRef;

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
}
