use super::*;
use crate::canvas::Part;
use crate::message::DecodeLimits;

fn dispatch(body: &str) -> Dispatch {
    let part = Part {
        group: "g".to_owned(),
        id: TaskId::new("last").unwrap(),
        index: Some(1),
        member: Bytes::new(),
        body: Json::new(body).unwrap(),
    };
    let payload = part.dispatch("token", "root", "q", TaskId::new("d").unwrap());
    assert!(payload.starts_with(crate::store::INTERNAL));
    Dispatch::of(&Message::decode(&payload, &DecodeLimits::default()).unwrap()).unwrap()
}

fn parts(members: &[&str], meta: Option<&str>) -> ChordParts {
    let bytes = |text: &str| Bytes::from(text.to_owned());
    ChordParts { meta: meta.map(bytes), size: None, members: members.iter().map(|member| bytes(member)).collect() }
}

fn setting(dispatch: &Dispatch) -> Setting {
    dispatch.setting(&QueueName::celery(), Timestamp::from_millis(0), None)
}

#[test]
fn body_is_a_child_of_the_last_part_and_gets_the_list() {
    let dispatch = dispatch(r#"{"task": "t.sum", "args": [7], "options": {"task_id": "body"}}"#);
    assert_eq!((dispatch.group.as_str(), dispatch.token.as_str()), ("g", "token"));
    let members = [r#"[1, "a", "SUCCESS", NaN]"#, r#"[1, "last", "SUCCESS", {"x": []}]"#];
    let plan = dispatch.send_body(&parts(&members, None), &mut setting(&dispatch)).unwrap();
    let body = Message::decode(&plan.messages[0].payload, &DecodeLimits::default()).unwrap();
    assert_eq!((body.id.as_str(), body.args.as_str()), ("body", r#"[[NaN, {"x": []}], 7]"#));
    assert_eq!((body.parent_id.as_deref(), body.root_id.as_deref()), (Some("last"), Some("root")));
}

/// A chord that this one is a part of hears of the workflow's root from its message.
#[test]
fn a_dispatch_is_of_its_workflow() {
    let body = Json::new(r#"{"task": "t.sum"}"#).unwrap();
    let part =
        Part { group: "g".to_owned(), id: TaskId::new("last").unwrap(), index: None, member: Bytes::new(), body };
    let payload = part.dispatch("token", "root", "q", TaskId::new("d").unwrap());
    let message = Message::decode(&payload, &DecodeLimits::default()).unwrap();
    assert_eq!(message.root_id.as_deref(), Some("root"));
}

#[test]
fn results_are_nested_as_the_header_was() {
    let dispatch = dispatch(r#"{"task": "t.sum"}"#);
    let meta = r#"{"result": [["g", null], [[["c", null], null], [["h", null], [[["b", null], null], [["a", null], null]]]]]}"#;
    let members = [r#"[1, "a", "SUCCESS", 1]"#, r#"[1, "b", "SUCCESS", 2]"#, r#"[1, "c", "SUCCESS", 3]"#];
    assert_eq!(dispatch.results(&parts(&members, Some(meta))).unwrap().as_str(), "[3, [2, 1]]");
    let Err(Broken { why, .. }) = dispatch.results(&parts(&members[..2], Some(meta))) else { panic!("c is missing") };
    assert_eq!(why.message, "Join error: no result of task c");
}

#[test]
fn failed_part_is_named_as_python_names_it() {
    let dispatch = dispatch(r#"{"task": "t.sum"}"#);
    let failed =
        r#"[1, "b", "FAILURE", {"exc_type": "ValueError", "exc_message": ["hdr", 1], "exc_module": "builtins"}]"#;
    let Err(Broken { why, .. }) = dispatch.results(&parts(&[r#"[1, "a", "SUCCESS", 1]"#, failed], None)) else {
        panic!("b has failed")
    };
    assert_eq!(why.message, "Dependency b raised ValueError('hdr', 1)");
    let unreadable = dispatch.results(&parts(&["[1, \"a\""], None));
    assert!(matches!(unreadable, Err(Broken { why, .. }) if why.message.starts_with("Join error")));
}

#[test]
fn failure_takes_the_body_its_chain_and_its_errbacks() {
    let dispatch = dispatch(
        r#"{"task": "t.sum", "options": {"task_id": "body", "link_error": [{"task": "t.e"}],
            "chain": [{"task": "t.z", "options": {"task_id": "z"}}]}}"#,
    );
    let (follow, wrong) = dispatch.fail(&Json::new("{}").unwrap(), &mut setting(&dispatch));
    assert!(wrong.is_empty());
    let ended: Vec<&str> = follow.ended.iter().map(TaskId::as_str).collect();
    assert_eq!(ended, ["body", "z"]);
    let errback = Message::decode(&follow.plan.messages[0].payload, &DecodeLimits::default()).unwrap();
    assert_eq!(errback.args.as_str(), r#"["body"]"#);
}

/// A body never gets a shorter list than its header was: what came in may have expired, or been lost by its server.
#[test]
fn missing_results_are_no_results() {
    let dispatch = dispatch(r#"{"task": "t.sum"}"#);
    let one = r#"[1, "a", "SUCCESS", 1]"#;
    let told = |size, members: &[&str]| match dispatch.results(&ChordParts { size, ..parts(members, None) }) {
        Ok(results) => results.as_str().to_owned(),
        Err(broken) => broken.why.message,
    };
    assert_eq!(told(Some(2), &[one]), "Join error: 1 of 2 results are left");
    assert_eq!(told(None, &[]), "Join error: 0 of 1 results are left");
    assert_eq!(told(None, &[one]), "[1]");
    // One of two was added while the chord ran.
    assert_eq!(told(Some(1), &[one, r#"[1, "b", "SUCCESS", 2]"#]), "[1, 2]");
}
