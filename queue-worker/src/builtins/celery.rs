//! The tasks that Celery itself brings along: a foreign worker on a queue that Python uses must have them too.
//!
//! Source: Celery 5.7, `celery/app/builtins.py`.

use std::sync::Arc;

use queue_core::canvas::Signature;
use queue_core::message::{Json, JsonRef, Message};
use queue_core::task::{Body, ContextParts, ErrorKind, RunFuture, TaskDef, TaskOptions, definition};
use queue_core::{Context, TaskError};

/// What is the same in all of them.
const fn builtin(name: &'static str, line: u32, run: fn(Context) -> RunFuture) -> TaskDef {
    TaskDef {
        name,
        file: file!(),
        line,
        options: TaskOptions::default,
        body: Body::Async(run),
        states: Vec::new,
        builtin: true,
    }
}

inventory::submit! { builtin("celery.accumulate", line!(), |ctx| Box::pin(async move { accumulate(ctx.message()) })) }
inventory::submit! { builtin("celery.backend_cleanup", line!(), |_| Box::pin(async { Ok(Json::null()) })) }
inventory::submit! { builtin("celery.map", line!(), |ctx| Box::pin(each(ctx, false))) }
inventory::submit! { builtin("celery.starmap", line!(), |ctx| Box::pin(each(ctx, true))) }
inventory::submit! { builtin("celery.chunks", line!(), |ctx| Box::pin(chunks(ctx))) }
inventory::submit! { builtin("celery.group", line!(), |ctx| Box::pin(async move { expand(&ctx, "group") })) }
inventory::submit! { builtin("celery.chord", line!(), |ctx| Box::pin(async move { expand(&ctx, "chord") })) }
inventory::submit! { builtin("celery.chain", line!(), |ctx| Box::pin(async move { expand(&ctx, "chain") })) }
inventory::submit! { builtin("celery.chord_unlock", line!(), |_| Box::pin(async { Err(unlock()) })) }

/// A keyword argument as it came.
fn keyword<'a>(message: &'a Message, name: &str) -> Option<JsonRef<'a>> {
    let found = message.kwargs.entries().ok()?.filter(|(key, _)| key == name).last();
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}

fn needed<'a>(message: &'a Message, name: &str) -> Result<JsonRef<'a>, TaskError> {
    keyword(message, name)
        .ok_or_else(|| TaskError::bad_arguments(format!("{}() is missing the keyword argument '{name}'", message.task)))
}

/// The list of its arguments, or the one at `index`.
fn accumulate(message: &Message) -> Result<Json, TaskError> {
    let Some(index) = keyword(message, "index") else { return Ok(message.args.clone()) };
    let index: i64 = index.parse().map_err(|why| TaskError::bad_arguments(format!("index: {why}")))?;
    let args: Vec<JsonRef<'_>> = message.args.elements().into_iter().flatten().collect();
    // As Python's lists: a negative index counts from the end.
    let length = i64::try_from(args.len()).unwrap_or(i64::MAX);
    let at = usize::try_from(if index < 0 { index + length } else { index }).ok();
    match at.and_then(|at| args.get(at)) {
        Some(found) => Ok(found.to_json()),
        None => Err(TaskError::bad_arguments(format!("index {index} of {length} arguments"))),
    }
}

/// Runs the task `task` of this worker once for each item of `it`.
async fn each(ctx: Context, spread: bool) -> Result<Json, TaskError> {
    let sig = Signature::from_json(needed(ctx.message(), "task")?).map_err(TaskError::fatal)?;
    let items: Vec<Json> = list(needed(ctx.message(), "it")?)?;
    let mut results = Vec::with_capacity(items.len());
    for (nth, item) in items.into_iter().enumerate() {
        let args = if spread { item } else { Json::array_of([&item]) };
        results.push(one(&ctx, &sig, nth, args).await?);
    }
    Ok(Json::array_of(&results))
}

/// As `celery.starmap` of each slice of `n` items.
async fn chunks(ctx: Context) -> Result<Json, TaskError> {
    let sig = Signature::from_json(needed(ctx.message(), "task")?).map_err(TaskError::fatal)?;
    let items: Vec<Json> = list(needed(ctx.message(), "it")?)?;
    let size: usize =
        needed(ctx.message(), "n")?.parse().map_err(|why| TaskError::bad_arguments(format!("n: {why}")))?;
    let mut slices = Vec::new();
    for (nth, slice) in items.chunks(size.max(1)).enumerate() {
        let mut results = Vec::with_capacity(slice.len());
        for (within, item) in slice.iter().enumerate() {
            results.push(one(&ctx, &sig, nth * size.max(1) + within, item.clone()).await?);
        }
        slices.push(Json::array_of(&results));
    }
    Ok(Json::array_of(&slices))
}

fn list(json: JsonRef<'_>) -> Result<Vec<Json>, TaskError> {
    let elements = json.elements().map_err(|why| TaskError::bad_arguments(format!("it: {why}")))?;
    Ok(elements.map(JsonRef::to_json).collect())
}

/// One run of a task within this one.
async fn one(ctx: &Context, sig: &Signature, nth: usize, args: Json) -> Result<Json, TaskError> {
    let Some(def) = definition(sig.name()) else {
        let text = format!("task `{}` is not registered with this worker", sig.name());
        let mut error = TaskError::fatal(text);
        (error.exception.exc_type, error.exception.exc_module) = ("NotRegistered".into(), "celery.exceptions".into());
        return Err(error);
    };
    args.elements().map_err(|why| TaskError::bad_arguments(format!("an item of starmap: {why}")))?;
    let inner = within(ctx, def, nth, args);
    let outcome = match def.body {
        Body::Async(body) => inner.clone().enter(body(inner.clone())).await,
        Body::Blocking(body) => {
            let run = inner.clone();
            let running = tokio::task::spawn_blocking(move || run.clone().enter_blocking(|| body(run)));
            running.await.unwrap_or_else(|gone| Err(TaskError::panicked(gone, None)))
        }
    };
    ctx.take_over(&inner);
    // The run that counts is that of the whole: what one item asks of the worker (a replacement, other arguments) it cannot have.
    outcome.map_err(|error| match error.kind {
        ErrorKind::Snooze(_) | ErrorKind::Replaced => TaskError { kind: ErrorKind::Failed, replacement: None, ..error },
        _ => TaskError { again: None, ..error },
    })
}

/// The context of one item: that of the whole, with the item's arguments and an id of its own for what it sends.
fn within(ctx: &Context, def: &TaskDef, nth: usize, args: Json) -> Context {
    let parts = ctx.parts();
    let id = ctx.id().child(u64::try_from(nth).unwrap_or(u64::MAX));
    let (task, kwargs) = (def.name.into(), Json::empty_object());
    let message = Message { task, id, args, kwargs, ..(*parts.message).clone() };
    Context::new(ContextParts {
        message: Arc::new(message),
        queue: parts.queue.clone(),
        worker: parts.worker.clone(),
        redelivered: parts.redelivered,
        cancel: parts.cancel.clone(),
        deadline: parts.deadline,
        state: Arc::clone(&parts.state),
        client: parts.client.clone(),
        progress: Arc::clone(&parts.progress),
    })
}

/// A composition that somebody sent as a message of its own: it takes this task's place.
fn expand(ctx: &Context, kind: &str) -> Result<Json, TaskError> {
    let message = ctx.message();
    let text = format!(
        "{{\"task\": \"celery.{kind}\", \"args\": {}, \"kwargs\": {}, \"options\": {{}}, \"subtask_type\": \"{kind}\", \
         \"immutable\": false}}",
        message.args.as_str(),
        message.kwargs.as_str()
    );
    let json = Json::new(text).map_err(TaskError::fatal)?;
    let sig = Signature::from_json(json.as_ref()).map_err(TaskError::fatal)?;
    Err(ctx.replace(sig))
}

/// Other result backends poll chords with it; on Redis and SQLite they are counted as their parts come in.
fn unlock() -> TaskError {
    TaskError::fatal("celery.chord_unlock is for result backends that cannot count; this one does")
}
