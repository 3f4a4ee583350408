//! What a message says of what follows from it: the third element of its body.

use super::signature::Signature;
use crate::message::{Json, JsonRef, Message};

/// The parts of a message's `embed`, as they came. What is missing or of another kind is nothing.
#[derive(Debug, Default)]
pub(crate) struct Embed<'a> {
    pub(crate) callbacks: Vec<JsonRef<'a>>,
    pub(crate) errbacks: Vec<JsonRef<'a>>,
    /// The remaining steps of its chain, the next one last.
    pub(crate) chain: Vec<JsonRef<'a>>,
    /// The body of the chord it is a part of.
    pub(crate) chord: Option<JsonRef<'a>>,
    /// How often its place was replaced.
    pub(crate) nesting: u64,
    pub(crate) stamps: Vec<(String, JsonRef<'a>)>,
}

impl<'a> Embed<'a> {
    pub(crate) fn of(message: &'a Message) -> Self {
        let mut embed = Self::default();
        // What nearly all messages say.
        if !matches!(message.embed.as_str(), "null" | "{}" | "[]") {
            for (key, value) in message.embed.entries().into_iter().flatten() {
                embed.set(&key, value);
            }
        }
        let headers = message.headers.as_str();
        if !message.other_headers {
            return embed;
        }
        if headers.contains("replaced_task_nesting") || headers.contains("stamps") {
            embed.read_headers(message);
        }
        embed
    }

    fn set(&mut self, key: &str, value: JsonRef<'a>) {
        // As in Python, whatever is empty is nothing.
        if matches!(value.as_str(), "null" | "{}" | "[]" | "\"\"" | "false" | "0") {
            return;
        }
        // A single signature instead of a list is taken as a list of one.
        let list = || value.elements().map_or_else(|_| vec![value], Iterator::collect);
        match key {
            "callbacks" => self.callbacks = list(),
            "errbacks" => self.errbacks = list(),
            "chain" => self.chain = list(),
            "chord" => self.chord = Some(value),
            _ => {}
        }
    }

    fn read_headers(&mut self, message: &'a Message) {
        for (key, value) in message.headers.entries().into_iter().flatten() {
            match &*key {
                "replaced_task_nesting" => self.nesting = value.parse().unwrap_or(0),
                "stamps" => {
                    let stamps = value.entries().into_iter().flatten();
                    self.stamps = stamps.map(|(name, value)| (name.into_owned(), value)).collect();
                }
                _ => {}
            }
        }
    }

    /// The steps of the chain that come after the next one.
    pub(crate) fn chain_after_next(&self) -> Json {
        let rest = &self.chain[..self.chain.len().saturating_sub(1)];
        Json::array(rest.iter().map(|step| step.as_str()))
    }

    /// Whether anything follows from the message at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.callbacks.is_empty() && self.errbacks.is_empty() && self.chain.is_empty() && self.chord.is_none()
    }

    /// Hands the message's stamps on to what replaces it.
    pub(crate) fn stamp(&self, sig: &mut Signature) {
        if !self.stamps.is_empty() {
            sig.stamp_with(self.stamps.iter().map(|(name, value)| (name.as_str(), value.to_json())));
        }
    }
}
