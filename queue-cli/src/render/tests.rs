use std::time::Duration;

use queue_core::Timestamp;

use super::facts::Facts;
use super::style::{Paint, Style};
use super::table::{Column, Grid};
use super::{json, text, time};
use crate::out::Out;

fn out(width: Option<u16>) -> Out {
    Out { json: false, paint: Paint(false), paint_err: Paint(false), width }
}

fn grid() -> Grid {
    let mut grid = Grid::new(&[Column::Whole("ID"), Column::Number("N"), Column::Cut("ABOUT")]);
    let row = |id: &str, n: &str, about: &str| {
        vec![(id.to_owned(), Style::Plain), (n.to_owned(), Style::Bad), (about.to_owned(), Style::Plain)]
    };
    grid.row(row("0123456789", "1", &"long ".repeat(60)));
    grid.row(row("x", "1,000", "two\nlines \u{1b}[2J"));
    grid
}

#[test]
fn narrow_terminal_cuts_what_may_be_cut_and_never_an_id() {
    insta::assert_snapshot!(grid().render(out(Some(40))), @r"
    ID              N  ABOUT
    0123456789      1  long long long long…
    x           1,000  two lines \u{1b}[2J
    ");
}

#[test]
fn pipe_cuts_only_what_is_very_long() {
    let text = grid().render(out(None));
    assert!(text.lines().all(|line| line.chars().count() <= 140), "{text}");
    assert_eq!(text.lines().count(), 3, "one line per row: {text}");
    assert!(text.contains("two lines \\u{1b}[2J"), "{text}");
}

#[test]
fn colour_is_only_added() {
    let coloured = grid().render(Out { paint: Paint(true), ..out(Some(60)) });
    let mut plain = String::new();
    let mut in_code = false;
    for c in coloured.chars() {
        match c {
            '\u{1b}' => in_code = true,
            'm' if in_code => in_code = false,
            c if !in_code => plain.push(c),
            _ => {}
        }
    }
    assert_ne!(coloured, plain);
    let trimmed = plain.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed, grid().render(out(Some(60))));
}

#[test]
fn facts_are_aligned_and_long_ones_cut() {
    let mut facts = Facts::new("job x");
    facts.add("task", "mail.send");
    facts.add("set aside by", "worker@host");
    facts.add("error", "first\nsecond");
    facts.long("args", &"x".repeat(5000), false);
    let text = facts.render(out(None));
    assert!(
        text.starts_with(
            "job x\n  task          mail.send\n  set aside by  worker@host\n  error\n    first\n    second\n"
        ),
        "{text}"
    );
    assert!(text.ends_with("… 2.9 KiB more; --full shows all"), "{text}");
}

#[test]
fn spans_read_as_people_say_them() {
    for (ms, said) in [
        (0, "0ms"),
        (850, "850ms"),
        (12_300, "12s"),
        (303_000, "5m 3s"),
        (300_000, "5m"),
        (7_800_000, "2h 10m"),
        (273_600_000, "3d 4h"),
    ] {
        assert_eq!(time::short(Duration::from_millis(ms)), said);
    }
}

#[test]
fn durations_are_read_with_and_without_units() {
    assert_eq!(time::parse("90").unwrap(), Duration::from_secs(90));
    assert_eq!(time::parse("0.5").unwrap(), Duration::from_millis(500));
    assert_eq!(time::parse(" 1h 30m ").unwrap(), Duration::from_secs(5400));
    for bad in ["", "soon", "-5", "5 parsecs", "inf", "NaN", "1e300"] {
        assert!(time::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn instants_are_read_with_and_without_offset() {
    let noon = Timestamp::from_millis(1_795_348_800_000);
    for text in ["2026-11-22T12:00:00Z", "2026-11-22T14:00:00+02:00", "2026-11-22 12:00", "2026-11-22T12:00:00.000"] {
        assert_eq!(time::parse_instant(text).unwrap(), noon, "{text}");
    }
    assert_eq!(time::parse_instant("2026-11-22").unwrap(), Timestamp::from_millis(noon.as_millis() - 12 * 3_600_000));
    for bad in ["", "noon", "2026-13-01", "12:00"] {
        assert!(time::parse_instant(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn long_json_is_spread_without_touching_a_token() {
    let text =
        r#"{"big": 123456789012345678901234, "one": 1.0, "quote": "a\"{[,]}:", "empty": [ ], "deep": [{"x": null}]}"#;
    let spread = json::pretty(text);
    insta::assert_snapshot!(spread, @r#"
    {
      "big": 123456789012345678901234,
      "one": 1.0,
      "quote": "a\"{[,]}:",
      "empty": [],
      "deep": [
        {
          "x": null
        }
      ]
    }
    "#);
}

#[test]
fn short_json_and_what_is_not_json_stay_as_they_are() {
    for text in ["[1, 2]", "[NaN]", &format!("[NaN, {:?}]", "x".repeat(100))] {
        assert_eq!(json::pretty(text), text);
    }
}

#[test]
fn numbers_and_sizes() {
    let said: Vec<_> = [0, 999, 1000, 1_234_567].into_iter().map(text::number).collect();
    assert_eq!(said, ["0", "999", "1,000", "1,234,567"]);
    let said: Vec<_> = [512, 1536, 16 << 20].into_iter().map(text::bytes).collect();
    assert_eq!(said, ["512 B", "1.5 KiB", "16.0 MiB"]);
    assert_eq!((text::plural(1, "job", "jobs"), text::plural(0, "job", "jobs")), ("1 job".into(), "0 jobs".into()));
}

#[test]
fn texts_are_cut_by_characters() {
    assert_eq!(text::cut("größe", 5), "größe");
    assert_eq!(text::cut("größer", 5), "größ…");
}

#[test]
fn nothing_from_a_message_moves_the_cursor_or_turns_the_text_around() {
    assert_eq!(text::one_line("a\r\nb\u{1b}[2J\u{202e}c\u{7}"), "a  b\\u{1b}[2J\\u{202e}c\\u{7}");
    assert_eq!(text::visible("a\n\tb\u{9b}"), "a\n\tb\\u{9b}");
    assert_eq!(text::lossless(b"\xff\x1b"), "\\xff\\x1b");
}
