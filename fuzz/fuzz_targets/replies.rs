//! What a server says is read the same however it comes in pieces, as the client crate reads it, or refused.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use redis::{RedisError, Value};

#[allow(dead_code, reason = "a target uses a part of it")]
#[path = "../../queue-core/src/store/redis/client/reply.rs"]
mod reply;

use reply::Replies;

fuzz_target!(|data: &[u8]| {
    let Some((size, data)) = data.split_first() else { return };
    let (whole, refused) = read(std::iter::once(data));
    let (pieces, refused_too) = read(data.chunks(usize::from(*size).max(1)));
    assert_eq!(whole, pieces);
    // A line that is too long is refused before its end is there.
    assert_eq!(refused.map(|error| error.kind()), refused_too.map(|error| error.kind()));
    let mut rest = data;
    for value in whole {
        let bytes = written(&value, rest);
        match redis::parse_redis_value(&rest[..bytes]) {
            Ok(theirs) => assert_eq!(theirs, value),
            // A status that is no text is read as far as it is one; the crate refuses it.
            Err(why) => assert!(std::str::from_utf8(&rest[..bytes]).is_err(), "the crate refuses it: {why}"),
        }
        rest = &rest[bytes..];
    }
});

/// All answers, and why the rest could not be read.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Value>, Option<RedisError>) {
    let (mut replies, mut arrived, mut found) = (Replies::default(), BytesMut::new(), Vec::new());
    for piece in pieces {
        arrived.extend_from_slice(piece);
        loop {
            match replies.next(&mut arrived) {
                Ok(Some(value)) => found.push(value),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

/// How many bytes of `from` this value took.
fn written(value: &Value, from: &[u8]) -> usize {
    let line = from.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    match value {
        Value::BulkString(text) => line + text.len() + 2,
        Value::Array(values) => values.iter().fold(line, |begin, value| begin + written(value, &from[begin..])),
        _ => line,
    }
}
