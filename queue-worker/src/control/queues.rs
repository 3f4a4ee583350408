//! Which queues this worker consumes, and how that changes.

use queue_core::QueueName;
use serde_json::{Value, json};

use super::args::{Answer, Args};
use super::tasks::store_error;
use crate::engine::Engine;

/// `active_queues`: all that Celery says of a queue.
pub(super) fn active_queues(engine: &Engine) -> Value {
    engine.queues.now().iter().map(|(queue, _)| described(queue)).collect()
}

fn described(queue: &QueueName) -> Value {
    let name = queue.as_str();
    json!({
        "name": name,
        "exchange": {
            "name": name, "type": "direct", "arguments": null, "durable": true, "passive": false,
            "auto_delete": false, "delivery_mode": null, "no_declare": false,
        },
        "routing_key": name,
        "queue_arguments": null,
        "binding_arguments": null,
        "consumer_arguments": null,
        "durable": true,
        "exclusive": false,
        "auto_delete": false,
        "no_ack": false,
        "alias": null,
        "bindings": [],
        "no_declare": null,
        "expires": null,
        "message_ttl": null,
        "max_length": null,
        "max_length_bytes": null,
        "max_priority": null,
    })
}

/// `add_consumer`: a queue more. Exchanges and routing keys are not needed to consume a list.
pub(super) async fn add_consumer(engine: &Engine, args: Args<'_>) -> Answer {
    let queue = args.queue("queue")?;
    let _one_at_a_time = engine.queues.changing.lock().await;
    let mut queues = engine.queues.now().to_vec();
    if queues.iter().any(|(name, _)| *name == queue) {
        return Ok(json!({ "ok": format!("already consuming from {queue}") }));
    }
    queues.push((queue.clone(), 1));
    change(engine, queues).await?;
    tracing::info!(%queue, "consumes one more queue, by remote");
    Ok(json!({ "ok": format!("add consumer {queue}") }))
}

/// `cancel_consumer`: a queue less. What is held of it is finished.
pub(super) async fn cancel_consumer(engine: &Engine, args: Args<'_>) -> Answer {
    let queue = args.queue("queue")?;
    let _one_at_a_time = engine.queues.changing.lock().await;
    let mut queues = engine.queues.now().to_vec();
    queues.retain(|(name, _)| *name != queue);
    if queues.len() < engine.queues.now().len() {
        change(engine, queues).await?;
        tracing::info!(%queue, "consumes one queue less, by remote");
    }
    Ok(json!({ "ok": format!("no longer consuming from {queue}") }))
}

/// The store first: a worker must not ask it for a queue that it was not told of.
async fn change(engine: &Engine, queues: Vec<(QueueName, u32)>) -> Result<(), String> {
    let names: Vec<QueueName> = queues.iter().map(|(queue, _)| queue.clone()).collect();
    engine.consumer.consume(&names).await.map_err(|error| store_error(&error))?;
    engine.queues.set(queues.into());
    engine.wakeups.nudge();
    Ok(())
}
