use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::dispatcher::with_default;
use tracing::field::Empty;
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use super::json::Json;
use super::text::Text;

/// What a log was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Told {
    fn lines(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Told {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// As long as every time is.
const TIME: &str = "2026-11-28T18:14:47.687128Z";

/// What is logged meanwhile, without its time.
fn text(act: impl FnOnce()) -> String {
    let told = Told::default();
    let lines = layer().with_writer(told.clone()).with_ansi(false).fmt_fields(Text).event_format(Text);
    with_default(&registry().with(lines).into(), act);
    told.lines().split_off(TIME.len())
}

/// What is logged meanwhile, a document each, without their times.
fn documents(act: impl FnOnce()) -> Vec<Value> {
    let told = Told::default();
    let lines = layer().with_writer(told.clone()).with_ansi(false).fmt_fields(Json).event_format(Json);
    with_default(&registry().with(lines).into(), act);
    let document = |line: &str| {
        let mut document: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let time = document.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert_eq!(time.as_str().unwrap().len(), TIME.len());
        document
    };
    told.lines().lines().map(document).collect()
}

#[test]
fn a_line_says_where_it_was_and_what() {
    let line = text(|| {
        let span = tracing::info_span!("task", task = "shop.mail", id = %"id-1", retries = 2, more = Empty);
        span.record("more", true);
        let _entered = span.enter();
        let _inner = tracing::info_span!("inner").entered();
        tracing::warn!(took = 1.5, r#type = ?Some("a"), "it \"went\" {}", "well");
    });
    let expected =
        r#"  WARN task{task="shop.mail" id=id-1 retries=2 more=true}:inner: it "went" well took=1.5 type=Some("a")"#;
    assert_eq!(line, format!("{expected}\n"));
}

#[test]
fn levels_line_up() {
    assert_eq!(text(|| tracing::info!("a")), "  INFO a\n");
    assert_eq!(text(|| tracing::error!("a")), " ERROR a\n");
    assert_eq!(text(|| tracing::debug!(b = 1)), " DEBUG b=1\n");
}

/// What a job's data holds makes no line of its own, and moves nobody's cursor.
#[test]
fn control_characters_do_nothing() {
    let evil = "a\nERROR \u{1b}[2Jb\u{9b}c\"\\";
    let line = text(|| tracing::info!(shown = %evil, text = evil, debug = ?evil, "first\nsecond \u{1b}[2J"));
    let lines = [
        "  INFO first",
        r#"second \u{1b}[2J shown=a\nERROR \u{1b}[2Jb\u{9b}c"\ text="a\nERROR \u{1b}[2Jb\u{9b}c\"\\" debug="a\nERROR \u{1b}[2Jb\u{9b}c\"\\""#,
        "",
    ];
    assert_eq!(line, lines.join("\n"));
}

#[derive(Debug)]
struct Outer(io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_error_comes_with_its_causes() {
    let outer = Outer(io::Error::other("the disk"));
    assert_eq!(text(|| tracing::info!(error = &outer as &dyn Error, "no")), "  INFO no error=outer: the disk\n");
    let lines = documents(|| tracing::info!(error = &outer as &dyn Error, "no"));
    assert_eq!(lines[0]["error"], "outer: the disk");
}

#[test]
fn a_line_is_an_object() {
    let lines = documents(|| {
        let span = tracing::info_span!("task", task = "shop.mail", id = %"id-1", more = Empty);
        let _entered = span.enter();
        tracing::info!(runtime = %0.5, ok = true, n = -3, half = 0.5, none = f64::NAN, r#type = ?Some("a"), "done");
        span.record("more", 7);
        tracing::warn!("again");
    });
    let target = "queue_worker::logging::tests";
    let span = json!({ "name": "task", "task": "shop.mail", "id": "id-1" });
    let first = json!({
        "level": "INFO", "message": "done", "target": target, "span": span,
        "runtime": "0.5", "ok": true, "n": -3, "half": 0.5, "none": null, "type": "Some(\"a\")",
    });
    assert_eq!(lines[0], first);
    let span = json!({ "name": "task", "task": "shop.mail", "id": "id-1", "more": 7 });
    assert_eq!(lines[1], json!({ "level": "WARN", "message": "again", "target": target, "span": span }));
}

#[test]
fn an_inner_span_does_not_hide_the_task() {
    let lines = documents(|| {
        let _task = tracing::info_span!("task", id = %"id-1").entered();
        let _inner = tracing::info_span!("inner").entered();
        tracing::info!("x");
    });
    assert_eq!(lines[0]["span"], json!({ "name": "inner" }));
    assert_eq!(lines[0]["spans"], json!([{ "name": "task", "id": "id-1" }, { "name": "inner" }]));
}

#[test]
fn whatever_a_text_holds_is_within_its_quotes() {
    let evil: String = (0..0x100).filter_map(char::from_u32).chain("\u{2028}\u{10ffff}".chars()).collect();
    let lines = documents(|| {
        tracing::info!(text = &*evil, shown = %evil, "{evil}");
        tracing::info!(only = 1);
    });
    for field in ["text", "shown", "message"] {
        assert_eq!(lines[0][field].as_str().unwrap(), evil, "{field}");
    }
    assert_eq!(lines[1]["only"], 1);
    assert!(lines[1].get("message").is_none());
}
