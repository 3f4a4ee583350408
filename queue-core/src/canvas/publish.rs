//! Turns a signature into what is sent at once: the messages of its first tasks, and the chords that they begin.
//!
//! Celery never sends a composition as such: whoever publishes one expands it, the client or a worker.

use std::sync::Arc;
use std::time::Duration;

use super::error::CanvasError;
use super::fields::Reader;
use super::freeze::Ids;
use super::node::ResultNode;
use super::signature::{Chord, MAX_DEPTH, Shape, Signature};
use crate::clock::Timestamp;
use crate::message::{DecodeLimits, Draft, Json, JsonRef};
use crate::names::{NameError, Priority, QueueName, TaskId};
use crate::store::{ChordStart, Outgoing};
use crate::task::{TaskOptions, definition};

/// What sending needs to know besides the signature.
#[derive(Debug)]
pub struct Setting {
    /// Where tasks go that name no queue, and that this program does not know either.
    pub default_queue: QueueName,
    /// Now.
    pub now: Timestamp,
    /// How long chords are kept; `None` is for ever.
    pub chord_ttl: Option<Duration>,
    /// Who sends it: the id of the running task, and that of its workflow's first task.
    pub sender: Option<(String, String)>,
    /// Celery's workers may consume the same queues.
    pub(crate) celery: bool,
    pub(crate) ids: Ids,
}

impl Setting {
    /// A client's: nobody runs, ids are random.
    pub fn of_client(default_queue: QueueName, now: Timestamp, chord_ttl: Option<Duration>) -> Self {
        Self { default_queue, now, chord_ttl, sender: None, celery: false, ids: Ids::Random }
    }

    /// Celery's own workers may consume the same queues ([`Broker::has_celery`](crate::store::Broker::has_celery)): they hold back
    /// themselves what is due later, if it is no task of this program.
    pub fn beside_celery(mut self, celery: bool) -> Self {
        self.celery = celery;
        self
    }

    /// A running task's: what it sends are its children, and their ids derive from `seed`, so that sending again sends the same.
    pub fn of_task(mut self, id: &TaskId, root: &str, seed: TaskId) -> Self {
        self.sender = Some((id.as_str().to_owned(), root.to_owned()));
        self.ids = Ids::Of(seed, 0);
        self
    }
}

/// What sending a signature brings.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The last results: what whoever sent it waits for.
    pub result: ResultNode,
    /// What goes out at once: the `children` of a task that sends it. Of a chain the first step, of a chord its header.
    pub first: ResultNode,
}

/// What is sent at once.
#[derive(Debug, Default)]
pub struct Plan {
    /// The messages, in order.
    pub messages: Vec<Outgoing>,
    /// The chords that begin with them: to be written before.
    pub chords: Vec<ChordStart>,
    /// When the last of them is to start, of those that start later.
    latest: Option<Timestamp>,
    /// How many compositions are being expanded, each in the one before it.
    depth: usize,
}

impl Plan {
    /// Adds what sending `sig` means, and says what its results are called.
    ///
    /// # Errors
    ///
    /// [`CanvasError`] when it, or something in it, cannot be sent. The plan is then of no use.
    pub fn add(&mut self, mut sig: Signature, setting: &mut Setting) -> Result<Sent, CanvasError> {
        let result = sig.freeze_with(None, &mut setting.ids)?;
        let first = first(&sig);
        self.expand(sig, setting)?;
        Ok(Sent { result, first })
    }

    fn expand(&mut self, sig: Signature, setting: &mut Setting) -> Result<(), CanvasError> {
        // Not only what is nested gets here: an empty group goes on with what follows it at once.
        if self.depth == MAX_DEPTH {
            return Err(CanvasError::TooDeep(MAX_DEPTH));
        }
        self.depth += 1;
        let expanded = self.expand_one(sig, setting);
        self.depth -= 1;
        expanded
    }

    fn expand_one(&mut self, mut sig: Signature, setting: &mut Setting) -> Result<(), CanvasError> {
        match sig.shape {
            Shape::Task(_) => self.send_task(&sig, setting),
            Shape::Chain(_) => {
                sig.hand_down();
                let tail = sig.options.take("chain");
                let Shape::Chain(steps) = sig.shape else { return Ok(()) };
                self.expand_chain(steps, tail, setting)
            }
            Shape::Group(_) => match sig.options.take("chain") {
                Some(tail) if tail.elements().is_ok_and(|mut steps| steps.next().is_some()) => {
                    self.expand_group_before(sig, &tail, setting)
                }
                _ => self.expand_group(sig, setting),
            },
            Shape::Chord(_) => self.expand_chord(sig, setting),
        }
    }

    fn expand_chain(
        &mut self,
        mut steps: Vec<Signature>,
        tail: Option<Json>,
        setting: &mut Setting,
    ) -> Result<(), CanvasError> {
        if steps.is_empty() {
            return Err(CanvasError::EmptyChain);
        }
        let rest: Vec<Json> = steps.drain(1..).rev().map(|step| step.to_json()).collect();
        let Some(mut first) = steps.pop() else { return Err(CanvasError::EmptyChain) };
        let mut all: Vec<&str> = tail.as_ref().map(|tail| super::options::elements(tail.as_ref())).unwrap_or_default();
        all.extend(rest.iter().map(Json::as_str));
        first.attach_tail(&Json::array(all));
        self.expand(first, setting)
    }

    /// A group that something follows is a chord's header.
    fn expand_group_before(
        &mut self,
        mut sig: Signature,
        tail: &Json,
        setting: &mut Setting,
    ) -> Result<(), CanvasError> {
        let mut steps = super::options::elements(tail.as_ref());
        let Some(next) = steps.pop() else { return self.expand_group(sig, setting) };
        let mut body = Signature::from_json(JsonRef::trusted(next))?;
        body.attach_tail(&Json::array(steps));
        sig.hand_down();
        let mut chord = sig.into_chord(body);
        chord.freeze_with(None, &mut setting.ids)?;
        self.expand_chord(chord, setting)
    }

    fn expand_group(&mut self, mut sig: Signature, setting: &mut Setting) -> Result<(), CanvasError> {
        let group = sig.options.text("task_id").unwrap_or_else(|| setting.ids.next());
        // What is in the header of a chord already has its place there.
        let (outer, chord) = (sig.options.text("group_id"), sig.options.get("chord").map(JsonRef::to_json));
        sig.hand_down();
        let Shape::Group(members) = sig.shape else { return Ok(()) };
        for (index, mut member) in (0..).zip(members) {
            let in_chord = member.last_tasks().first().is_some_and(|task| task.options.get("chord").is_some());
            if !in_chord {
                member.join(outer.as_deref().unwrap_or(&group), index, chord.as_ref());
            }
            self.expand(member, setting)?;
        }
        Ok(())
    }

    fn expand_chord(&mut self, mut sig: Signature, setting: &mut Setting) -> Result<(), CanvasError> {
        let group = sig.options.text("task_id").unwrap_or_else(|| setting.ids.next());
        let tail = sig.options.take("chain");
        sig.hand_down();
        let Shape::Chord(chord) = sig.shape else { return Ok(()) };
        let Chord { header, mut body } = *chord;
        if let Some(tail) = tail {
            body.attach_tail(&tail);
        }
        let size: u64 = header.iter().map(Signature::parts).sum();
        if size == 0 {
            // Nothing of it is waited for, but it may have tasks: those before an empty group.
            header.into_iter().try_for_each(|member| self.expand(member, setting))?;
            body.name_group(&group);
            body.prepend(&["[]"]);
            return self.expand(body, setting);
        }
        body.name_group(&group);
        let body = body.to_json();
        let meta = nested(&group, &header);
        let (nth, before) = (self.chords.len(), self.latest.take());
        self.chords.push(ChordStart { group: group.clone(), size, meta, ttl: setting.chord_ttl });
        for (index, mut member) in (0..).zip(header) {
            member.join(&group, index, Some(&body));
            self.expand(member, setting)?;
        }
        // It is not to be forgotten before its header has run.
        let waits = self.latest.map(|latest| setting.now.until(latest)).unwrap_or_default();
        self.chords[nth].ttl = setting.chord_ttl.map(|ttl| ttl.saturating_add(waits));
        self.latest = self.latest.max(before);
        Ok(())
    }

    fn send_task(&mut self, sig: &Signature, setting: &Setting) -> Result<(), CanvasError> {
        if sig.task.is_empty() {
            return Err(CanvasError::Name { task: String::new(), source: NameError::NoTask });
        }
        let read = Reader { task: &sig.task, options: &sig.options };
        let known = definition(&sig.task).map(|def| (def.options)());
        let queue = read.queue(|| own_queue(known.as_ref(), setting))?;
        let due = read.due(setting.now)?;
        self.latest = self.latest.max(due);
        let id = read.id()?;
        let own_priority = known.as_ref().map_or(Priority::HIGHEST, |options| options.priority);
        let priority = read.priority().unwrap_or(own_priority);
        let own_expiry = known.as_ref().and_then(|options| options.expires).map(|after| setting.now.after(after));
        let (parent_id, root_id) = match &setting.sender {
            Some((parent, root)) => (Some(parent.clone()), Some(root.clone())),
            // Its own, as Celery's client says it: what a Python task sends takes it over.
            None => (sig.options.text("parent_id"), sig.options.text("root_id").or_else(|| Some(id.to_string()))),
        };
        let draft = Draft {
            args: sig.args.clone(),
            kwargs: sig.kwargs.clone(),
            embed: embed(sig),
            priority,
            eta: due,
            retries: read.number("retries")?.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            expires: read.expires(setting.now)?.or(own_expiry),
            time_limit: read.seconds("time_limit")?,
            soft_time_limit: read.seconds("soft_time_limit")?,
            ignore_result: sig.options.get("ignore_result").map(|flag| flag.as_str() == "true"),
            root_id,
            parent_id,
            group: sig.options.text("group_id"),
            group_index: read.number("group_index")?,
            sent_at: Some(setting.now),
            headers: read.headers()?,
            ..Draft::new(&*sig.task, id.clone(), queue.as_str())
        };
        readable(&draft)?;
        small_enough(&draft)?;
        let due = due.filter(|_| known.is_some() || !setting.celery);
        let payload = draft.encode();
        self.messages.push(Outgoing { queue, priority, due, id, task: Arc::from(&*sig.task), payload });
        Ok(())
    }
}

/// Refuses here what every worker would set aside.
fn readable(draft: &Draft) -> Result<(), CanvasError> {
    for (name, part) in [("args", &draft.args), ("kwargs", &draft.kwargs), ("links, chain or chord", &draft.embed)] {
        if !part.is_readable() {
            let why = format!("its {name} are nested too deep to be read");
            return Err(CanvasError::Call { task: draft.task.clone().into(), why });
        }
    }
    Ok(())
}

/// Refuses here what every worker would set aside for its size, and nobody would be told: of what cannot be read no id is known.
pub(super) fn small_enough(draft: &Draft) -> Result<(), CanvasError> {
    let (bytes, limit) = (draft.body_bytes(), DecodeLimits::default().max_body);
    if bytes <= limit {
        return Ok(());
    }
    let why = format!("its arguments and what follows it have {bytes} bytes, and a worker reads no more than {limit}");
    Err(CanvasError::Call { task: draft.task.clone().into(), why })
}

fn own_queue(known: Option<&TaskOptions>, setting: &Setting) -> QueueName {
    let own = known.and_then(|options| options.queue).and_then(|name| QueueName::new(name).ok());
    own.unwrap_or_else(|| setting.default_queue.clone())
}

/// The third element of a body: what follows from a task.
fn embed(sig: &Signature) -> Json {
    let parts = [("callbacks", "link"), ("errbacks", "link_error"), ("chain", "chain"), ("chord", "chord")];
    if parts.iter().all(|(_, option)| sig.options.get(option).is_none()) {
        return Json::null();
    }
    let mut text = String::from("{");
    for (nth, (key, option)) in parts.into_iter().enumerate() {
        let value = sig.options.get(option).map_or("null", JsonRef::as_str);
        text.push_str(if nth == 0 { "\"" } else { ", \"" });
        text.push_str(key);
        text.push_str("\": ");
        match option {
            // A single signature instead of a list of one is accepted from hand-made ones.
            "link" | "link_error" if value.starts_with('{') => text.push_str(&format!("[{value}]")),
            _ => text.push_str(value),
        }
    }
    text.push('}');
    Json::trusted(text)
}

/// Celery's group meta, where the result of a member of the header is that of a group.
fn nested(group: &str, header: &[Signature]) -> Option<bytes::Bytes> {
    let nodes: Vec<ResultNode> = header.iter().map(node).collect();
    let plain = nodes.iter().all(|node| matches!(node, ResultNode::Task(_)));
    (!plain).then(|| ResultNode::Group(group.to_owned(), nodes).to_meta().as_str().to_owned().into())
}

fn first(sig: &Signature) -> ResultNode {
    match &sig.shape {
        Shape::Task(_) | Shape::Group(_) => node(sig),
        Shape::Chain(steps) => steps.first().map_or_else(|| node(sig), first),
        Shape::Chord(chord) if chord.header.is_empty() => first(&chord.body),
        Shape::Chord(chord) => {
            ResultNode::Group(sig.options.text("task_id").unwrap_or_default(), chord.header.iter().map(node).collect())
        }
    }
}

fn node(sig: &Signature) -> ResultNode {
    let id = |sig: &Signature| sig.options.text("task_id").unwrap_or_default();
    match &sig.shape {
        Shape::Task(_) => ResultNode::Task(id(sig)),
        Shape::Chain(steps) => {
            // As its chord hears of it: an empty group at the end reports nothing.
            let last = steps.iter().rev().find(|step| step.parts() > 0).or(steps.last());
            last.map_or_else(|| ResultNode::Task(String::new()), node)
        }
        Shape::Group(members) => ResultNode::Group(id(sig), members.iter().map(node).collect()),
        Shape::Chord(chord) => node(&chord.body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn task(name: &str) -> Signature {
        Signature::task(name, Json::empty_array(), Json::empty_object())
    }

    fn later(seconds: u32) -> Signature {
        let mut sig = task("t.part");
        sig.options.set("countdown", Json::trusted(seconds.to_string()));
        sig
    }

    #[test]
    fn a_chord_is_kept_until_its_header_has_run() {
        let inner = Signature::chord([later(50), later(7)], task("t.body"));
        let outer = Signature::chord([later(200), inner, later(0)], task("t.body"));
        let at_once = Signature::chord([task("t.part")], task("t.body"));
        let all = Signature::group([outer, at_once]);
        let kept = |ttl| {
            let mut setting = Setting::of_client(QueueName::celery(), Timestamp::from_millis(0), ttl);
            let mut plan = Plan::default();
            plan.add(all.clone(), &mut setting).unwrap();
            plan.chords.iter().map(|start| start.ttl.map(|ttl| ttl.as_secs())).collect::<Vec<_>>()
        };
        let hour = Duration::from_secs(3600);
        assert_eq!(kept(Some(hour)), [Some(3800), Some(3650), Some(3600)]);
        assert_eq!(kept(None), [None; 3]);
    }

    #[test]
    fn a_header_that_reports_nothing_is_sent_all_the_same() {
        let silent = Signature::chord([task("t.part")], Signature::group([]));
        let chord = Signature::chord([silent, Signature::group([])], task("t.body"));
        let mut setting = Setting::of_client(QueueName::celery(), Timestamp::from_millis(0), None);
        let mut plan = Plan::default();
        plan.add(chord, &mut setting).unwrap();
        let tasks: Vec<&str> = plan.messages.iter().map(|message| &*message.task).collect();
        assert_eq!(tasks, ["t.part", "t.body"]);
    }

    #[test]
    fn what_follows_a_body_that_is_a_group_is_a_part_of_it_and_not_too_deep_to_be_read() {
        let sent = |chords: usize| {
            let chord = || Signature::chord([task("t.part")], Signature::group([task("t.one"), task("t.other")]));
            let mut setting = Setting::of_client(QueueName::celery(), Timestamp::from_millis(0), None);
            let mut plan = Plan::default();
            plan.add(Signature::chain((0..chords).map(|_| chord())), &mut setting).map(|_| plan.messages)
        };
        assert!(matches!(sent(60), Err(CanvasError::TooDeep(_))));
        let message = Message::decode(&sent(20).unwrap()[0].payload, &DecodeLimits::default()).unwrap();
        let (_, body) = message.embed.entries().unwrap().find(|(key, _)| key == "chord").unwrap();
        let Shape::Chord(body) = Signature::from_json(body).unwrap().shape else { panic!("it is no chord") };
        assert_eq!((body.header.len(), body.body.name()), (2, "celery.chord"));
    }
}
