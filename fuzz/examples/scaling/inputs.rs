//! Inputs, of about so many bytes.

/// Makes an input of about so many bytes.
pub(crate) type Make = Box<dyn Fn(usize) -> Vec<u8>>;

pub(crate) fn many_entries(size: usize) -> String {
    (0..size / 16).map(|n| format!("\"k{n:07}\": [], ")).collect()
}

pub(crate) fn many_tasks(size: usize) -> String {
    let task = r#"{"task": "t", "args": [1], "options": {"task_id": "i"}}"#;
    vec![task; size / task.len()].join(", ")
}

pub(crate) fn composition(kind: &str, parts: &str) -> Vec<u8> {
    format!(r#"{{"task": "celery.{kind}", "subtask_type": "{kind}", "kwargs": {{"tasks": [{parts}]}}}}"#).into_bytes()
}

pub(crate) fn stamped(size: usize) -> Vec<u8> {
    let names: Vec<String> = (0..size / 32).map(|n| format!("\"k{n:07}\"")).collect();
    format!(
        r#"{{"task": "t", "options": {{"stamped_headers": [{}], {}"queue": "q"}}}}"#,
        names.join(", "),
        many_entries(size / 2)
    )
    .into_bytes()
}

pub(crate) fn envelope(parts: fn(usize) -> (String, String)) -> Make {
    Box::new(move |size| {
        let (headers, body) = parts(size);
        wrapped(&headers, &body)
    })
}

pub(crate) fn wrapped(headers: &str, body: &str) -> Vec<u8> {
    let body = serde_json::to_string(body).expect("a text");
    format!(
        r#"{{"body": {body}, "content-type": "application/json", "headers": {{{headers}"task": "t", "id": "i"}}, "properties": {{"delivery_tag": 1, "delivery_info": {{"exchange": "", "routing_key": "q"}}}}}}"#
    )
    .into_bytes()
}

pub(crate) fn post(body: fn(usize) -> String) -> Make {
    Box::new(move |size| wrapped("", &body(size)))
}

pub(crate) fn stamps_request(size: usize) -> Vec<u8> {
    let values: Vec<String> = (0..size / 20).map(|n| format!("\"v{n:07}\"")).collect();
    values.join(", ").into_bytes()
}
