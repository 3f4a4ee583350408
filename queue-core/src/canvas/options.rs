//! The options of a signature: names and JSON, kept as they came.

use std::collections::{HashMap, HashSet};

use crate::message::{Json, JsonRef, ValueError};

/// So many are looked through one by one; where there are more, an index finds them.
const FEW: usize = 32;

/// The options of a signature, in the order they were set. A name that means nothing to us stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    all: Vec<(String, Json)>,
    /// The place of each, once there are more than [`FEW`]: a message may bring any number.
    index: Option<HashMap<String, usize>>,
}

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
        self.place(name).map(|at| self.all[at].1.as_ref()).filter(|value| !value.is_null())
    }

    /// The value of `name` as text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.parse().ok()
    }

    /// Sets `name`, in its old place where it has one.
    pub(crate) fn set(&mut self, name: &str, value: Json) {
        match self.place(name) {
            Some(at) => self.all[at].1 = value,
            None => {
                self.all.push((name.to_owned(), value));
                match &mut self.index {
                    Some(index) => drop(index.insert(name.to_owned(), self.all.len() - 1)),
                    None => self.reindex(),
                }
            }
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(name).copied(),
            None => self.all.iter().position(|(known, _)| known == name),
        }
    }

    fn reindex(&mut self) {
        let places = || self.all.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        self.index = (self.all.len() > FEW).then(places);
    }

    /// Sets `name` to a text.
    pub(crate) fn set_text(&mut self, name: &str, text: &str) {
        self.set(name, Json::text(text));
    }

    /// Takes `name` away.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.place(name)?;
        let taken = self.all.remove(at).1;
        self.reindex();
        Some(taken)
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
        for (name, value) in &others.all {
            match name.as_str() {
                "link" | "link_error" => self.extend(name, elements(value.as_ref())),
                "stamped_headers" => {
                    let known = self.get(name).map(JsonRef::to_json);
                    let known: HashSet<&str> = known.iter().flat_map(|list| elements(list.as_ref())).collect();
                    let fresh = elements(value.as_ref()).into_iter().filter(|stamp| !known.contains(stamp));
                    self.extend(name, fresh);
                }
                _ => self.set(name, value.clone()),
            }
        }
    }

    /// Those that are not among `names`, and those that are.
    pub(crate) fn split(&self, names: &[&str]) -> (Self, Self) {
        let (own, others) = self.all.iter().cloned().partition(|(name, _)| names.contains(&name.as_str()));
        (Self::of(others), Self::of(own))
    }

    fn of(all: Vec<(String, Json)>) -> Self {
        let mut options = Self { all, index: None };
        options.reindex();
        options
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.all.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Writes them as a JSON object.
    pub(crate) fn write(&self, out: &mut String) {
        out.push('{');
        for (nth, (name, value)) in self.all.iter().enumerate() {
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
