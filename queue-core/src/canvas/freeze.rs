//! Gives every task of a signature its id before anything is sent, so that results can be waited for and a workflow that is
//! sent on by a worker is the one its sender knows.

use super::error::CanvasError;
use super::node::ResultNode;
use super::signature::{Chord, MAX_DEPTH, Shape, Signature};
use crate::message::Json;
use crate::names::TaskId;

/// Where fresh ids come from.
#[derive(Debug)]
pub(crate) enum Ids {
    /// Random ones.
    Random,
    /// Derived from a task's id: the same when the same is sent again.
    Of(TaskId, u64),
}

impl Ids {
    /// The next one.
    pub(crate) fn next(&mut self) -> String {
        match self {
            Self::Random => TaskId::random().as_str().to_owned(),
            Self::Of(parent, nth) => {
                *nth += 1;
                parent.child(*nth).as_str().to_owned()
            }
        }
    }
}

impl Signature {
    /// Gives each task that has none an id, and says what the results will be called. What was frozen stays as it is.
    ///
    /// `id` is the id its last result is to have, whatever it had before.
    pub(crate) fn freeze_with(&mut self, id: Option<&str>, ids: &mut Ids) -> Result<ResultNode, CanvasError> {
        // First of all: whatever goes through it is recursive.
        self.check_depth(MAX_DEPTH)?;
        self.frozen(id, ids)
    }

    fn frozen(&mut self, id: Option<&str>, ids: &mut Ids) -> Result<ResultNode, CanvasError> {
        if let Some(fault) = &self.fault {
            return Err((**fault).clone());
        }
        match &mut self.shape {
            Shape::Task(_) => Ok(ResultNode::Task(self.own_id(id, ids))),
            Shape::Chain(_) => self.freeze_chain(id, ids),
            Shape::Group(_) => self.freeze_group(id, ids),
            Shape::Chord(_) => self.freeze_chord(id, ids),
        }
    }

    fn own_id(&mut self, id: Option<&str>, ids: &mut Ids) -> String {
        let own = id.map(str::to_owned).or_else(|| self.options.text("task_id")).unwrap_or_else(|| ids.next());
        self.options.set_text("task_id", &own);
        own
    }

    fn freeze_chain(&mut self, id: Option<&str>, ids: &mut Ids) -> Result<ResultNode, CanvasError> {
        let Shape::Chain(steps) = &mut self.shape else { return Err(CanvasError::EmptyChain) };
        let mut unrolled = unroll(std::mem::take(steps));
        let Some((last, before)) = unrolled.split_last_mut() else { return Err(CanvasError::EmptyChain) };
        for step in before {
            step.frozen(None, ids)?;
        }
        let node = last.frozen(id, ids);
        *steps = unrolled;
        node
    }

    fn freeze_group(&mut self, id: Option<&str>, ids: &mut Ids) -> Result<ResultNode, CanvasError> {
        let group = self.own_id(id, ids);
        let Shape::Group(members) = &mut self.shape else { return Err(CanvasError::EmptyChain) };
        *members = flatten(std::mem::take(members));
        Ok(ResultNode::Group(group, freeze_members(members, ids)?))
    }

    fn freeze_chord(&mut self, id: Option<&str>, ids: &mut Ids) -> Result<ResultNode, CanvasError> {
        // The id of a chord itself is its header's group's.
        self.own_id(None, ids);
        let Shape::Chord(chord) = &mut self.shape else { return Err(CanvasError::EmptyChain) };
        let Chord { header, body } = &mut **chord;
        *header = flatten(std::mem::take(header));
        freeze_members(header, ids)?;
        body.frozen(id, ids)
    }

    /// Its place among the members of a group.
    fn number(&mut self, index: i64) {
        match &mut self.shape {
            Shape::Task(_) => self.options.set("group_index", Json::trusted(index.to_string())),
            Shape::Chain(steps) => reporting(steps).into_iter().for_each(|last| last.number(index)),
            // Its members have places of their own.
            Shape::Group(_) => {}
            Shape::Chord(chord) => chord.body.number(index),
        }
    }

    /// Makes the body of a chord a member of the chord's group in name, as Celery does, unless it is one of another.
    pub(crate) fn name_group(&mut self, group: &str) {
        if self.options.get("group_id").is_none() && !matches!(self.shape, Shape::Chain(_) | Shape::Chord(_)) {
            self.options.set_text("group_id", group);
        }
        if let Shape::Group(members) = &mut self.shape {
            members.iter_mut().for_each(|member| member.name_group(group));
        }
    }

    /// Makes what ends this signature a member of a group, and where `chord` is given a part of that chord.
    pub(crate) fn join(&mut self, group: &str, index: i64, chord: Option<&Json>) {
        match &mut self.shape {
            Shape::Task(_) => {
                self.options.set_text("group_id", group);
                if let Some(body) = chord {
                    self.options.set("chord", body.clone());
                }
                self.options.set("group_index", Json::trusted(index.to_string()));
            }
            Shape::Chain(steps) => {
                if let Some(last) = reporting(steps) {
                    last.join(group, index, chord);
                }
            }
            Shape::Group(members) => {
                for (nth, member) in (0..).zip(members) {
                    member.join(group, nth, chord);
                }
            }
            Shape::Chord(inner) => inner.body.join(group, index, chord),
        }
    }

    /// How many parts it reports to a chord that it is in the header of.
    pub(crate) fn parts(&self) -> u64 {
        match &self.shape {
            Shape::Task(_) => 1,
            Shape::Chain(steps) => steps.iter().rev().map(Self::parts).find(|parts| *parts > 0).unwrap_or(0),
            Shape::Group(members) => members.iter().map(Self::parts).sum(),
            Shape::Chord(chord) => chord.body.parts(),
        }
    }

    /// The tasks whose results are the results of this signature.
    pub(crate) fn last_tasks(&self) -> Vec<&Self> {
        match &self.shape {
            Shape::Task(_) => vec![self],
            Shape::Chain(steps) => {
                let last = steps.iter().rev().find(|step| step.parts() > 0);
                last.map(Self::last_tasks).unwrap_or_default()
            }
            Shape::Group(members) => members.iter().flat_map(Self::last_tasks).collect(),
            Shape::Chord(chord) => chord.body.last_tasks(),
        }
    }
}

fn freeze_members(members: &mut [Signature], ids: &mut Ids) -> Result<Vec<ResultNode>, CanvasError> {
    let mut nodes = Vec::with_capacity(members.len());
    for (index, member) in (0..).zip(members) {
        nodes.push(member.frozen(None, ids)?);
        member.number(index);
    }
    Ok(nodes)
}

/// The step of a chain that its chord hears of: an empty group at its end reports nothing.
fn reporting(steps: &mut [Signature]) -> Option<&mut Signature> {
    steps.iter_mut().rev().find(|step| step.parts() > 0)
}

/// The steps of a chain: chains within it spliced in, a group that something follows made a chord's header, also where it is the
/// body of another, groups of one replaced by their member.
fn unroll(steps: Vec<Signature>) -> Vec<Signature> {
    let mut spliced = Vec::with_capacity(steps.len());
    splice(steps, &mut spliced);
    let mut unrolled: Vec<Signature> = Vec::with_capacity(spliced.len());
    // From the last to the first: what follows a group may have become a chord already.
    for step in spliced.into_iter().rev() {
        let follows = !unrolled.is_empty();
        match step.shape {
            Shape::Group(_) if follows => {
                // What was linked to the group is its members' affair, not the body's.
                let mut step = step;
                step.hand_down();
                if let Some(body) = unrolled.pop() {
                    unrolled.push(step.into_chord(body));
                }
            }
            Shape::Chord(ref chord) if follows && matches!(chord.body.shape, Shape::Group(_)) => {
                let Some(next) = unrolled.pop() else { continue };
                unrolled.push(behind_body(step, next));
            }
            _ => unrolled.push(step),
        }
    }
    unrolled.reverse();
    unrolled
}

/// A chord whose body is a group, and what gets the list of its results: a chord of these, within the body. Celery's own workers
/// would send what comes behind such a body once for each of its members.
fn behind_body(mut chord: Signature, next: Signature) -> Signature {
    chord.hand_down();
    let Shape::Chord(parts) = chord.shape else { return chord };
    let Chord { header, mut body } = *parts;
    body.hand_down();
    let body = body.into_chord(next);
    Signature { shape: Shape::Chord(Box::new(Chord { header, body })), ..chord }
}

fn splice(steps: Vec<Signature>, out: &mut Vec<Signature>) {
    for mut step in steps {
        match step.shape {
            Shape::Chain(_) => {
                step.hand_down();
                if let Shape::Chain(inner) = step.shape {
                    splice(inner, out);
                }
            }
            Shape::Group(ref members) if members.len() == 1 => {
                step.hand_down();
                if let Shape::Group(members) = step.shape {
                    splice(members, out);
                }
            }
            _ => out.push(step),
        }
    }
}

/// A group's members, with those of groups among them in their place.
fn flatten(members: Vec<Signature>) -> Vec<Signature> {
    let mut out = Vec::with_capacity(members.len());
    for mut member in members {
        match member.shape {
            Shape::Group(_) => {
                member.hand_down();
                if let Shape::Group(inner) = member.shape {
                    out.extend(flatten(inner));
                }
            }
            _ => out.push(member),
        }
    }
    out
}
