//! Reads answers out of what has arrived: RESP2, as <https://redis.io/docs/latest/develop/reference/protocol-spec/> has it.
//!
//! What has arrived may end anywhere. Nothing that was read is read again, but for the line that says how long a text is.

use bytes::{Buf, BytesMut};
use redis::{ErrorKind, RedisError, Value};

/// The longest line: a status, a number, a length, an error.
const MAX_LINE: usize = 64 << 10;
/// The longest text. The server's own bound (`proto-max-bulk-len`) is 512 MiB unless it was changed.
const MAX_TEXT: usize = 1 << 30;
/// How deep arrays may stand in arrays.
const MAX_DEPTH: usize = 64;
/// Room for so many elements at most is made before they arrive.
const ROOM: usize = 1024;

/// An array whose end has not arrived.
#[derive(Debug)]
struct Begun {
    left: usize,
    values: Vec<Value>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Replies {
    begun: Vec<Begun>,
    missing: usize,
}

/// What stands at the beginning.
enum Part {
    Whole(Value),
    /// An array of so many, more than none.
    Array(usize),
}

impl Replies {
    /// Takes the next answer from the beginning of `arrived`; `None` when its end is not there.
    ///
    /// # Errors
    ///
    /// What has arrived is no answer of Redis's; nothing after it can be read.
    pub(super) fn next(&mut self, arrived: &mut BytesMut) -> Result<Option<Value>, RedisError> {
        loop {
            match self.part(arrived)? {
                None => return Ok(None),
                Some(Part::Array(_)) if self.begun.len() >= MAX_DEPTH => return Err(garbled("arrays in arrays", b"")),
                Some(Part::Array(left)) => {
                    self.begun.push(Begun { left, values: Vec::with_capacity(left.min(ROOM)) });
                }
                Some(Part::Whole(value)) => {
                    if let Some(whole) = self.add(value) {
                        return Ok(Some(whole));
                    }
                }
            }
        }
    }

    /// How many bytes more are known to come; 0 when that is not known.
    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    /// Puts a value where it belongs; the whole answer when it was the last of it.
    fn add(&mut self, mut value: Value) -> Option<Value> {
        while let Some(array) = self.begun.last_mut() {
            array.values.push(value);
            array.left -= 1;
            if array.left > 0 {
                return None;
            }
            value = Value::Array(self.begun.pop().map(|array| array.values).unwrap_or_default());
        }
        Some(value)
    }

    fn part(&mut self, arrived: &mut BytesMut) -> Result<Option<Part>, RedisError> {
        self.missing = 0;
        let Some(end) = memchr::memchr(b'\n', arrived) else {
            return if arrived.len() > MAX_LINE { Err(garbled("a line without an end", arrived)) } else { Ok(None) };
        };
        let Some((kind, text)) = arrived[..end].strip_suffix(b"\r").and_then(<[u8]>::split_first) else {
            return Err(garbled("a line", arrived));
        };
        let value = match kind {
            b'+' if text == b"OK" => Value::Okay,
            b'+' => Value::SimpleString(String::from_utf8_lossy(text).into_owned()),
            b':' => Value::Int(number(text)?),
            // The crate's errors can only be made by the crate.
            b'-' => redis::parse_redis_value(&arrived[..=end])?,
            b'$' => {
                return match length(text, MAX_TEXT)? {
                    Some(length) => self.text(arrived, end + 1, length),
                    None => Ok(Some(nil(arrived, end))),
                };
            }
            b'*' => {
                let part = match length(text, usize::MAX)? {
                    Some(0) => Part::Whole(Value::Array(Vec::new())),
                    Some(more) => Part::Array(more),
                    None => Part::Whole(Value::Nil),
                };
                arrived.advance(end + 1);
                return Ok(Some(part));
            }
            _ => return Err(garbled("an answer", arrived)),
        };
        arrived.advance(end + 1);
        Ok(Some(Part::Whole(value)))
    }

    /// A text of so many bytes that begins at `from`.
    fn text(&mut self, arrived: &mut BytesMut, from: usize, length: usize) -> Result<Option<Part>, RedisError> {
        let end = from + length;
        if arrived.len() < end + 2 {
            self.missing = end + 2 - arrived.len();
            return Ok(None);
        }
        if &arrived[end..end + 2] != b"\r\n" {
            return Err(garbled("the end of a text", &arrived[end..]));
        }
        let value = Value::BulkString(arrived[from..end].to_vec());
        arrived.advance(end + 2);
        Ok(Some(Part::Whole(value)))
    }
}

fn nil(arrived: &mut BytesMut, end: usize) -> Part {
    arrived.advance(end + 1);
    Part::Whole(Value::Nil)
}

fn number(text: &[u8]) -> Result<i64, RedisError> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| garbled("a number", text))
}

/// A length; `None` for -1, which stands for nothing.
fn length(text: &[u8], most: usize) -> Result<Option<usize>, RedisError> {
    match number(text)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) if length <= most => Ok(Some(length)),
            _ => Err(garbled("a length", text)),
        },
    }
}

/// The error for what is none of Redis's answers. The bytes are shown only as far as they say which protocol that is.
fn garbled(expected: &str, found: &[u8]) -> RedisError {
    let shown = String::from_utf8_lossy(&found[..found.len().min(40)]).into_owned();
    RedisError::from((
        ErrorKind::Parse,
        "the server's answer is not Redis's",
        format!("expected {expected}: {shown:?}"),
    ))
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
