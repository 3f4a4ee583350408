//! Celery's exception objects: `{"exc_type": …, "exc_message": […], "exc_module": …}`.

use super::{ResultMeta, State};
use crate::message::{Json, JsonRef, write_string};
use crate::task::Exception;

impl ResultMeta {
    /// The exception of a FAILURE, RETRY or REVOKED, with the traceback.
    ///
    /// Tolerant: the module may be missing, `exc_message` (the arguments of the exception's constructor) may be an array
    /// or a string, and the whole may be a bare string. Several arguments are joined by `, `.
    pub fn exception(&self) -> Option<Exception> {
        match self.state {
            State::Failure | State::Retry | State::Revoked => {}
            State::Pending | State::Received | State::Started | State::Success | State::Custom(_) => return None,
        }
        let field = |name: &str| {
            let entries = self.result.entries().ok()?;
            entries.filter(|(key, _)| key == name).last().map(|(_, value)| value)
        };
        let word = |name: &str| field(name).filter(|value| !value.is_null()).map(shown);
        let message = match field("exc_message") {
            Some(arguments) => joined(arguments),
            None => shown(self.result.as_ref()),
        };
        Some(Exception {
            exc_type: word("exc_type").unwrap_or_else(|| "Exception".to_owned()),
            exc_module: word("exc_module").unwrap_or_default(),
            message,
            traceback: self.traceback.clone(),
        })
    }

    /// Celery's exception object, with the message as the only argument of its constructor.
    pub fn exception_json(exception: &Exception) -> Json {
        let mut out = Vec::with_capacity(80 + exception.message.len());
        out.extend_from_slice(b"{\"exc_type\": ");
        write_string(&mut out, &exception.exc_type);
        out.extend_from_slice(b", \"exc_message\": [");
        write_string(&mut out, &exception.message);
        out.extend_from_slice(b"], \"exc_module\": ");
        write_string(&mut out, &exception.exc_module);
        out.push(b'}');
        Json::trusted(String::from_utf8(out).expect("was put together from texts"))
    }
}

fn joined(arguments: JsonRef<'_>) -> String {
    match arguments.elements() {
        Ok(elements) => elements.map(shown).collect::<Vec<_>>().join(", "),
        Err(_) => shown(arguments),
    }
}

/// A string's content; anything else as JSON.
fn shown(value: JsonRef<'_>) -> String {
    value.parse::<String>().unwrap_or_else(|_| value.as_str().to_owned())
}
