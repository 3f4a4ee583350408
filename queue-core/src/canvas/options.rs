//! The options of a signature: names and JSON, kept as they came.

use crate::message::{Json, JsonRef, ValueError};

/// The options of a signature, in the order they were set. A name that means nothing to us stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options(Vec<(String, Json)>);

impl Options {
    /// Reads an object; `null` is none.
    pub(crate) fn read(json: JsonRef<'_>) -> Result<Self, ValueError> {
        let mut options = Self::default();
        if !json.is_null() {
            json.entries()?.for_each(|(name, value)| options.set(&name, value.to_json()));
        }
        Ok(options)
    }

    /// The value of `name`; null is nothing.
    pub(crate) fn get(&self, name: &str) -> Option<JsonRef<'_>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref()).filter(|value| !value.is_null())
    }

    /// The value of `name` as text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.parse().ok()
    }

    /// Sets `name`, in its old place where it has one.
    pub(crate) fn set(&mut self, name: &str, value: Json) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Sets `name` to a text.
    pub(crate) fn set_text(&mut self, name: &str, text: &str) {
        self.set(name, Json::text(text));
    }

    /// Takes `name` away.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Adds to the array `name`, which is made where it is missing; a value that is no array becomes its first element.
    pub(crate) fn extend<'a>(&mut self, name: &str, more: impl IntoIterator<Item = &'a str>) {
        let old = self.get(name).map(JsonRef::to_json);
        let own = old.as_ref().map(|list| elements(list.as_ref())).unwrap_or_default();
        let more: Vec<&str> = more.into_iter().collect();
        let joined = Json::array(own.into_iter().chain(more));
        self.set(name, joined);
    }

    /// Sets all of `others`; lists of links grow, names of stamps are united.
    pub(crate) fn merge(&mut self, others: &Self) {
        for (name, value) in &others.0 {
            match name.as_str() {
                "link" | "link_error" => self.extend(name, elements(value.as_ref())),
                "stamped_headers" => {
                    let known = self.get(name).map(JsonRef::to_json);
                    let known: Vec<&str> = known.as_ref().map(|list| elements(list.as_ref())).unwrap_or_default();
                    let fresh = elements(value.as_ref()).into_iter().filter(|stamp| !known.contains(stamp));
                    self.extend(name, fresh);
                }
                _ => self.set(name, value.clone()),
            }
        }
    }

    /// Those that are not among `names`, and those that are.
    pub(crate) fn split(&self, names: &[&str]) -> (Self, Self) {
        let (own, others) = self.0.iter().cloned().partition(|(name, _)| names.contains(&name.as_str()));
        (Self(others), Self(own))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Writes them as a JSON object.
    pub(crate) fn write(&self, out: &mut String) {
        out.push('{');
        for (nth, (name, value)) in self.0.iter().enumerate() {
            if nth > 0 {
                out.push_str(", ");
            }
            out.push_str(Json::text(name).as_str());
            out.push_str(": ");
            out.push_str(value.as_str());
        }
        out.push('}');
    }
}

/// The elements of an array, or the value itself where it is none.
pub(crate) fn elements(json: JsonRef<'_>) -> Vec<&str> {
    match json.elements() {
        Ok(elements) => elements.map(JsonRef::as_str).collect(),
        Err(_) => vec![json.as_str()],
    }
}
