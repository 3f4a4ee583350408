//! Reads the options of a task's signature as the headers of its message.

use std::time::Duration;

use super::error::CanvasError;
use super::options::Options;
use crate::clock::Timestamp;
use crate::message::{Json, JsonRef, parse_date};
use crate::names::{Priority, QueueName, TaskId};

/// Waits beyond this, some 30,000 years, are as good as for ever.
const MAX_SECONDS: f64 = 1e12;

/// The options of one task.
pub(crate) struct Reader<'a> {
    pub(crate) task: &'a str,
    pub(crate) options: &'a Options,
}

impl Reader<'_> {
    /// The queue named, or what `own` says.
    pub(crate) fn queue(&self, own: impl FnOnce() -> QueueName) -> Result<QueueName, CanvasError> {
        let given = |name: &str| self.options.text(name).filter(|text| !text.is_empty());
        let named = self.options.get("queue").and_then(queue_name).filter(|name| !name.is_empty());
        let named = match (named, given("exchange"), given("routing_key")) {
            (Some(queue), ..) => Some(queue),
            // Which queues those are bound to only kombu's tables know.
            (None, Some(exchange), _) => return Err(self.wrong("exchange", Json::text(&exchange).as_ref())),
            (None, None, Some(key)) if self.options.text("exchange").is_some() => Some(key),
            (None, None, _) => None,
        };
        match named {
            Some(name) => QueueName::new(name).map_err(|source| self.name(source)),
            None => Ok(own()),
        }
    }

    pub(crate) fn id(&self) -> Result<TaskId, CanvasError> {
        let id = self.options.text("task_id").unwrap_or_default();
        TaskId::new(id).map_err(|source| self.name(source))
    }

    /// When it may start: `eta`, or `countdown` seconds from now.
    pub(crate) fn due(&self, now: Timestamp) -> Result<Option<Timestamp>, CanvasError> {
        if let Some(wait) = self.seconds("countdown")? {
            return Ok(Some(now.after(wait)));
        }
        self.date("eta")
    }

    /// Until when it may start: a date, or seconds from now.
    pub(crate) fn expires(&self, now: Timestamp) -> Result<Option<Timestamp>, CanvasError> {
        match self.options.get("expires") {
            Some(value) if value.as_str().starts_with('"') || value.as_str().starts_with('{') => self.date("expires"),
            _ => Ok(self.seconds("expires")?.map(|after| now.after(after))),
        }
    }

    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, CanvasError> {
        let Some(value) = self.options.get(name) else { return Ok(None) };
        let seconds: f64 = value.parse().map_err(|_| self.wrong(name, value))?;
        // A countdown in the past is now, as in Celery.
        Ok(Some(Duration::try_from_secs_f64(seconds.clamp(0.0, MAX_SECONDS)).map_err(|_| self.wrong(name, value))?))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, CanvasError> {
        let Some(value) = self.options.get(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| self.wrong(name, value))
    }

    /// As kombu: whatever is no number is 0.
    pub(crate) fn priority(&self) -> Option<Priority> {
        let value = self.options.get("priority")?;
        let text = value.parse::<String>().unwrap_or_else(|_| value.as_str().to_owned());
        #[expect(clippy::cast_possible_truncation, reason = "clamped to 0 to 9 afterwards")]
        let number = text.parse::<f64>().map_or(0, |number| number.clamp(0.0, 9.0) as i64);
        Some(Priority::new(number))
    }

    fn date(&self, name: &str) -> Result<Option<Timestamp>, CanvasError> {
        let Some(value) = self.options.get(name) else { return Ok(None) };
        // kombu wraps dates; what it wraps is read as its text.
        let text: String = value.parse().map_err(|_| self.wrong(name, value))?;
        parse_date(&text).map(Some).ok_or_else(|| self.wrong(name, value))
    }

    /// The call's own headers, and what has no field of its own.
    pub(crate) fn headers(&self) -> Result<Vec<(String, Json)>, CanvasError> {
        let mut headers = Vec::new();
        if let Some(own) = self.options.get("headers") {
            let entries = own.entries().map_err(|_| self.wrong("headers", own))?;
            headers.extend(entries.map(|(name, value)| (name.into_owned(), value.to_json())));
        }
        if let Some(shadow) = self.options.get("shadow") {
            // Anything else no worker could read.
            shadow.parse::<Option<String>>().map_err(|_| self.wrong("shadow", shadow))?;
            headers.push(("shadow".to_owned(), shadow.to_json()));
        }
        let nesting = self.options.get("replaced_task_nesting");
        headers.extend(nesting.map(|value| ("replaced_task_nesting".to_owned(), value.to_json())));
        if let Some(names) = self.options.get("stamped_headers") {
            headers.push(("stamped_headers".to_owned(), names.to_json()));
            headers.push(("stamps".to_owned(), self.stamps(names)?));
        }
        Ok(headers)
    }

    /// Stamps stand flat among a signature's options; a message has them in an object.
    fn stamps(&self, names: JsonRef<'_>) -> Result<Json, CanvasError> {
        let names: Vec<String> = names.parse().map_err(|_| self.wrong("stamped_headers", names))?;
        let mut stamps = Options::default();
        for name in &names {
            stamps.set(name, self.options.get(name).map_or_else(Json::null, JsonRef::to_json));
        }
        let mut text = String::new();
        stamps.write(&mut text);
        Ok(Json::trusted(text))
    }

    fn name(&self, source: crate::names::NameError) -> CanvasError {
        CanvasError::Name { task: self.task.to_owned(), source }
    }

    fn wrong(&self, option: &str, found: JsonRef<'_>) -> CanvasError {
        CanvasError::Option { task: self.task.to_owned(), option: option.to_owned(), found: found.preview(60) }
    }
}

/// A name, or the name of a queue that was written as an object.
fn queue_name(value: JsonRef<'_>) -> Option<String> {
    value.parse().ok().or_else(|| value.entries().ok()?.find(|(key, _)| key == "name")?.1.parse().ok())
}
