//! Each reader with the inputs that might be hard for it.

use crate::inputs::{Make, composition, envelope, many_entries, many_tasks, post, stamped, stamps_request};
use crate::readers::{
    Read, canvas, chord, command, date, decode_message, decode_result, event, follow, globbed, replaced, request,
    revocation, shown, url,
};

/// The reader's name, the input's, how to make it, how to read it.
pub(crate) type Case = (&'static str, &'static str, Make, Read);

/// Takes one case after the other.
type Add<'a> = &'a mut dyn FnMut(&'static str, &'static str, Make, Read);

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut add = |reader, input, make: Make, read: Read| cases.push((reader, input, make, read));
    messages(&mut add);
    workflows(&mut add);
    control(&mut add);
    addresses(&mut add);
    cases
}

/// Messages and results.
fn messages(add: Add<'_>) {
    add("message", "many headers", envelope(|n| (many_entries(n), "[[], {}, null]".to_owned())), decode_message);
    add(
        "message",
        "many arguments",
        envelope(|n| (String::new(), format!("[[{}1], {{}}, null]", "1, ".repeat(n / 3)))),
        decode_message,
    );
    add(
        "message",
        "many kwargs",
        envelope(|n| (String::new(), format!("[[], {{{}}}, null]", many_entries(n).trim_end_matches(", ")))),
        decode_message,
    );
    add(
        "message",
        "a huge number",
        envelope(|n| (String::new(), format!("[[{}], {{}}, null]", "9".repeat(n)))),
        decode_message,
    );
    add("message", "brackets, too deep", envelope(|n| (String::new(), "[".repeat(n))), decode_message);
    add(
        "message",
        "500 deep and wide",
        envelope(|n| {
            (String::new(), format!("[[{}{}1{}], {{}}, null]", "[".repeat(500), "1, ".repeat(n / 3), "]".repeat(500)))
        }),
        decode_message,
    );
    add(
        "message",
        "escapes",
        envelope(|n| (String::new(), format!("[[\"{}\"], {{}}, null]", "\\u00e9\\n".repeat(n / 8)))),
        decode_message,
    );
    add(
        "message",
        "typed values",
        envelope(|n| {
            (
                String::new(),
                format!("[[{}1], {{}}, null]", r#"{"__type__": "bytes", "__value__": "x"}, "#.repeat(n / 42)),
            )
        }),
        decode_message,
    );
    add(
        "message",
        "typed values in each other",
        envelope(|n| {
            let open = r#"{"__value__": "#.repeat(100);
            (String::new(), format!("[[{open}[{}1]{}], {{}}, null]", "1, ".repeat(n / 3), "}".repeat(100)))
        }),
        decode_message,
    );
    add(
        "message",
        "many stamps",
        envelope(|n| {
            (format!("\"stamps\": {{{}}}, ", many_entries(n).trim_end_matches(", ")), "[[], {}, null]".to_owned())
        }),
        decode_message,
    );
    add(
        "message",
        "white space",
        envelope(|n| (String::new(), format!("[[], {{}}, {}null]", " ".repeat(n)))),
        decode_message,
    );
    add(
        "result",
        "many fields",
        Box::new(|n| {
            format!("{{\"status\": \"SUCCESS\", \"result\": 1, {}\"task_id\": \"i\"}}", many_entries(n)).into_bytes()
        }),
        decode_result,
    );
    add(
        "result",
        "a long exception",
        Box::new(|n| {
            format!("{{\"result\": {{\"exc_type\": \"E\", \"exc_message\": [{}1]}}, \"status\": \"FAILURE\", \"task_id\": \"i\"}}", "\"x\", ".repeat(n / 5)).into_bytes()
        }),
        decode_result,
    );
}

/// Signatures, and what follows a task's end.
fn workflows(add: Add<'_>) {
    add("canvas", "a long chain", Box::new(|n| composition("chain", &many_tasks(n))), canvas);
    add("canvas", "a large group", Box::new(|n| composition("group", &many_tasks(n))), canvas);
    add(
        "canvas",
        "a large chord",
        Box::new(|n| {
            format!(r#"{{"task": "celery.chord", "subtask_type": "chord", "kwargs": {{"header": [{}], "body": {{"task": "b"}}}}}}"#, many_tasks(n)).into_bytes()
        }),
        canvas,
    );
    add(
        "canvas",
        "many options",
        Box::new(|n| {
            format!(r#"{{"task": "t", "options": {{{}}}}}"#, many_entries(n).trim_end_matches(", ")).into_bytes()
        }),
        canvas,
    );
    add("canvas", "many fields", Box::new(|n| format!(r#"{{{}"task": "t"}}"#, many_entries(n)).into_bytes()), canvas);
    add(
        "canvas",
        "many headers",
        Box::new(|n| {
            format!(r#"{{"task": "t", "options": {{"headers": {{{}}}}}}}"#, many_entries(n).trim_end_matches(", "))
                .into_bytes()
        }),
        canvas,
    );
    add("canvas", "many stamps", Box::new(stamped), canvas);
    add(
        "canvas",
        "many links",
        Box::new(|n| format!(r#"{{"task": "t", "options": {{"link": [{}]}}}}"#, many_tasks(n)).into_bytes()),
        canvas,
    );
    add(
        "canvas",
        "90 deep and wide",
        Box::new(|n| {
            let open = r#"{"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": ["#;
            format!("{}{}{}", open.repeat(90), many_tasks(n), "]}}".repeat(90)).into_bytes()
        }),
        canvas,
    );
    add(
        "canvas",
        "links in links, 100 deep",
        Box::new(|n| {
            let open = r#"{"task": "t", "options": {"link": ["#;
            format!("{}{}{}", open.repeat(100), many_tasks(n), "]}}".repeat(100)).into_bytes()
        }),
        canvas,
    );
    add(
        "canvas",
        "empty groups in a chain",
        Box::new(|n| {
            let group = r#"{"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": []}}, "#;
            composition("chain", format!("{}{{\"task\": \"t\"}}", group.repeat(n / group.len())).as_str())
        }),
        canvas,
    );
    add(
        "follow",
        "many callbacks",
        Box::new(|n| format!(r#"{{"callbacks": [{}]}}"#, many_tasks(n)).into_bytes()),
        follow,
    );
    add(
        "follow",
        "many errbacks",
        Box::new(|n| format!(r#"{{"errbacks": [{}]}}"#, many_tasks(n)).into_bytes()),
        follow,
    );
    add("follow", "a long chain", Box::new(|n| format!(r#"{{"chain": [{}]}}"#, many_tasks(n)).into_bytes()), follow);
    add(
        "follow",
        "empty groups in a chain",
        Box::new(|n| {
            let group = r#", {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": []}}"#;
            format!(r#"{{"chain": [{{"task": "t"}}{}]}}"#, group.repeat(n / group.len())).into_bytes()
        }),
        follow,
    );
    add(
        "follow",
        "a chord's body",
        Box::new(|n| {
            format!(r#"{{"chord": {}}}"#, String::from_utf8(composition("chain", &many_tasks(n))).expect("text"))
                .into_bytes()
        }),
        follow,
    );
    add(
        "follow",
        "a key many times",
        Box::new(|n| format!(r#"{{{}"chain": []}}"#, r#""chain": [], "#.repeat(n / 13)).into_bytes()),
        follow,
    );
    add(
        "replace",
        "many stamps",
        Box::new(|n| format!("{{{}}}", many_entries(n).trim_end_matches(", ")).into_bytes()),
        replaced,
    );
    add("chord", "many parts", Box::new(|n| r#"[1, "id", "SUCCESS", 3]"#.repeat(n / 23).into_bytes()), chord);
    add(
        "chord",
        "one large part",
        Box::new(|n| format!(r#"[1, "id", "SUCCESS", [{}1]]"#, "1, ".repeat(n / 3)).into_bytes()),
        chord,
    );
}

/// Requests to workers, events, and what people type.
fn control(add: Add<'_>) {
    add(
        "request",
        "many arguments",
        post(|n| format!(r#"{{"method": "x", "arguments": {{{}}}}}"#, many_entries(n).trim_end_matches(", "))),
        request,
    );
    add(
        "request",
        "brackets in a pattern",
        post(|n| format!(r#"{{"method": "x", "matcher": "glob", "pattern": "{}"}}"#, "[".repeat(n))),
        request,
    );
    add(
        "request",
        "stars in a pattern",
        post(|n| format!(r#"{{"method": "x", "matcher": "glob", "pattern": "{}"}}"#, "*a".repeat(n / 2))),
        request,
    );
    add(
        "request",
        "many destinations",
        post(|n| format!(r#"{{"method": "x", "destination": [{}"x"]}}"#, "\"w\", ".repeat(n / 5))),
        request,
    );
    add(
        "request",
        "500 deep and wide",
        post(|n| {
            format!(
                r#"{{"method": "x", "arguments": {}{}1{}}}"#,
                r#"{"a": "#.repeat(500).replace("500", ""),
                format!("[{}1], \"b\": ", "1, ".repeat(n / 3)),
                "}".repeat(500)
            )
        }),
        request,
    );
    add("request", "stamps to revoke", Box::new(stamps_request), revocation);
    add("event", "many in one", post(|n| format!(r#"[{}1]"#, r#"{"type": "x"}, "#.repeat(n / 15))), event);
    add("event", "many fields", post(|n| format!(r#"{{{}"type": "x"}}"#, many_entries(n))), event);
    add(
        "event",
        "500 deep and wide",
        post(|n| format!("{}{}1{}", "[".repeat(500), "1, ".repeat(n / 3), "]".repeat(500))),
        event,
    );
    add("repr", "a long text", Box::new(|n| format!("\"{}\"", "\\ud83d\\ude00".repeat(n / 12)).into_bytes()), shown);
    add("repr", "a long list", Box::new(|n| format!("[{}1]", "1, ".repeat(n / 3)).into_bytes()), shown);
    add("glob", "brackets", Box::new(|n| "[".repeat(n).into_bytes()), globbed);
    add("glob", "one large set", Box::new(|n| format!("[{}]", "ab-c".repeat(n / 4)).into_bytes()), globbed);
    add("command", "one long word", Box::new(|n| "7s ".repeat(n / 3).into_bytes()), command);
    add(
        "command",
        "many words",
        Box::new(|n| "--queue mail ".repeat(n / 13).replace(' ', "\u{0}").into_bytes()),
        command,
    );
    add(
        "command",
        "many ids",
        Box::new(|n| format!("retry --dry-run {}", "job-1 ".repeat(n / 600)).replace(' ', "\u{0}").into_bytes()),
        command,
    );
}

/// URLs and dates.
fn addresses(add: Add<'_>) {
    add(
        "url",
        "long",
        Box::new(|n| format!("redis://{}@h?{}", ":a".repeat(n / 4), "?@".repeat(n / 4)).into_bytes()),
        url,
    );
    add("url", "many parameters", Box::new(|n| format!("redis://h/0?{}", "prefix=a&".repeat(n / 9)).into_bytes()), url);
    add("date", "long", Box::new(|n| format!("2026-11-22T22:37:14.{}+00:00", "1".repeat(n)).into_bytes()), date);
}
