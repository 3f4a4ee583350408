//! Reads results, whoever wrote them.

use std::borrow::Cow;

use super::{ResultMeta, State};
use crate::message::{DecodeError, DecodeLimits, Field, Json, JsonRef, Scanner, decompress, utf8, walk};
use crate::names::TaskId;

/// What a compressed result begins with (Celery 5.7, `result_compression`); then the content type of the compression, a
/// zero byte, and the compressed JSON.
const COMPRESSED: &[u8] = b"\0celery-compressed\0";

/// A result's fields, as they stand.
#[derive(Default)]
struct Fields<'a> {
    status: Option<Field<'a>>,
    result: Option<Field<'a>>,
    traceback: Option<Field<'a>>,
    children: Option<Field<'a>>,
    date_done: Option<Field<'a>>,
    task_id: Option<Field<'a>>,
    group_id: Option<Field<'a>>,
    parent_id: Option<Field<'a>>,
    extra: Vec<(String, Json)>,
}

impl ResultMeta {
    /// Reads the bytes of any Celery 5, compressed ones included. Fields may come in any order; unknown ones are kept.
    ///
    /// `date_done` is read to the millisecond.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] says which field was wrong; `status`, `result` and `task_id` must be there.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let bytes = uncompressed(bytes)?;
        Fields::read(utf8(&bytes, "result")?)?.meta()
    }
}

/// What `bytes` hold, unpacked where they are compressed.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    uncompressed(bytes).map(Cow::into_owned)
}

fn uncompressed(bytes: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let Some(rest) = bytes.strip_prefix(COMPRESSED) else { return Ok(Cow::Borrowed(bytes)) };
    let Some(end) = memchr::memchr(0, rest) else {
        return Err(DecodeError::Missing { field: "compression's name".to_owned() });
    };
    let limit = DecodeLimits::default().max_body;
    decompress(utf8(&rest[..end], "result")?, &rest[end + 1..], limit, "result").map(Cow::Owned)
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, DecodeError> {
        let mut fields = Self::default();
        let mut scanner = Scanner::new(text, DecodeLimits::default().max_depth);
        walk(&mut scanner, |key, scanner| {
            fields.set(key, JsonRef::trusted(scanner.value()?));
            Ok(())
        })
        .and_then(|()| scanner.end())
        .map_err(|fault| fault.of("result", text))?;
        Ok(fields)
    }

    fn set(&mut self, key: &str, raw: JsonRef<'a>) {
        let (place, name) = match key {
            "status" => (&mut self.status, "status"),
            "result" => (&mut self.result, "result"),
            "traceback" => (&mut self.traceback, "traceback"),
            "children" => (&mut self.children, "children"),
            "date_done" => (&mut self.date_done, "date_done"),
            "task_id" => (&mut self.task_id, "task_id"),
            "group_id" => (&mut self.group_id, "group_id"),
            "parent_id" => (&mut self.parent_id, "parent_id"),
            unknown => return self.extra.push((unknown.to_owned(), raw.to_json())),
        };
        *place = Some(Field { scope: "", name, raw });
    }

    fn meta(self) -> Result<ResultMeta, DecodeError> {
        let status = required(self.status, "status")?;
        let result = required(self.result, "result")?;
        let task_id = required(self.task_id, "task_id")?;
        Ok(ResultMeta {
            state: State::from(text(status)?.as_ref()),
            result: result.raw.to_json(),
            traceback: optional(self.traceback).map(text).transpose()?.map(Cow::into_owned),
            children: optional(self.children).map(|children| children.raw.to_json()),
            date_done: optional(self.date_done).map(Field::date).transpose()?,
            task_id: TaskId::new(task_id.id()?).map_err(|_| task_id.not("a task id of 1 to 512 bytes"))?,
            group_id: optional(self.group_id).map(Field::id).transpose()?.map(Cow::into_owned),
            parent_id: optional(self.parent_id).map(Field::id).transpose()?.map(Cow::into_owned),
            extra: self.extra,
        })
    }
}

fn required<'a>(field: Option<Field<'a>>, name: &str) -> Result<Field<'a>, DecodeError> {
    field.ok_or_else(|| DecodeError::Missing { field: name.to_owned() })
}

/// Null is as good as absent.
fn optional(field: Option<Field<'_>>) -> Option<Field<'_>> {
    field.filter(|field| !field.raw.is_null())
}

fn text(field: Field<'_>) -> Result<Cow<'_, str>, DecodeError> {
    field.text().ok_or_else(|| field.not("a string"))
}

/// Whether stored bytes are a final result: SUCCESS, FAILURE or REVOKED. For
/// [`Results::wait_result`](crate::store::Results::wait_result). Bytes that are no result are not ready.
pub fn is_ready_meta(bytes: &[u8]) -> bool {
    state(bytes).is_some_and(|state| state.is_ready())
}

/// Whether stored bytes are a SUCCESS, which nobody may overwrite.
pub fn is_success_meta(bytes: &[u8]) -> bool {
    state(bytes) == Some(State::Success)
}

/// The state, from the first bytes where they are as Python and we write them.
fn state(bytes: &[u8]) -> Option<State> {
    if let Some(rest) = bytes.strip_prefix(b"{\"status\": \"")
        && let Some(end) = memchr::memchr2(b'"', b'\\', rest)
        && rest[end] == b'"'
    {
        return std::str::from_utf8(&rest[..end]).ok().map(State::from);
    }
    let bytes = uncompressed(bytes).ok()?;
    let status = Fields::read(utf8(&bytes, "result").ok()?).ok()?.status?;
    status.text().map(|word| State::from(word.as_ref()))
}
