//! The arguments of a request, read as Celery's workers read them, and refused in their words.

use std::time::Duration;

use queue_core::events::text_repr;
use queue_core::{QueueName, TaskId};
use serde_json::{Map, Value};

/// What a command answers: a value, or why not in the words of a Python exception.
pub(super) type Answer = Result<Value, String>;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Args<'a> {
    method: &'a str,
    all: &'a Map<String, Value>,
}

impl<'a> Args<'a> {
    pub(super) fn new(method: &'a str, all: &'a Map<String, Value>) -> Self {
        Self { method, all }
    }

    /// Refuses arguments other than these. Most commands pass over what they do not know.
    pub(super) fn only(self, known: &[&str]) -> Result<(), String> {
        match self.all.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                Err(type_error(&format!("{}() got an unexpected keyword argument {}", self.method, text_repr(name))))
            }
        }
    }

    /// An argument that is there and not null.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.all.get(name).filter(|value| !value.is_null())
    }

    /// An argument that must be there.
    pub(super) fn need(self, name: &str) -> Result<&'a Value, String> {
        self.all.get(name).ok_or_else(|| {
            let name = text_repr(name);
            type_error(&format!("{}() missing 1 required positional argument: {name}", self.method))
        })
    }

    /// A text that must be there.
    pub(super) fn text(self, name: &str) -> Result<&'a str, String> {
        self.need(name)?.as_str().ok_or_else(|| type_error(&format!("{name} must be a string")))
    }

    /// Whether it is there and true.
    pub(super) fn flag(self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.as_bool().unwrap_or(false))
    }

    /// A count, 0 or more; `default` where it is not there.
    pub(super) fn count(self, name: &str, default: usize) -> Result<usize, String> {
        self.count_or_none(name).map(|count| count.unwrap_or(default))
    }

    /// A count, 0 or more.
    pub(super) fn count_or_none(self, name: &str) -> Result<Option<usize>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let count = number.and_then(|number| usize::try_from(number).ok());
        count.map(Some).ok_or_else(|| value_error(&format!("{name} must be a whole number, 0 or more")))
    }

    /// A duration in seconds; `None` where it is not there.
    pub(super) fn seconds(self, name: &str) -> Result<Option<Duration>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let time = number.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        time.map(Some).ok_or_else(|| value_error(&format!("{name} must be a number of seconds, 0 or more")))
    }

    /// One task's id, or a list of them.
    pub(super) fn ids(self, name: &str) -> Result<Vec<TaskId>, String> {
        let ids = texts(self.need(name)?);
        ids.iter().map(|id| TaskId::new(id).map_err(|error| value_error(&error.to_string()))).collect()
    }

    /// A list of texts, or one; empty where it is not there.
    pub(super) fn list(self, name: &str) -> Vec<String> {
        self.get(name).map(texts).unwrap_or_default()
    }

    /// A queue's name.
    pub(super) fn queue(self, name: &str) -> Result<QueueName, String> {
        QueueName::new(self.text(name)?).map_err(|error| value_error(&error.to_string()))
    }

    /// A signal by its name or number; SIGTERM where none is said.
    pub(super) fn signal(self, name: &str) -> i32 {
        match self.get(name) {
            Some(Value::Number(number)) => number.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(15),
            Some(Value::String(text)) => signal_number(text),
            _ => 15,
        }
    }
}

/// A text, or the texts of a list; numbers count as their texts, as ids may be numbers.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(all) => all.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

fn signal_number(name: &str) -> i32 {
    let upper = name.to_ascii_uppercase();
    match upper.strip_prefix("SIG").unwrap_or(&upper) {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        number => number.parse().unwrap_or(15),
    }
}

/// As Python shows it.
pub(super) fn value_error(text: &str) -> String {
    format!("ValueError({})", text_repr(text))
}

fn type_error(text: &str) -> String {
    format!("TypeError({})", text_repr(text))
}
