//! A job as `inspect` shows it.

use queue_core::Timestamp;
use queue_core::events::{args_repr, repr, unix_seconds};
use queue_core::message::{Json, Message};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::jobs::Held;

/// A job of this worker; with `safe`, its arguments as texts.
pub(super) fn of_held(engine: &Engine, held: &Held, safe: bool) -> Value {
    let facts = Facts {
        started: held.course.started(),
        acknowledged: held.tag().is_none(),
        redelivered: held.redelivered,
        pid: held.course.started().map(|_| std::process::id()),
    };
    info(engine, &held.message, facts, safe)
}

/// A job that waits in the store.
pub(super) fn of_waiting(engine: &Engine, message: &Message) -> Value {
    info(engine, message, Facts::default(), false)
}

#[derive(Default)]
struct Facts {
    started: Option<Timestamp>,
    acknowledged: bool,
    redelivered: bool,
    pid: Option<u32>,
}

fn info(engine: &Engine, message: &Message, facts: Facts, safe: bool) -> Value {
    let (args, kwargs) = match safe {
        true => (args_repr(&message.args).into(), repr(message.kwargs.as_ref()).into()),
        false => (value(&message.args), value(&message.kwargs)),
    };
    json!({
        "id": message.id.as_str(),
        "name": message.task,
        "args": args,
        "kwargs": kwargs,
        "type": message.task,
        "hostname": &*engine.config.hostname,
        "time_start": facts.started.map(unix_seconds),
        "acknowledged": facts.acknowledged,
        "delivery_info": {
            "exchange": message.exchange,
            "routing_key": message.routing_key,
            "priority": message.priority.get(),
            "redelivered": facts.redelivered,
        },
        "worker_pid": facts.pid,
    })
}

/// Arguments as they are; as a text where they hold what JSON does not.
fn value(json: &Json) -> Value {
    json.parse().unwrap_or_else(|_| json.as_str().into())
}
