use super::*;

fn check(text: &str, max_depth: usize) -> Result<&str, Fault> {
    let mut scanner = Scanner::new(text, max_depth);
    let value = scanner.value()?;
    scanner.end()?;
    Ok(value)
}

#[test]
fn json_and_pythons_words_are_taken() {
    for text in [
        "null",
        "true",
        "false",
        "NaN",
        "Infinity",
        "-Infinity",
        "0",
        "-0",
        "12",
        "-1.5e+10",
        "1E5",
        "0.25",
        "\"\"",
        "[]",
        "{}",
        "[[],{}]",
        "{\"a\":{\"b\":[1, 2 ,3]}}",
        "\"\\u00e9\\ud800\\n\\/\"",
        " [ 1 ] ",
        "123456789012345678901234567890",
    ] {
        assert_eq!(check(text, 64), Ok(text.trim()), "{text}");
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (text, at) in [
        ("", 0),
        ("nul", 0),
        ("tru", 0),
        ("-", 1),
        ("01", 1),
        ("1.", 2),
        ("1e", 2),
        ("+1", 0),
        (".5", 0),
        ("[1,]", 3),
        ("[1 2]", 3),
        ("[1", 2),
        ("{\"a\"}", 4),
        ("{\"a\":}", 5),
        ("{\"a\":1,}", 7),
        ("{a:1}", 1),
        ("\"abc", 4),
        ("\"a\nb\"", 2),
        ("\"\\x\"", 1),
        ("\"\\u12g4\"", 1),
        ("[}", 1),
        ("{]", 1),
        ("[1}", 2),
        ("1 2", 2),
        ("-Inf", 1),
        ("\u{feff}1", 0),
        ("'a'", 0),
        ("\"\\", 1),
    ] {
        assert_eq!(check(text, 64).map_err(|fault| fault.at), Err(at), "{text}");
    }
}

#[test]
fn nesting_is_counted_and_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(check(&nested(64), 64).is_ok());
    assert_eq!(check(&nested(65), 64), Err(Fault { at: 64, kind: FaultKind::TooDeep(64) }));
    let mixed = format!("{}1{}", "[{\"a\":".repeat(5000), "}]".repeat(5000));
    assert!(check(&mixed, 10_000).is_ok());
    let wrong = mixed.replacen("}]}]", "}]]}", 1);
    assert!(check(&wrong, 10_000).is_err());
}

#[test]
fn control_characters_and_quotes_are_found_at_every_offset() {
    for length in 0..40 {
        for at in 0..length {
            for (bad, good) in [('\u{1}', false), ('\u{1f}', false), ('é', true), ('\u{7f}', true), (' ', true)] {
                let mut content: Vec<char> = vec!['a'; length];
                content[at] = bad;
                let text = format!("\"{}\"", content.iter().collect::<String>());
                assert_eq!(check(&text, 1).is_ok(), good, "{text:?}");
            }
        }
    }
}
