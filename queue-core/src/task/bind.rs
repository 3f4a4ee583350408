//! Binds a message's arguments to a task's parameters, by Python's rules.
//!
//! Positional arguments fill the parameters in order, keyword arguments by name; too many, an unknown keyword, one
//! given twice and one that is missing are errors that name the task, the argument, what was expected and what came.

use std::fmt::Write as _;

use super::TaskError;
use super::output::Argument;
use smallvec::SmallVec;

use crate::message::{JsonRef, Message, ValueError};

/// How much of a wrong argument an error shows, in characters.
const PREVIEW: usize = 80;

/// One argument of the message that a task takes.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name, for keyword arguments.
    pub name: &'static str,
    /// Its type as written, for error messages.
    pub expected: &'static str,
    /// Whether it may be missing: an `Option`, or one with a default.
    pub optional: bool,
}

/// A message's arguments, each at the place of its parameter; not yet read as their types.
#[derive(Debug)]
pub struct Arguments<'m> {
    task: &'m str,
    params: &'static [Param],
    /// Few tasks take more.
    values: SmallVec<[Option<JsonRef<'m>>; 6]>,
}

impl<'m> Arguments<'m> {
    /// Puts each argument of `message` at the place of its parameter.
    ///
    /// # Errors
    ///
    /// [`TaskError::bad_arguments`] when they do not fit.
    pub fn bind(message: &'m Message, params: &'static [Param]) -> Result<Self, TaskError> {
        let mut bound = Self { task: &message.task, params, values: SmallVec::with_capacity(params.len()) };
        bound.take_positional(message)?;
        let positional = bound.values.len();
        bound.values.resize(params.len(), None);
        bound.take_keywords(message, positional)?;
        bound.check_missing()?;
        Ok(bound)
    }

    /// The argument at `at`, which must be there.
    ///
    /// # Errors
    ///
    /// [`TaskError::bad_arguments`] when it is not a `T`.
    pub fn required<T: Argument>(&self, at: usize) -> Result<T, TaskError> {
        match self.optional(at)? {
            Some(value) => Ok(value),
            None => Err(self.missing(&[at])),
        }
    }

    /// The argument at `at`, or nothing when it is missing.
    ///
    /// # Errors
    ///
    /// [`TaskError::bad_arguments`] when it is not a `T`.
    pub fn optional<T: Argument>(&self, at: usize) -> Result<Option<T>, TaskError> {
        let Some(found) = self.values.get(at).copied().flatten() else { return Ok(None) };
        found.parse().map(Some).map_err(|why| self.mismatch(at, found, &why))
    }

    fn take_positional(&mut self, message: &'m Message) -> Result<(), TaskError> {
        let elements = message.args.elements().map_err(|why| self.error(format!("positional arguments: {why}")))?;
        self.values.extend(elements.map(Some));
        if self.values.len() > self.params.len() {
            return Err(self.too_many());
        }
        Ok(())
    }

    fn take_keywords(&mut self, message: &'m Message, positional: usize) -> Result<(), TaskError> {
        let entries = message.kwargs.entries().map_err(|why| self.error(format!("keyword arguments: {why}")))?;
        for (name, value) in entries {
            let Some(at) = self.params.iter().position(|param| param.name == name) else {
                return Err(self.error(format!("unknown argument `{name}`; {}", self.signature())));
            };
            if at < positional {
                return Err(self.error(format!("argument `{name}` was given twice, by position and by keyword")));
            }
            self.values[at] = Some(value);
        }
        Ok(())
    }

    fn check_missing(&self) -> Result<(), TaskError> {
        let required = self.params.iter().zip(&self.values).enumerate();
        let missing: Vec<usize> =
            required.filter(|(_, (param, value))| value.is_none() && !param.optional).map(|(at, _)| at).collect();
        if missing.is_empty() { Ok(()) } else { Err(self.missing(&missing)) }
    }

    fn missing(&self, places: &[usize]) -> TaskError {
        let mut text = String::new();
        for &at in places {
            let Param { name, expected, .. } = self.params[at];
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(text, "{comma}argument `{name}` (position {at}) is missing: expected {expected}");
        }
        self.error(text)
    }

    fn too_many(&self) -> TaskError {
        self.error(format!("{} arguments were given; {}", self.values.len(), self.signature()))
    }

    fn mismatch(&self, at: usize, found: JsonRef<'_>, why: &ValueError) -> TaskError {
        let Param { name, expected, .. } = self.params[at];
        let got = describe(found);
        let mut text = format!("argument `{name}` (position {at}): expected {expected}, got {got}");
        // For a plain value the two say it all; inside an array or object only the reader knows what was wrong.
        if found.as_str().starts_with(['[', '{', '"']) && !says_only_the_type(why) {
            let _ = write!(text, ": {why}");
        }
        self.error(text)
    }

    fn signature(&self) -> String {
        if self.params.is_empty() {
            return "it takes none".to_owned();
        }
        let names: Vec<String> = self.params.iter().map(|param| format!("`{}`", param.name)).collect();
        format!("it takes {}", names.join(", "))
    }

    fn error(&self, text: String) -> TaskError {
        TaskError::bad_arguments(format!("task `{}`: {text}", self.task))
    }
}

/// Whether the reader's words add nothing to "expected …, got …": a text or a container where another type is expected.
fn says_only_the_type(why: &ValueError) -> bool {
    let text = why.to_string();
    text.starts_with("invalid type: string") || (text.starts_with("invalid type") && !text.contains(" at line "))
}

/// What a JSON text is, with its beginning.
fn describe(json: JsonRef<'_>) -> String {
    let text = json.preview(PREVIEW);
    match text.as_bytes().first() {
        Some(b'"') => format!("string {text}"),
        Some(b'[') => format!("array {text}"),
        Some(b'{') => format!("object {text}"),
        Some(b't' | b'f') => format!("boolean {text}"),
        Some(b'n') | None => "null".to_owned(),
        Some(_) => format!("number {text}"),
    }
}
