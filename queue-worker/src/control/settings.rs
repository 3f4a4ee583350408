//! How this worker is configured, and the limits of its tasks.

use serde_json::{Value, json};

use super::args::{Answer, Args};
use super::limits::TimeLimits;
use super::rates::Rate;
use crate::engine::Engine;
use crate::host;

/// `conf`: in the words of Celery's settings, secrets masked.
pub(super) fn conf(engine: &Engine, with_defaults: bool) -> Value {
    let (config, url) = (&engine.config, engine.client.store().display_url());
    let queues = engine.queues.now();
    let queues: Vec<&str> = queues.iter().map(|(queue, _)| queue.as_str()).collect();
    let mut all = json!({
        "broker_url": url,
        "result_backend": url,
        "worker_concurrency": engine.slots.concurrency(),
        "worker_prefetch": config.prefetch,
        "worker_grace": config.grace.as_secs_f64(),
        "worker_send_task_events": engine.emitter.is_on(),
        "task_queues": queues,
        "result_expires": config.result_ttl.map(|ttl| ttl.as_secs()),
    });
    if with_defaults && let (Value::Object(all), Value::Object(defaults)) = (&mut all, defaults(engine)) {
        all.extend(defaults);
    }
    all
}

/// What cannot be changed, but is asked for.
fn defaults(engine: &Engine) -> Value {
    json!({
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_protocol": 2,
        "task_acks_late": true,
        "task_default_queue": engine.client.default_queue().as_str(),
        "enable_utc": true,
        "timezone": null,
        "control_exchange": "celery",
        "event_exchange": "celeryev",
        "include": [],
        "imports": [],
    })
}

/// `report`: the same for people, as `celery report` writes it.
pub(super) fn report(engine: &Engine) -> Value {
    let url = engine.client.store().display_url();
    let mut text = format!(
        "\nsoftware -> queue:{}\nplatform -> system:{} arch:{}\nsettings -> store:{url}\n\n",
        env!("CARGO_PKG_VERSION"),
        host::system(),
        std::env::consts::ARCH,
    );
    if let Value::Object(all) = conf(engine, false) {
        all.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\n")));
    }
    json!({ "ok": text })
}

/// `rate_limit`.
pub(super) fn rate_limit(engine: &Engine, args: Args<'_>) -> Answer {
    let (task, rate) = (args.text("task_name")?, args.need("rate_limit")?);
    let text = match rate {
        Value::String(text) => text.clone(),
        Value::Null => "0".to_owned(),
        number => number.to_string(),
    };
    let rate = Rate::parse(&text).map_err(|why| format!("Invalid rate limit string: {why}"))?;
    if engine.tasks.get(task).is_none() {
        return Err("unknown task".to_owned());
    }
    tracing::info!(task, rate = text, limited = rate.is_some(), "rate limit set by remote");
    engine.control.rates.set(task, &text, rate);
    Ok(json!({ "ok": "new rate limit set successfully" }))
}

/// `time_limit`.
pub(super) fn time_limit(engine: &Engine, args: Args<'_>) -> Answer {
    let task = args.text("task_name")?;
    // 0 is none, as in a message.
    let limit = |name| args.seconds(name).map(|limit| limit.filter(|limit| !limit.is_zero()));
    let limits = TimeLimits { soft: limit("soft")?, hard: limit("hard")? };
    if engine.tasks.get(task).is_none() {
        return Err("unknown task".to_owned());
    }
    tracing::info!(task, ?limits, "time limits set by remote");
    engine.control.limits.set(task, limits);
    Ok(json!({ "ok": "time limits set successfully" }))
}
