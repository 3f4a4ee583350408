//! Remote control: answers what other programs ask this worker, and does what they tell it.
//!
//! Requests and replies are Celery's, so that `celery inspect`, `celery control` and Flower see a worker of theirs.
//! A request is handled in a task of its own, one after the other: whatever is in it, the worker goes on.
//! What was asked is kept in [`State`] for as long as this worker runs; revocations of tasks are kept in the store.

mod args;
mod commands;
mod info;
mod limits;
mod pool;
mod queues;
mod rates;
mod revoke;
mod settings;
mod stamps;
mod stats;
mod tasks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use queue_core::remote::{Reply, Request};
use queue_core::store::Interest;
use serde_json::{Map, Value, json};

use self::limits::Limits;
use self::pool::Scaling;
pub(crate) use self::pool::scale;
use self::rates::Rates;
use self::stamps::Stamps;
use crate::engine::{Config, Engine};
use crate::logging::causes;
use crate::reconnect::Tries;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was asked of this worker while it runs.
pub(crate) struct State {
    pub(crate) started: Instant,
    pub(crate) rates: Rates,
    pub(crate) limits: Limits,
    pub(crate) stamps: Stamps,
    pub(crate) scaling: Scaling,
}

impl State {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            started: Instant::now(),
            rates: Rates::default(),
            limits: Limits::default(),
            stamps: Stamps::default(),
            scaling: Scaling::new(config.autoscale),
        }
    }
}

/// Listens to requests, for ever.
pub(crate) async fn listen(engine: Arc<Engine>) {
    let (mut tries, mut said) = (Tries::default(), false);
    loop {
        match engine.client.store().listen(Interest::Control).await {
            Ok(mut requests) => {
                (tries, said) = (Tries::default(), false);
                while let Some(payload) = requests.next().await {
                    take(&engine, &payload).await;
                }
            }
            Err(error) if !said => {
                said = true;
                tracing::warn!(error = %causes(&error), "remote control cannot be listened to; trying again");
            }
            Err(error) => tracing::debug!(%error, "remote control cannot be listened to"),
        }
        tokio::time::sleep(tries.next_wait()).await;
    }
}

async fn take(engine: &Arc<Engine>, payload: &[u8]) {
    let request = match Request::decode(payload) {
        Ok(request) => Arc::new(request),
        Err(error) => return tracing::debug!(%error, "this is no request"),
    };
    let lamport = engine.client.lamport();
    request.clock.inspect(|clock| lamport.heard(*clock));
    match request.is_for(&engine.config.hostname) {
        Some(true) => {}
        Some(false) => return,
        None => return tracing::warn!(method = request.method, "a pattern of this kind is not supported: ignored"),
    }
    tracing::debug!(method = request.method, "request");
    let answer = answer(engine, &request).await;
    let (Some(answer), Some(to)) = (answer, &request.reply_to) else { return };
    let answers = Map::from_iter([(engine.config.hostname.to_string(), answer)]);
    let reply = Reply { ticket: request.ticket.clone(), clock: Some(lamport.tick()), answers };
    if let Err(error) = engine.client.store().reply(to, &reply.encode(to)).await {
        tracing::warn!(%error, method = request.method, "a reply could not be sent");
    }
}

/// What a request is answered; `None`: with silence.
async fn answer(engine: &Arc<Engine>, request: &Arc<Request>) -> Option<Value> {
    let handling = {
        let (engine, request) = (Arc::clone(engine), Arc::clone(request));
        async move { commands::handle(&engine, &request).await }
    };
    let mut handling = tokio::spawn(handling);
    let text = match tokio::time::timeout(PATIENCE, &mut handling).await {
        Ok(Ok(answer)) => return answer,
        Ok(Err(_)) => "RuntimeError('the worker could not handle this request')",
        Err(_) => {
            handling.abort();
            "TimeoutError('the worker could not handle this request in time')"
        }
    };
    tracing::error!(method = request.method, "{text}");
    Some(json!({ "error": text }))
}
