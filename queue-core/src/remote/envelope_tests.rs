use super::*;

fn cases() -> Vec<Value> {
    let all = shown(Json::new(include_str!("../../../tests/fixtures/celery/pidbox.json")).unwrap().as_ref());
    all["cases"].as_array().unwrap().clone()
}

/// What a case sent, raw and decoded.
fn sent(case: &Value) -> Vec<(&str, &Value)> {
    let published = case["published"].as_array().into_iter().flatten();
    let requests = published.chain(case.get("request"));
    requests.filter_map(|one| Some((one["raw"].as_str()?, &one["decoded_body"]))).collect()
}

#[test]
fn every_request_of_the_capture_is_read() {
    let (mut read, mut named) = (0, 0);
    for case in cases() {
        for (raw, body) in sent(&case) {
            let Ok(request) = Request::decode(raw.as_bytes()) else {
                assert!(case["name"].as_str().unwrap().contains("without_content_type"), "{case}");
                continue;
            };
            read += 1;
            assert_eq!(request.method, body["method"]);
            assert_eq!(Value::Object(request.arguments.clone()), *body.get("arguments").unwrap_or(&json!({})));
            assert_eq!(request.ticket.as_deref(), body["ticket"].as_str());
            assert_eq!(request.reply_to.map(|to| to.routing_key).as_deref(), body["reply_to"]["routing_key"].as_str());
            named += request.destination.len();
        }
    }
    assert!(read > 50 && named >= 3, "{read} {named}");
}

#[test]
fn every_reply_of_the_capture_is_read() {
    let mut read = 0;
    for case in cases() {
        for reply in case["replies"].as_array().into_iter().flatten() {
            let ours = Reply::decode(reply["raw"].as_str().unwrap().as_bytes()).unwrap();
            assert_eq!(Value::Object(ours.answers.clone()), reply["decoded_body"]);
            assert_eq!(ours.ticket.as_deref(), reply["parsed"]["headers"]["ticket"].as_str());
            assert_eq!(ours.clock, reply["parsed"]["headers"]["clock"].as_u64());
            read += 1;
        }
    }
    assert!(read > 40, "{read}");
}

#[test]
fn what_we_write_we_read_again() {
    let request = Request {
        method: "revoke".into(),
        arguments: json!({ "task_id": ["a"] }).as_object().unwrap().clone(),
        destination: vec!["w@host".into()],
        ticket: Some("t".into()),
        reply_to: Some(ReplyTo::fresh()),
        clock: Some(7),
        expires: Some(1.5),
        ..Request::default()
    };
    assert_eq!(Request::decode(&request.encode()).unwrap(), request);
    let reply = Reply { ticket: Some("t".into()), clock: Some(8), answers: request.arguments };
    assert_eq!(Reply::decode(&reply.encode(&ReplyTo::fresh())).unwrap(), reply);
}

#[test]
fn a_request_says_whom_it_means() {
    let to = |destination: &[&str], pattern: &str, matcher: &str| Request {
        destination: destination.iter().map(ToString::to_string).collect(),
        pattern: Some(pattern.to_owned()),
        matcher: Some(matcher.to_owned()),
        ..Request::default()
    };
    assert_eq!(Request::default().is_for("a@h"), Some(true));
    assert_eq!(to(&["a@h"], "", "").is_for("a@h"), Some(true));
    assert_eq!(to(&["b@h"], "*", "glob").is_for("a@h"), Some(false));
    assert_eq!(to(&[], "a@*", "glob").is_for("a@h"), Some(true));
    assert_eq!(to(&[], "b@*", "glob").is_for("a@h"), Some(false));
    assert_eq!(to(&[], "^a", "pcre").is_for("a@h"), None);
    assert_eq!(to(&[], "b@*", "").is_for("a@h"), Some(true));
}
