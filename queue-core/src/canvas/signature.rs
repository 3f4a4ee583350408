//! Signatures: calls that are not made yet, and their compositions, as Celery writes them.
//!
//! Source: Celery 5.7, `celery/canvas.py`, and captures of its messages.

use super::error::CanvasError;
use super::node::write_list;
use super::options::Options;
use super::spec::OnceKey;
use crate::message::{Json, JsonRef};

/// How deep canvases may be nested in each other: what reads them is recursive.
pub(crate) const MAX_DEPTH: usize = 100;

/// A call that is not made yet, or a composition of such calls: a chain, a group, a chord. Untyped; what Celery calls a
/// *signature*, and what it sends is what it was read from.
///
/// Typed calls become one with [`Call::untyped`](super::Call::untyped); one that came as JSON is read with
/// [`Signature::from_json`].
#[derive(Clone)]
pub struct Signature {
    pub(crate) task: String,
    /// A JSON array.
    pub(crate) args: Json,
    /// A JSON object; of a composition only what is not in `shape`.
    pub(crate) kwargs: Json,
    pub(crate) options: Options,
    /// Takes no result of the step before it.
    pub(crate) immutable: bool,
    pub(crate) shape: Shape,
    /// Keys that mean nothing to us, sent on as they came.
    pub(crate) extra: Options,
    /// What was wrong with the call it was made of: said when it is sent.
    pub(crate) fault: Option<Box<CanvasError>>,
    /// With which it is sent once; not a part of what is sent.
    pub(crate) key: Option<Box<OnceKey>>,
    /// How deep compositions are nested in it, itself included; what was put together so is never deeper than [`MAX_DEPTH`].
    pub(crate) levels: usize,
}

/// What a signature is.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// One task. Celery's word for the kind (`xmap`, …) or null.
    Task(Json),
    /// Steps, in the order they run.
    Chain(Vec<Signature>),
    /// Members, which run side by side.
    Group(Vec<Signature>),
    /// A group whose results go to a body.
    Chord(Box<Chord>),
}

impl Shape {
    fn levels(&self) -> usize {
        let deepest = |parts: &[Signature]| parts.iter().map(|part| part.levels).max().unwrap_or(0);
        match self {
            Self::Task(_) => 1,
            Self::Chain(parts) | Self::Group(parts) => 1 + deepest(parts),
            Self::Chord(chord) => 1 + deepest(&chord.header).max(chord.body.levels),
        }
    }
}

/// The parts of a chord.
#[derive(Debug, Clone)]
pub(crate) struct Chord {
    pub(crate) header: Vec<Signature>,
    pub(crate) body: Signature,
}

impl Signature {
    /// One task.
    pub(crate) fn task(name: impl Into<String>, args: Json, kwargs: Json) -> Self {
        Self::shaped(name.into(), args, kwargs, Shape::Task(Json::null()))
    }

    /// Steps that run one after the other, each with the result of the one before as its first argument.
    pub fn chain(steps: impl IntoIterator<Item = Self>) -> Self {
        Self::composition("celery.chain", Shape::Chain(steps.into_iter().collect()))
    }

    /// Members that run side by side.
    pub fn group(members: impl IntoIterator<Item = Self>) -> Self {
        Self::composition("celery.group", Shape::Group(members.into_iter().collect()))
    }

    /// Members that run side by side, and a body that then gets the list of their results.
    pub fn chord(header: impl IntoIterator<Item = Self>, body: Self) -> Self {
        let header = header.into_iter().collect();
        Self::composition("celery.chord", Shape::Chord(Box::new(Chord { header, body })))
    }

    /// A chain with one more step: the same as [`Signature::chain`], whatever its length in no time.
    pub(crate) fn longer(mut self, step: Self) -> Self {
        let (fault, levels) = (self.fault.take(), self.levels.max(step.levels + 1));
        let Shape::Chain(mut steps) = self.shape else { return self };
        steps.push(step);
        let chain = Self::nested("celery.chain", Shape::Chain(steps), levels);
        Self { fault: fault.or(chain.fault), ..chain }
    }

    fn composition(name: &str, shape: Shape) -> Self {
        let levels = shape.levels();
        Self::nested(name, shape, levels)
    }

    /// Too many levels end here, before what goes through them, if only to drop them, runs out of stack.
    fn nested(name: &str, mut shape: Shape, levels: usize) -> Self {
        let deep = levels > MAX_DEPTH;
        if deep {
            shape = Shape::Group(Vec::new());
        }
        let sig = Self::shaped(name.to_owned(), Json::empty_array(), Json::empty_object(), shape);
        let fault = deep.then(|| Box::new(CanvasError::TooDeep(MAX_DEPTH)));
        Self { levels: if deep { 1 } else { levels }, fault, ..sig }
    }

    fn shaped(task: String, args: Json, kwargs: Json, shape: Shape) -> Self {
        let (options, extra) = (Options::default(), Options::default());
        Self { task, args, kwargs, options, immutable: false, shape, extra, fault: None, key: None, levels: 1 }
    }

    /// Reads one as Celery writes it: an object with `task`, `args`, `kwargs`, `options`, `subtask_type`, `immutable`.
    ///
    /// # Errors
    ///
    /// [`CanvasError::Malformed`], with the place, when it is none.
    pub fn from_json(json: JsonRef<'_>) -> Result<Self, CanvasError> {
        read(json, 0)
    }

    /// Writes it as Celery does.
    pub fn to_json(&self) -> Json {
        let mut out = String::with_capacity(128);
        self.write(&mut out);
        Json::trusted(out)
    }

    /// Whether compositions are nested in it no deeper than what reads it will take, once it is frozen: a group of a chain then
    /// holds all that follows it.
    pub(crate) fn check_depth(&self, left: usize) -> Result<(), CanvasError> {
        let Some(mut left) = left.checked_sub(1) else { return Err(CanvasError::TooDeep(MAX_DEPTH)) };
        self.check_no_key()?;
        match &self.shape {
            Shape::Task(_) => Ok(()),
            Shape::Group(members) => members.iter().try_for_each(|member| member.check_depth(left)),
            Shape::Chain(steps) => steps.iter().try_for_each(|step| {
                step.check_depth(left)?;
                left = left.saturating_sub(step.groups());
                Ok(())
            }),
            Shape::Chord(chord) => {
                chord.header.iter().try_for_each(|part| part.check_depth(left))?;
                chord.body.check_depth(left)
            }
        }
    }

    /// A key is of what a client sends as a whole; who does so has taken it out.
    pub(crate) fn check_no_key(&self) -> Result<(), CanvasError> {
        match &self.key {
            None => Ok(()),
            Some(_) => {
                let why = "an idempotency key is of a whole workflow that a client sends, not of a part".to_owned();
                Err(CanvasError::Call { task: self.task.clone(), why })
            }
        }
    }

    /// How many groups it brings into a chain that it is a step of, each of which holds what follows; one that is a body is in another
    /// chord besides.
    fn groups(&self) -> usize {
        match &self.shape {
            Shape::Chord(chord) if matches!(chord.body.shape, Shape::Group(_)) => 2,
            Shape::Task(_) | Shape::Chord(_) => 0,
            Shape::Chain(steps) => steps.iter().map(Self::groups).sum(),
            Shape::Group(members) => match members.as_slice() {
                [alone] => alone.groups(),
                _ => 1,
            },
        }
    }

    /// The name of the task; of a composition Celery's word for it, e.g. `celery.chain`.
    pub fn name(&self) -> &str {
        &self.task
    }

    /// Its id, where it has been given one: of a chain or chord that of its last result, of a group the group's.
    pub fn id(&self) -> Option<String> {
        match &self.shape {
            Shape::Task(_) | Shape::Group(_) => self.options.text("task_id"),
            Shape::Chain(steps) => steps.last().and_then(Self::id),
            Shape::Chord(chord) => chord.body.id(),
        }
    }

    fn write(&self, out: &mut String) {
        out.push_str("{\"task\": ");
        out.push_str(Json::text(&self.task).as_str());
        out.push_str(", \"args\": ");
        out.push_str(self.args.as_str());
        out.push_str(", \"kwargs\": ");
        self.write_kwargs(out);
        out.push_str(", \"options\": ");
        self.options.write(out);
        out.push_str(", \"subtask_type\": ");
        out.push_str(match &self.shape {
            Shape::Task(kind) => kind.as_str(),
            Shape::Chain(_) => "\"chain\"",
            Shape::Group(_) => "\"group\"",
            Shape::Chord(_) => "\"chord\"",
        });
        out.push_str(", \"immutable\": ");
        out.push_str(if self.immutable { "true" } else { "false" });
        for (name, value) in self.extra.iter() {
            out.push_str(", ");
            out.push_str(Json::text(name).as_str());
            out.push_str(": ");
            out.push_str(value.as_str());
        }
        out.push('}');
    }

    fn write_kwargs(&self, out: &mut String) {
        match &self.shape {
            Shape::Task(_) => out.push_str(self.kwargs.as_str()),
            Shape::Chain(members) | Shape::Group(members) => {
                out.push_str("{\"tasks\": ");
                write_list(members, out, Signature::write);
                out.push('}');
            }
            Shape::Chord(chord) => {
                out.push_str("{\"kwargs\": {}, \"header\": ");
                match self.options.get("task_id") {
                    // Frozen: Python finds the id of the group at the group.
                    Some(id) => {
                        out.push_str("{\"task\": \"celery.group\", \"args\": [], \"kwargs\": {\"tasks\": ");
                        write_list(&chord.header, out, Signature::write);
                        out.push_str("}, \"options\": {\"task_id\": ");
                        out.push_str(id.as_str());
                        out.push_str("}, \"subtask_type\": \"group\", \"immutable\": false}");
                    }
                    None => write_list(&chord.header, out, Signature::write),
                }
                out.push_str(", \"body\": ");
                chord.body.write(out);
                out.push('}');
            }
        }
    }
}

/// Equal when they say the same.
impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_json().preview(400))
    }
}

fn malformed(json: JsonRef<'_>, what: &str) -> CanvasError {
    CanvasError::Malformed { what: what.to_owned(), found: json.preview(80) }
}

fn read(json: JsonRef<'_>, depth: usize) -> Result<Signature, CanvasError> {
    if depth > MAX_DEPTH {
        return Err(CanvasError::TooDeep(MAX_DEPTH));
    }
    let mut fields = Fields::default();
    for (key, value) in json.entries().map_err(|_| malformed(json, "a signature is an object"))? {
        fields.set(&key, value);
    }
    let task: String = match fields.task.map(JsonRef::parse) {
        Some(Ok(task)) => task,
        _ => return Err(malformed(json, "a signature names its task")),
    };
    let args = fields.args.filter(|args| !args.is_null()).map_or_else(Json::empty_array, JsonRef::to_json);
    args.elements().map_err(|_| malformed(args.as_ref(), "the `args` of a signature are an array"))?;
    let kwargs = fields.kwargs.filter(|kwargs| !kwargs.is_null()).map_or_else(Json::empty_object, JsonRef::to_json);
    kwargs.entries().map_err(|_| malformed(kwargs.as_ref(), "the `kwargs` of a signature are an object"))?;
    let options = match fields.options {
        Some(options) => Options::read(options).map_err(|_| malformed(options, "`options` are an object"))?,
        None => Options::default(),
    };
    let immutable = fields.immutable.is_some_and(|flag| flag.as_str() == "true");
    let shape = read_shape(&task, fields.kind, &kwargs, depth)?;
    let kwargs = if matches!(shape, Shape::Task(_)) { kwargs } else { Json::empty_object() };
    let (extra, levels, fault, key) = (fields.extra, shape.levels(), None, None);
    let mut signature = Signature { task, args, kwargs, options, immutable, shape, extra, fault, key, levels };
    take_header_id(&mut signature, &fields.kwargs);
    Ok(signature)
}

#[derive(Default)]
struct Fields<'a> {
    task: Option<JsonRef<'a>>,
    args: Option<JsonRef<'a>>,
    kwargs: Option<JsonRef<'a>>,
    options: Option<JsonRef<'a>>,
    kind: Option<JsonRef<'a>>,
    immutable: Option<JsonRef<'a>>,
    extra: Options,
}

impl<'a> Fields<'a> {
    fn set(&mut self, key: &str, value: JsonRef<'a>) {
        let place = match key {
            "task" => &mut self.task,
            "args" => &mut self.args,
            "kwargs" => &mut self.kwargs,
            "options" => &mut self.options,
            "subtask_type" => &mut self.kind,
            "immutable" => &mut self.immutable,
            _ => return self.extra.set(key, value.to_json()),
        };
        *place = Some(value);
    }
}

fn read_shape(task: &str, kind: Option<JsonRef<'_>>, kwargs: &Json, depth: usize) -> Result<Shape, CanvasError> {
    let word: Option<String> = kind.filter(|kind| !kind.is_null()).and_then(|kind| kind.parse().ok());
    let part = |name: &str| kwargs.entries().ok()?.filter(|(key, _)| key == name).last().map(|(_, value)| value);
    match (word.as_deref(), task) {
        (Some("chain"), _) => Ok(Shape::Chain(read_list(part("tasks"), kwargs, depth)?)),
        (Some("group"), _) => Ok(Shape::Group(read_list(part("tasks"), kwargs, depth)?)),
        (Some("chord"), _) => {
            let Some(body) = part("body") else { return Err(malformed(kwargs.as_ref(), "a chord has a body")) };
            let header = match part("header") {
                Some(list) if list.elements().is_ok() => read_list(Some(list), kwargs, depth)?,
                Some(header) => match read(header, depth + 1)?.shape {
                    Shape::Group(members) => members,
                    _ => return Err(malformed(header, "a chord's header is a list or a group")),
                },
                None => return Err(malformed(kwargs.as_ref(), "a chord has a header")),
            };
            Ok(Shape::Chord(Box::new(Chord { header, body: read(body, depth + 1)? })))
        }
        _ => Ok(Shape::Task(kind.map_or_else(Json::null, JsonRef::to_json))),
    }
}

fn read_list(list: Option<JsonRef<'_>>, kwargs: &Json, depth: usize) -> Result<Vec<Signature>, CanvasError> {
    let Some(list) = list else { return Err(malformed(kwargs.as_ref(), "a composition has `tasks`")) };
    let elements = list.elements().map_err(|_| malformed(list, "the `tasks` of a composition are an array"))?;
    elements.map(|element| read(element, depth + 1)).collect()
}

/// A chord that was frozen by Python has the header's group id in the header's own options as well.
fn take_header_id(signature: &mut Signature, kwargs: &Option<JsonRef<'_>>) {
    if !matches!(signature.shape, Shape::Chord(_)) || signature.options.get("task_id").is_some() {
        return;
    }
    let header = kwargs.and_then(|kwargs| kwargs.entries().ok()?.find(|(key, _)| key == "header"));
    let Some((_, header)) = header else { return };
    let options = header.entries().ok().and_then(|mut entries| entries.find(|(key, _)| key == "options"));
    let id = options.and_then(|(_, options)| Options::read(options).ok()?.text("task_id"));
    if let Some(id) = id {
        signature.options.set_text("task_id", &id);
    }
}
