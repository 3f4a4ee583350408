//! Plain settlements: the message goes, one result is stored or none, and nothing follows. Most are.
//!
//! They are told to the script by groups, which is short, and in the order they were leased: so their messages mostly are
//! the end of the held list, which the script cuts off as a whole. Where this process knows so, not even the messages are told
//! ([`super::window`]).

use redis::{Cmd, Value};

use super::results;
use super::settle::settled;
use super::shared::Shared;
use super::window::Window;
use crate::store::{DeliveryTag, Ending, Settled, Settlement};

/// Settlements of one held key whose results, if any, live equally long.
struct Group<'a> {
    held: String,
    ttl: Option<u64>,
    /// Their places in the batch, and they.
    members: Vec<(usize, &'a Settlement)>,
    /// Where they stand in what is held, if they are told by that.
    window: Option<Window>,
}

impl Group<'_> {
    fn tags(&self) -> Vec<&DeliveryTag> {
        let mut tags = Vec::with_capacity(self.members.len());
        tags.extend(self.members.iter().filter_map(|(_, settlement)| settlement.tag.as_ref()));
        tags
    }
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

    /// Looks which of them can be told by where they stand, on the connection of this `age`, and notes that all of the batch are
    /// about to go. True where some are: only on this connection that holds.
    pub(super) fn place(&mut self, shared: &Shared, batch: &[Settlement], age: Option<u64>) -> bool {
        let mut placed: Vec<String> = Vec::new();
        for group in &mut self.groups {
            let tags = group.tags();
            let Some(lane) = tags.first().and_then(|tag| shared.lane_of(tag)) else { continue };
            // A second one of the same list is looked for when the first has been cut off.
            let age = age.filter(|_| !placed.contains(&group.held));
            let window = match age {
                Some(age) => shared.order.window(lane.index, age, &tags),
                None => {
                    shared.order.forget(lane.index, &tags);
                    None
                }
            };
            group.window = window;
            placed.push(group.held.clone());
        }
        let mut others: Vec<(usize, &DeliveryTag)> = Vec::new();
        for tag in self.others.iter().filter_map(|place| batch[*place].tag.as_ref()) {
            others.extend(shared.lane_of(tag).map(|lane| (lane.index, tag)));
        }
        others.sort_by_key(|(lane, _)| *lane);
        for of_lane in others.chunk_by(|one, other| one.0 == other.0) {
            shared.order.forget(of_lane[0].0, &of_lane.iter().map(|(_, tag)| *tag).collect::<Vec<_>>());
        }
        self.groups.iter().any(|group| group.window.is_some())
    }

    /// These groups, counted from 1, stand elsewhere than was told (none of them: the connection is another): tells them, or all,
    /// message by message. True while some are told by where they stand.
    pub(super) fn displace(&mut self, shared: &Shared, elsewhere: &[usize]) -> bool {
        for (at, group) in self.groups.iter_mut().enumerate() {
            let is_elsewhere = elsewhere.contains(&(at + 1));
            if !elsewhere.is_empty() && !is_elsewhere {
                continue;
            }
            if group.window.take().is_some()
                && is_elsewhere
                && let Some(lane) = group.tags().first().and_then(|tag| shared.lane_of(tag))
            {
                shared.order.doubt(lane.index);
            }
        }
        self.groups.iter().any(|group| group.window.is_some())
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
                self.groups.push(Group { held, ttl, members, window: None });
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
            let told = group.window.is_none();
            match &group.window {
                Some(window) => add_window(call, window, group.tags().last()),
                None => {
                    call.arg(0);
                }
            }
            for (_, settlement) in &group.members {
                if told {
                    call.arg(settlement.tag.as_ref().map_or(&[][..], |tag| &tag.payload[..]));
                }
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

fn add_window(call: &mut Cmd, window: &Window, last: Option<&&DeliveryTag>) {
    call.arg(window.length).arg(last.map_or(&[][..], |tag| &tag.payload[..])).arg(window.staying.len());
    for (place, message) in &window.staying {
        call.arg(*place).arg(&message[..]);
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
