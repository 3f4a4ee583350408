//! Plain settlements: the message goes, one result is stored or none, and nothing follows. Most are.
//!
//! They are told to the script by groups, which is short, and in the order they were leased: so their messages mostly are
//! the end of the held list, which the script cuts off as a whole.

use redis::{Cmd, Value};

use super::results;
use super::settle::settled;
use super::shared::Shared;
use crate::store::{Ending, Settled, Settlement};

/// Settlements of one held key whose results, if any, live equally long.
struct Group<'a> {
    held: String,
    ttl: Option<u64>,
    /// Their places in the batch, and they.
    members: Vec<(usize, &'a Settlement)>,
}

/// A batch's plain settlements, and which are not.
#[derive(Default)]
pub(super) struct Plain<'a> {
    groups: Vec<Group<'a>>,
    others: Vec<usize>,
}

impl<'a> Plain<'a> {
    /// Takes none of a batch for plain.
    pub(super) fn none(batch: &[Settlement]) -> Self {
        Self { groups: Vec::new(), others: (0..batch.len()).collect() }
    }

    /// Sorts a batch.
    pub(super) fn of(batch: &'a [Settlement]) -> Self {
        let mut plain = Self { groups: Vec::new(), others: Vec::new() };
        for (place, settlement) in batch.iter().enumerate() {
            if !plain.take(place, settlement, batch.len() - place) {
                plain.others.push(place);
            }
        }
        for group in &mut plain.groups {
            group.members.sort_by_key(|(_, settlement)| settlement.tag.as_ref().map(|tag| tag.row));
        }
        plain
    }

    fn take(&mut self, place: usize, settlement: &'a Settlement, batch: usize) -> bool {
        let Some(tag) = settlement.tag.as_ref().filter(|tag| !tag.suspect && is_plain(settlement)) else {
            return false;
        };
        let ttl = settlement.results.first().map(|result| results::ttl_s(result.ttl));
        let same = |group: &&mut Group<'_>| {
            let first = group.members.first().and_then(|(_, first)| first.tag.as_ref());
            group.ttl == ttl && first.is_some_and(|one| one.list == tag.list && one.incarnation == tag.incarnation)
        };
        match self.groups.iter_mut().find(same) {
            Some(group) => group.members.push((place, settlement)),
            None => {
                let held = Shared::held_key(tag);
                // Nearly always all of a batch are of one group.
                let mut members = Vec::with_capacity(batch);
                members.push((place, settlement));
                self.groups.push(Group { held, ttl, members });
            }
        }
        true
    }

    /// The places of those that are not plain, in order.
    pub(super) fn others(&self) -> &[usize] {
        &self.others
    }

    /// Adds the groups to a call of the script.
    pub(super) fn add(&self, call: &mut Cmd, shared: &Shared) {
        call.arg(self.groups.len());
        for group in &self.groups {
            call.arg(&group.held).arg(group.members.len());
            match group.ttl {
                Some(ttl) => call.arg(ttl),
                None => call.arg(""),
            };
            for (_, settlement) in &group.members {
                call.arg(settlement.tag.as_ref().map_or(&[][..], |tag| &tag.payload[..]));
                for result in &settlement.results {
                    call.arg(shared.store.keys.result(result.id.as_str())).arg(&result.meta[..]);
                }
            }
        }
    }

    /// Puts what the script answered into the order of the batch: `groups` per group, `others` per other settlement.
    pub(super) fn answers(&self, groups: &[Value], others: &[i64]) -> Vec<Settled> {
        let mut answers = vec![Settled::LeaseLost; self.len()];
        for (group, answer) in self.groups.iter().zip(groups) {
            for (at, (place, _)) in group.members.iter().enumerate() {
                answers[*place] = match answer {
                    Value::Array(each) => each.get(at).map_or(Settled::LeaseLost, one),
                    // All of them.
                    _ => Settled::Done,
                };
            }
        }
        for (place, answer) in self.others.iter().zip(others) {
            answers[*place] = settled(*answer);
        }
        answers
    }

    fn len(&self) -> usize {
        self.others.len() + self.groups.iter().map(|group| group.members.len()).sum::<usize>()
    }
}

fn one(answer: &Value) -> Settled {
    match answer {
        Value::Int(answer) => settled(*answer),
        _ => Settled::LeaseLost,
    }
}

fn is_plain(settlement: &Settlement) -> bool {
    matches!(settlement.ending, Ending::Done)
        && settlement.results.len() <= 1
        && settlement.follow.is_empty()
        && settlement.chords.is_empty()
        && settlement.chord_end.is_none()
        && settlement.once.is_none()
}
