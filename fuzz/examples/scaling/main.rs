//! How the time of each reader grows with what it reads: inputs of n, 2n, 4n and 8n, by hand.
//!
//! `cargo run --release --example scaling`. A ratio near 2 is linear, near 4 quadratic; below a millisecond it says little.
//! `small` is the size of the first input in KiB (default 256).

use std::time::{Duration, Instant};

use bytes::Bytes;
use queue_core::canvas::{
    Dispatch, Part, Plan, Setting, Signature, after_failure, after_success, joined, replace, stamps,
};
use queue_core::events::{Event, args_repr, repr, text_repr};
use queue_core::message::{Changes, DecodeLimits, Draft, Json, Message, parse_date, rewrite};
use queue_core::remote::{Reply, Request, glob};
use queue_core::result::{ResultMeta, State, is_ready_meta};
use queue_core::store::{ChordParts, StoreUrl};
use queue_core::{QueueName, TaskId, Timestamp};
use serde_json::Value;

/// Makes an input of about so many bytes.
type Make = Box<dyn Fn(usize) -> Vec<u8>>;

fn main() {
    let small = std::env::args().nth(1).and_then(|size| size.parse::<usize>().ok()).unwrap_or(256) << 10;
    let mut worst = Vec::new();
    println!("{:<34} {:>9} {:>9} {:>9} {:>9}   ratios", "", "n", "2n", "4n", "8n");
    for (reader, input, make, read) in cases() {
        let times = [1, 2, 4, 8].map(|times| time(&make(small * times), read));
        let ratios: Vec<f64> = times.windows(2).map(|pair| pair[1].as_secs_f64() / pair[0].as_secs_f64()).collect();
        let shown: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.1}")).collect();
        let ms = times.map(|time| format!("{:.2}ms", time.as_secs_f64() * 1e3));
        let name = format!("{reader}: {input}");
        println!("{name:<34} {:>9} {:>9} {:>9} {:>9}   {}", ms[0], ms[1], ms[2], ms[3], shown.join(" "));
        worst.push((ratios[2], name));
    }
    worst.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!(
        "\nthe steepest: {}",
        worst.iter().take(3).map(|(r, name)| format!("{name} ({r:.1})")).collect::<Vec<_>>().join(", ")
    );
}

/// The best of three.
fn time(input: &[u8], read: fn(&[u8])) -> Duration {
    let once = || {
        let start = Instant::now();
        read(input);
        start.elapsed()
    };
    let first = once();
    // What takes long takes long each time.
    if first > Duration::from_secs(2) { first } else { first.min(once()).min(once()) }
}

fn cases() -> Vec<(&'static str, &'static str, Make, fn(&[u8]))> {
    let mut cases: Vec<(&'static str, &'static str, Make, fn(&[u8]))> = Vec::new();
    let mut add = |reader, input, make: Make, read| cases.push((reader, input, make, read));

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
    add(
        "url",
        "long",
        Box::new(|n| format!("redis://{}@h?{}", ":a".repeat(n / 4), "?@".repeat(n / 4)).into_bytes()),
        url,
    );
    add("url", "many parameters", Box::new(|n| format!("redis://h/0?{}", "prefix=a&".repeat(n / 9)).into_bytes()), url);
    add("date", "long", Box::new(|n| format!("2026-11-22T22:37:14.{}+00:00", "1".repeat(n)).into_bytes()), date);
    cases
}

fn many_entries(size: usize) -> String {
    (0..size / 16).map(|n| format!("\"k{n:07}\": [], ")).collect()
}

fn many_tasks(size: usize) -> String {
    let task = r#"{"task": "t", "args": [1], "options": {"task_id": "i"}}"#;
    vec![task; size / task.len()].join(", ")
}

fn composition(kind: &str, parts: &str) -> Vec<u8> {
    format!(r#"{{"task": "celery.{kind}", "subtask_type": "{kind}", "kwargs": {{"tasks": [{parts}]}}}}"#).into_bytes()
}

fn stamped(size: usize) -> Vec<u8> {
    let names: Vec<String> = (0..size / 32).map(|n| format!("\"k{n:07}\"")).collect();
    format!(
        r#"{{"task": "t", "options": {{"stamped_headers": [{}], {}"queue": "q"}}}}"#,
        names.join(", "),
        many_entries(size / 2)
    )
    .into_bytes()
}

fn envelope(parts: fn(usize) -> (String, String)) -> Make {
    Box::new(move |size| {
        let (headers, body) = parts(size);
        wrapped(&headers, &body)
    })
}

fn wrapped(headers: &str, body: &str) -> Vec<u8> {
    let body = serde_json::to_string(body).expect("a text");
    format!(
        r#"{{"body": {body}, "content-type": "application/json", "headers": {{{headers}"task": "t", "id": "i"}}, "properties": {{"delivery_tag": 1, "delivery_info": {{"exchange": "", "routing_key": "q"}}}}}}"#
    )
    .into_bytes()
}

fn post(body: fn(usize) -> String) -> Make {
    Box::new(move |size| wrapped("", &body(size)))
}

fn stamps_request(size: usize) -> Vec<u8> {
    let values: Vec<String> = (0..size / 20).map(|n| format!("\"v{n:07}\"")).collect();
    values.join(", ").into_bytes()
}

fn json(input: &[u8]) -> Json {
    Json::new(std::str::from_utf8(input).expect("text")).expect("JSON")
}

fn setting() -> Setting {
    Setting::of_client(QueueName::celery(), Timestamp::from_millis(1_700_000_000_000), None)
}

fn decode_message(input: &[u8]) {
    let Ok(message) = Message::decode(input, &DecodeLimits::default()) else { return };
    let _ = (message.args.parse::<Vec<Value>>(), message.kwargs.parse::<Value>(), message.args.parse::<Vec<f64>>());
    let _ = (stamps(&message), rewrite(input, &Changes { retries: Some(1), ..Changes::default() }));
    let args = Some(Json::empty_array());
    let _ = rewrite(input, &Changes { args, ..Changes::default() });
}

fn decode_result(input: &[u8]) {
    let meta = ResultMeta::decode(input).expect("a result");
    let _ = (is_ready_meta(input), meta.exception(), meta.encode());
}

fn canvas(input: &[u8]) {
    let json = json(input);
    let sig = Signature::from_json(json.as_ref()).expect("a signature");
    let mut stamped = sig.clone();
    stamped.stamped("tenant", "acme");
    let _ = (stamped.to_json(), Plan::default().add(sig, &mut setting()));
}

fn message_with(embed: Json, headers: Vec<(String, Json)>) -> Message {
    let id = TaskId::new("i").expect("an id");
    let draft = Draft { embed, headers, group: Some("g".to_owned()), ..Draft::new("t", id, "q") };
    Message::decode(&draft.encode(), &DecodeLimits::default()).expect("a message")
}

fn follow(input: &[u8]) {
    let message = message_with(json(input), Vec::new());
    let _ = after_success(&message, &Json::null(), &mut setting());
    let _ = after_failure(&message, &State::Failure, &Json::null(), &mut setting());
    let task = Signature::from_json(json(br#"{"task": "t"}"#).as_ref()).expect("a signature");
    let _ = joined(&message, task.clone());
    let _ = replace(&message, task, &mut setting());
}

fn replaced(input: &[u8]) {
    let message = message_with(Json::null(), vec![("stamps".to_owned(), json(input))]);
    let task = Signature::from_json(json(br#"{"task": "t", "options": {"link": [{"task": "l"}]}}"#).as_ref());
    let _ = replace(&message, task.expect("a signature"), &mut setting());
}

fn chord(input: &[u8]) {
    let (id, body) = (TaskId::new("i").expect("an id"), json(br#"{"task": "t", "options": {"task_id": "b"}}"#));
    let part = Part { group: "g".to_owned(), id: id.clone(), index: None, member: Bytes::new(), body };
    let message = Message::decode(&part.dispatch("t", "r", "q", id), &DecodeLimits::default()).expect("a message");
    let dispatch = Dispatch::of(&message).expect("a dispatch");
    let members = input.split_inclusive(|byte| *byte == b']').map(Bytes::copy_from_slice).collect();
    let members =
        if input.windows(2).any(|pair| pair == b"]]") { vec![Bytes::copy_from_slice(input)] } else { members };
    let _ = dispatch.send_body(&ChordParts { meta: None, members }, &mut setting());
}

fn request(input: &[u8]) {
    let Ok(request) = Request::decode(input) else { return };
    let _ = request.is_for("queue@host1");
    queue_fuzz::control::read(&request);
    let _ = (Reply::decode(input), Request::decode(&request.encode()));
}

fn revocation(input: &[u8]) {
    let values = std::str::from_utf8(input).expect("text");
    let body = format!(r#"{{"method": "x", "arguments": {{"headers": {{"s": [{}]}}}}}}"#, values.replace('v', "w"));
    let request = Request::decode(&wrapped("", &body)).expect("a request");
    let message =
        message_with(Json::null(), vec![("stamps".to_owned(), json(format!(r#"{{"s": [{values}]}}"#).as_bytes()))]);
    queue_fuzz::control::revoke(&request, &message);
}

fn event(input: &[u8]) {
    let Ok(events) = Event::decode(input) else { return };
    let _ = Event::multi(&events);
}

fn shown(input: &[u8]) {
    let json = json(input);
    let _ = (repr(json.as_ref()), args_repr(&json), text_repr(json.as_str()));
}

fn globbed(input: &[u8]) {
    let pattern = std::str::from_utf8(input).expect("text");
    let _ = (glob(pattern, "queue@host1"), glob("q*", pattern));
}

fn command(input: &[u8]) {
    let text = std::str::from_utf8(input).expect("text");
    queue_fuzz::command::line(&text.split('\u{0}').collect::<Vec<_>>());
}

fn url(input: &[u8]) {
    let _ = StoreUrl::parse(std::str::from_utf8(input).expect("text")).map(|url| url.masked());
}

fn date(input: &[u8]) {
    let _ = parse_date(std::str::from_utf8(input).expect("text"));
}
