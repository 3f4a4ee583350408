//! What a composition hands down to its parts: options, links, arguments.

use super::options::Options;
use super::signature::{Chord, Shape, Signature};
use crate::message::{Json, JsonRef};

/// Options that belong to the composition itself.
const OWN: [&str; 11] = [
    "task_id",
    "group_id",
    "group_index",
    "chord",
    "chain",
    "link",
    "link_error",
    "root_id",
    "parent_id",
    "reply_to",
    "add_to_parent",
];

/// Links of links of links beyond this are not stamped: nothing with so many is sent, since nobody would read it.
const LINKS: usize = 200;

impl Signature {
    /// Puts arguments before its own, as a result that comes in does; an immutable one stays as it is.
    pub(crate) fn prepend(&mut self, before: &[&str]) {
        if !self.immutable && !before.is_empty() {
            self.args = join(before, self.args.as_ref());
        }
    }

    /// Takes over the options that are everybody's, and arguments that come before its own.
    pub(crate) fn inherit(&mut self, options: &Options, args: &Json) {
        let mut general = Options::default();
        options
            .iter()
            .filter(|(name, _)| !OWN.contains(name))
            .for_each(|(name, value)| general.set(name, value.clone()));
        self.options.merge(&general);
        let before: Vec<&str> = args.elements().into_iter().flatten().map(JsonRef::as_str).collect();
        self.prepend(&before);
    }

    /// Calls `sig` with the result, once it has succeeded. Of a chain: of its last step; of a chord: of its body; of a
    /// group: of its first member, without the result, as Celery does.
    pub fn link(&mut self, sig: &Self) {
        self.add_link("link", sig);
    }

    /// Calls `sig` with the id of what failed. Of a chain or group: of each of its tasks; of a chord: of its body.
    pub fn link_error(&mut self, sig: &Self) {
        self.add_link("link_error", sig);
    }

    fn add_link(&mut self, kind: &str, sig: &Self) {
        if self.fault.is_none() {
            self.fault.clone_from(&sig.fault);
        }
        if self.fault.is_none() {
            self.fault = sig.check_no_key().err().map(Box::new);
        }
        let text = sig.to_json();
        self.options.extend(kind, [text.as_str()]);
    }

    /// Stamps it: a name and a value that travel along in the headers, of each task it consists of.
    pub(crate) fn stamp(&mut self, name: &str, value: &Json) {
        self.stamp_with([(name, value.clone())]);
    }

    /// The same with many at once.
    pub(crate) fn stamp_with<'a>(&mut self, stamps: impl IntoIterator<Item = (&'a str, Json)>) {
        let mut values = Options::default();
        stamps.into_iter().for_each(|(name, value)| values.set(name, value));
        let names: Vec<Json> = values.iter().map(|(name, _)| Json::text(name)).collect();
        let mut stamps = Options::default();
        stamps.set("stamped_headers", Json::array_of(&names));
        stamps.merge(&values);
        self.stamp_all(&stamps, LINKS);
    }

    /// `links` is how deep links are followed.
    fn stamp_all(&mut self, stamps: &Options, links: usize) {
        match &mut self.shape {
            Shape::Task(_) => self.options.merge(stamps),
            Shape::Chain(members) | Shape::Group(members) => {
                members.iter_mut().for_each(|one| one.stamp_all(stamps, links));
            }
            Shape::Chord(chord) => {
                chord.header.iter_mut().for_each(|one| one.stamp_all(stamps, links));
                chord.body.stamp_all(stamps, links);
            }
        }
        if let Some(left) = links.checked_sub(1) {
            for kind in ["link", "link_error"] {
                self.change_links(kind, |linked| linked.stamp_all(stamps, left));
            }
        }
    }

    fn change_links(&mut self, kind: &str, change: impl Fn(&mut Self)) {
        let Some(list) = self.options.take(kind) else { return };
        let texts = super::options::elements(list.as_ref()).into_iter().map(|text| {
            let json = JsonRef::trusted(text);
            match Self::from_json(json) {
                Ok(mut sig) => {
                    change(&mut sig);
                    sig.to_json()
                }
                // Kept as it came: whoever sends it says what is wrong with it.
                Err(_) => json.to_json(),
            }
        });
        let texts: Vec<Json> = texts.collect();
        self.options.set(kind, Json::array(texts.iter().map(Json::as_str)));
    }

    /// Attaches steps that come after this signature: `tail` is an array of signatures, the next one last.
    pub(crate) fn attach_tail(&mut self, tail: &Json) {
        let Some(own) = self.options.take("chain") else {
            // As it is: with thousands of steps each look at them costs.
            if tail.as_str() != "[]" {
                self.options.set("chain", tail.clone());
            }
            return;
        };
        let mut all: Vec<&str> = super::options::elements(tail.as_ref());
        all.extend(super::options::elements(own.as_ref()));
        let joined = Json::array(all);
        self.options.set("chain", joined);
    }

    /// Of a group: a chord with this body. Ids stay.
    pub(crate) fn into_chord(self, body: Self) -> Self {
        let Shape::Group(header) = self.shape else { return self };
        let shape = Shape::Chord(Box::new(Chord { header, body }));
        Self { task: "celery.chord".to_owned(), shape, ..self }
    }

    /// Hands a composition's options, links and arguments down to its parts; afterwards it has none of them.
    pub(crate) fn hand_down(&mut self) {
        let (link, link_error) = (self.options.take("link"), self.options.take("link_error"));
        let args = std::mem::replace(&mut self.args, Json::empty_array());
        let (shared, own) = self.options.split(&OWN);
        self.options = own;
        match &mut self.shape {
            Shape::Task(_) => {}
            Shape::Chain(steps) => {
                for step in &mut *steps {
                    add(step, "link_error", link_error.as_ref());
                }
                if let Some(last) = steps.last_mut() {
                    add(last, "link", link.as_ref());
                }
                if let Some(first) = steps.first_mut() {
                    first.inherit(&shared, &args);
                }
            }
            Shape::Group(members) => {
                for member in &mut *members {
                    add(member, "link_error", link_error.as_ref());
                    member.inherit(&shared, &args);
                }
                if let (Some(first), Some(link)) = (members.first_mut(), link) {
                    first.options.extend("link", immutable(link.as_ref()).iter().map(Json::as_str));
                }
            }
            Shape::Chord(chord) => {
                for member in &mut chord.header {
                    member.inherit(&shared, &args);
                }
                // The body waits for the header already, which has waited.
                let (shared, _) = shared.split(&["countdown", "eta"]);
                chord.body.inherit(&shared, &Json::empty_array());
                add(&mut chord.body, "link", link.as_ref());
                add(&mut chord.body, "link_error", link_error.as_ref());
            }
        }
    }
}

fn add(sig: &mut Signature, kind: &str, links: Option<&Json>) {
    if let Some(links) = links {
        sig.options.extend(kind, super::options::elements(links.as_ref()));
    }
}

/// The same signatures, without a place for the result.
fn immutable(links: JsonRef<'_>) -> Vec<Json> {
    let each = super::options::elements(links).into_iter().map(|text| {
        let json = JsonRef::trusted(text);
        match Signature::from_json(json) {
            Ok(sig) => Signature { immutable: true, ..sig }.to_json(),
            Err(_) => json.to_json(),
        }
    });
    each.collect()
}

/// An array of `before` and then the elements of `args`.
fn join(before: &[&str], args: JsonRef<'_>) -> Json {
    Json::array(before.iter().copied().chain(super::options::elements(args)))
}
