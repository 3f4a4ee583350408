use bytes::BytesMut;
use proptest::prelude::*;
use redis::Value;

use super::*;

/// As a server would write it.
fn written(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Nil => into.extend(b"$-1\r\n"),
        Value::Okay => into.extend(b"+OK\r\n"),
        Value::Int(number) => into.extend(format!(":{number}\r\n").bytes()),
        Value::SimpleString(text) => into.extend(format!("+{text}\r\n").bytes()),
        Value::BulkString(text) => {
            into.extend(format!("${}\r\n", text.len()).bytes());
            into.extend(text);
            into.extend(b"\r\n");
        }
        Value::Array(values) => {
            into.extend(format!("*{}\r\n", values.len()).bytes());
            values.iter().for_each(|value| written(value, into));
        }
        other => panic!("not an answer that is made here: {other:?}"),
    }
}

fn answers() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        Just(Value::Okay),
        any::<i64>().prop_map(Value::Int),
        "[a-zA-Z0-9 é]{0,20}".prop_filter("has a value of its own", |text| text != "OK").prop_map(Value::SimpleString),
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(Value::BulkString),
    ];
    leaf.prop_recursive(4, 60, 8, |inner| proptest::collection::vec(inner, 0..8).prop_map(Value::Array))
}

fn all(replies: &mut Replies, arrived: &mut BytesMut) -> Vec<Value> {
    std::iter::from_fn(|| replies.next(arrived).unwrap()).collect()
}

proptest! {
    /// However it comes in pieces, it is what the crate reads too.
    #[test]
    fn pieces_make_the_same_answers(values in proptest::collection::vec(answers(), 1..5), cuts in proptest::collection::vec(1usize..40, 1..60)) {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| written(value, &mut bytes));
        let (mut replies, mut arrived, mut found, mut rest) = (Replies::default(), BytesMut::new(), Vec::new(), &bytes[..]);
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            arrived.extend_from_slice(piece);
            found.extend(all(&mut replies, &mut arrived));
            rest = more;
        }
        prop_assert_eq!(&found, &values);
        let mut first = Vec::new();
        written(&values[0], &mut first);
        prop_assert_eq!(redis::parse_redis_value(&first).unwrap(), values[0].clone());
    }

    /// Whatever comes, it is read or refused.
    #[test]
    fn anything_is_read_or_refused(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"+-:$*0123456789\r\n"[..])], 0..80)) {
        let (mut replies, mut arrived) = (Replies::default(), BytesMut::from(&bytes[..]));
        while let Ok(Some(_)) = replies.next(&mut arrived) {}
    }
}

#[test]
fn errors_are_answers() {
    let mut arrived = BytesMut::from(&b"*2\r\n-WRONGTYPE not a list\r\n:7\r\n-ERR no\r\n"[..]);
    let values = all(&mut Replies::default(), &mut arrived);
    let Value::Array(within) = &values[0] else { panic!("{values:?}") };
    let first = within[0].clone().extract_error().unwrap_err();
    assert_eq!((first.code(), first.detail()), (Some("WRONGTYPE"), Some("not a list")));
    assert_eq!(within[1], Value::Int(7));
    assert_eq!(values[1].clone().extract_error().unwrap_err().code(), Some("ERR"));
}

#[test]
fn what_is_none_of_redis_s_answers_is_refused() {
    let deep = "*1\r\n".repeat(MAX_DEPTH + 1);
    let long = "+".repeat(MAX_LINE + 2);
    let lines = [
        "HTTP/1.1 400 Bad Request\r\n",
        "$-2\r\n",
        "*-7\r\n",
        "$99999999999\r\n",
        ":1x\r\n",
        "+one\n",
        "$3\r\nfourt\r\n",
        "\r\n",
    ];
    for text in lines.into_iter().chain([&*deep, &*long]) {
        let refused = Replies::default().next(&mut BytesMut::from(text.as_bytes())).unwrap_err();
        assert_eq!(refused.kind(), redis::ErrorKind::Parse, "{text}: {refused}");
    }
}

#[test]
fn a_length_makes_no_room_before_its_elements_come() {
    let mut replies = Replies::default();
    let mut arrived = BytesMut::from(&b"*1000000000\r\n$900000000\r\n"[..]);
    assert!(replies.next(&mut arrived).unwrap().is_none());
    assert!(replies.begun[0].values.capacity() <= ROOM);
    assert!(arrived.capacity() < 1 << 20);
    assert_eq!(replies.missing(), 900_000_002);
}
