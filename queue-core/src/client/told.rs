//! Tells monitors what was sent, where [`ClientOptions::task_sent_events`](super::ClientOptions) says so.

use super::Client;
use crate::events::Event;
use crate::message::{DecodeLimits, Message};
use crate::store::Outgoing;

/// Publishes `task-sent` for each. Nothing depends on it, so that it fails quietly.
pub(super) async fn sent(client: &Client, messages: &[Outgoing]) {
    if client.options().task_sent_events {
        Box::pin(tell(client, messages)).await;
    }
}

async fn tell(client: &Client, messages: &[Outgoing]) {
    let events: Vec<Event> = messages.iter().filter_map(|message| event(client, message)).collect();
    let (topic, payload) = match events.as_slice() {
        [] => return,
        [one] => one.post(),
        many => Event::multi(many),
    };
    if let Err(error) = client.store().publish(&topic, &payload).await {
        tracing::debug!(%error, "`task-sent` was not published");
    }
}

fn event(client: &Client, outgoing: &Outgoing) -> Option<Event> {
    let message = Message::decode(&outgoing.payload, &DecodeLimits::default()).ok()?;
    let host = hostname::get().ok().and_then(|host| host.into_string().ok());
    let origin = format!("gen{}@{}", std::process::id(), host.as_deref().unwrap_or("localhost"));
    let event = Event::new("task-sent", &origin, client.guess_time(), client.lamport());
    let queue = outgoing.queue.as_str();
    let event = event.with("queue", queue).with("exchange", "").with("routing_key", queue);
    Some(event.about(&message))
}
