use super::*;

fn round(text: &str) -> String {
    let mut out = Vec::new();
    write_string(&mut out, text);
    let written = String::from_utf8(out).unwrap();
    assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    unescape(&written[1..written.len() - 1]).unwrap().into_owned()
}

#[test]
fn what_is_written_reads_back() {
    let all: String = (0..0x300).filter_map(char::from_u32).collect();
    for text in ["", "a", "\"", "\\", "é😀", "line\nnext\ttab\u{0}\u{1f}\u{7f}", all.as_str()] {
        assert_eq!(round(text), text);
    }
}

#[test]
fn escapes_are_read() {
    assert_eq!(unescape(r"\u00e9\ud83d\ude00\/\b\f\n\r\t\\\u0022").unwrap(), "é😀/\u{8}\u{c}\n\r\t\\\"");
    assert!(matches!(unescape("plain").unwrap(), Cow::Borrowed("plain")));
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    for raw in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\n", r"\ud800\ud800", r"a\ud83d\u0041"] {
        assert_eq!(unescape(raw), None, "{raw}");
    }
    assert_eq!(unescape_lossy(r"a\ud800b"), "a\u{fffd}b");
}

#[test]
fn integers_are_written_as_rust_writes_them() {
    for number in
        [0, 7, -7, 10, i128::from(i64::MIN), i128::from(u64::MAX), i128::from(u64::MAX) + 1, i128::MAX, i128::MIN]
    {
        let mut out = Vec::new();
        write_int(&mut out, number);
        assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }
}

#[test]
fn shortening_counts_characters() {
    assert_eq!(shorten("ééé", 3), "ééé");
    assert_eq!(shorten("éééé", 3), "ééé…");
}
