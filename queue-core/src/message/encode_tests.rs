use super::super::DecodeLimits;
use super::*;

fn draft() -> Draft {
    Draft::new("shop.send_order_confirmation", TaskId::random(), "celery")
}

fn read(draft: &Draft) -> Message {
    Message::decode(&draft.encode(), &DecodeLimits::default()).unwrap()
}

#[test]
fn a_typical_message_is_lean() {
    let draft =
        Draft { args: Json::new("[42]").unwrap(), sent_at: Some(Timestamp::from_millis(1_795_380_812_912)), ..draft() };
    let bytes = draft.encode();
    let content = draft.args.as_str().len() + draft.task.len() + draft.id.as_str().len();
    assert!(bytes.len() - content < 230, "{} bytes around the content: {bytes:?}", bytes.len() - content);
}

#[test]
fn an_envelope_is_exactly_this() {
    let draft = Draft { args: Json::new(r#"["é\n"]"#).unwrap(), priority: Priority::new(3), retries: 1, ..draft() };
    let draft = Draft { id: TaskId::new("i\"d").unwrap(), time_limit: Some(Duration::from_millis(2500)), ..draft };
    let text = String::from_utf8(draft.encode().to_vec()).unwrap();
    let tag: String = text.split("delivery_tag\":").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let expected = r#"{"body":"[[\"é\\n\"],{},null]","content-type":"application/json","headers":{"lang":"rs","task":"shop.send_order_confirmation","id":"i\"d","retries":1,"timelimit":[2.5,null]},"properties":{"delivery_tag":TAG,"priority":3,"delivery_info":{"exchange":"","routing_key":"celery"}}}"#;
    assert_eq!(text, expected.replace("TAG", &tag));
}

#[test]
fn everything_said_is_read_back() {
    let draft = Draft {
        eta: Some(Timestamp::from_millis(1_795_380_812_912)),
        expires: Some(Timestamp::from_millis(1_795_380_900_000)),
        time_limit: Some(Duration::from_secs(30)),
        soft_time_limit: Some(Duration::from_millis(1500)),
        ignore_result: Some(false),
        root_id: Some("root".into()),
        parent_id: Some("parent".into()),
        group: Some("g".into()),
        group_index: Some(-2),
        headers: vec![("mine".into(), Json::new("NaN").unwrap()), ("shadow".into(), Json::new("\"shown\"").unwrap())],
        embed: Json::new(r#"{"chain": []}"#).unwrap(),
        ..draft()
    };
    let message = read(&draft);
    assert_eq!((message.eta, message.expires), (draft.eta, draft.expires));
    assert_eq!((message.time_limit, message.soft_time_limit), (draft.time_limit, draft.soft_time_limit));
    assert_eq!((message.ignore_result, message.group_index), (Some(false), Some(-2)));
    assert_eq!((message.root_id, message.parent_id, message.group), (draft.root_id, draft.parent_id, draft.group));
    assert_eq!((message.shadow.as_deref(), message.embed), (Some("shown"), draft.embed));
    assert_eq!(message.routing_key, "celery");
}

#[test]
fn delivery_tags_differ() {
    let draft = draft();
    assert_ne!(draft.encode(), draft.encode());
}
