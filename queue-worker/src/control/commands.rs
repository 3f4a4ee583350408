//! All commands by their names.

use std::sync::Arc;

use queue_core::events::text_repr;
use queue_core::remote::Request;
use serde_json::{Value, json};

use super::args::{Args, value_error};
use super::{pool, queues, revoke, settings, stats, tasks};
use crate::engine::Engine;
use crate::host;

/// Does what was asked; `None` answers nothing.
pub(super) async fn handle(engine: &Arc<Engine>, request: &Request) -> Option<Value> {
    let args = Args::new(&request.method, &request.arguments);
    let answer = match request.method.as_str() {
        "ping" => Ok(json!({ "ok": "pong" })),
        "clock" => Ok(json!({ "clock": engine.client.lamport().now() })),
        "stats" => Ok(stats::stats(engine)),
        "conf" | "dump_conf" => Ok(settings::conf(engine, args.flag("with_defaults"))),
        "report" => args.only(&[]).map(|()| settings::report(engine)),
        "memsample" => Ok(memsample()),
        "active_queues" => args.only(&[]).map(|()| queues::active_queues(engine)),
        "registered" | "dump_tasks" => Ok(tasks::registered(engine, args)),
        "active" | "dump_active" => Ok(tasks::active(engine, args.flag("safe"))),
        "reserved" | "dump_reserved" => Ok(tasks::reserved(engine)),
        "scheduled" | "dump_schedule" => tasks::scheduled(engine).await,
        "query_task" => tasks::query(engine, args).await,
        "revoked" | "dump_revoked" => revoke::revoked(engine).await,
        "hello" => revoke::hello(engine, args).await,
        "revoke" => revoke::revoke(engine, args).await,
        "terminate" => revoke::terminate(engine, args).await,
        "revoke_by_stamped_headers" => revoke::by_stamps(engine, args),
        "rate_limit" => settings::rate_limit(engine, args),
        "time_limit" => settings::time_limit(engine, args),
        "add_consumer" => queues::add_consumer(engine, args).await,
        "cancel_consumer" => queues::cancel_consumer(engine, args).await,
        "pool_grow" => pool::grow(engine, args),
        "pool_shrink" => pool::shrink(engine, args),
        "autoscale" => pool::autoscale(engine, args),
        "pool_restart" => Err(value_error("Pool restarts not enabled")),
        "enable_events" => args.only(&[]).map(|()| events(engine, true)),
        "disable_events" => args.only(&[]).map(|()| events(engine, false)),
        "heartbeat" => args.only(&[]).map(|()| heartbeat(engine)),
        // Of one worker in a cluster of Celery's; we stand in no election.
        "election" => Ok(Value::Null),
        "memdump" | "objgraph" => Err(not_here(&request.method)),
        "shutdown" => return shutdown(engine),
        other => Err(format!("KeyError({})", text_repr(other))),
    };
    Some(answer.unwrap_or_else(|error| json!({ "error": error })))
}

fn not_here(method: &str) -> String {
    format!("NotImplementedError({})", text_repr(&format!("{method} looks into a Python process; this worker is none")))
}

fn memsample() -> Value {
    #[expect(clippy::cast_precision_loss, reason = "shown with three places")]
    let mib = host::resident_kib() as f64 / 1024.0;
    format!("{mib:.3}MB").into()
}

fn events(engine: &Engine, on: bool) -> Value {
    let was_on = engine.emitter.switch(on);
    let word = if on { "enabled" } else { "disabled" };
    if was_on != on {
        tracing::info!("task events {word} by remote");
    }
    json!({ "ok": if was_on == on { format!("task events already {word}") } else { format!("task events {word}") } })
}

fn heartbeat(engine: &Engine) -> Value {
    engine.emitter.beat_now();
    Value::Null
}

fn shutdown(engine: &Engine) -> Option<Value> {
    tracing::warn!("asked to stop by remote");
    engine.phase.stop.cancel();
    None
}
