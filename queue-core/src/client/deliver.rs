//! Puts prepared messages into the store: one, or many in bounded batches.

use super::{Client, SendError, told};
use crate::canvas::{self, Plan, Signature, Spec, prepare};
use crate::names::TaskId;
use crate::store::Outgoing;
use crate::task::{Context, Lineage};

/// The most messages of one `enqueue`.
const MAX_BATCH: usize = 1_000;

/// The most bytes of one `enqueue`, but for a single message that is larger by itself.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A job that was sent, and whether its result will be thrown away.
pub(crate) type Sent = (TaskId, bool);

/// Messages that go to the store in one step.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    messages: Vec<Outgoing>,
    sent: Vec<Sent>,
    bytes: usize,
}

impl Batch {
    fn has_room_for(&self, message: &Outgoing) -> bool {
        let count = self.messages.len();
        count == 0 || (count < MAX_BATCH && self.bytes + message.payload.len() <= MAX_BATCH_BYTES)
    }

    fn push(&mut self, message: Outgoing, ignored: bool) {
        self.bytes += message.payload.len();
        self.sent.push((message.id.clone(), ignored));
        self.messages.push(message);
    }
}

pub(crate) async fn one(client: &Client, spec: Spec, lineage: Option<Lineage>) -> Result<Sent, SendError> {
    let task = spec.task.clone();
    let now = client.store().clock().now();
    let (message, ignored) = prepare(spec, client, lineage, now)?;
    let id = message.id.clone();
    let message = [message];
    client.store().enqueue(&message).await.map_err(|why| SendError::store(&task, why))?;
    told::sent(client, &message).await;
    Ok((id, ignored))
}

/// Expands a signature and sends what is sent at once. `run` is the task that does so, and what the ids of its children derive from.
pub(crate) async fn canvas(
    client: &Client,
    sig: Signature,
    run: Option<(&Context, TaskId)>,
) -> Result<canvas::Sent, SendError> {
    let now = client.store().clock().now();
    let mut setting = client.setting(now);
    if let Some((run, seed)) = run {
        setting = setting.of_task(run.id(), run.root_id(), seed);
    }
    let mut plan = Plan::default();
    let sent = plan.add(sig, &mut setting)?;
    // Counted before anything runs: a part that is done before its chord is known would be the last of none.
    if !plan.chords.is_empty() {
        client.store().begin_chords(&plan.chords).await?;
    }
    let mut all = Vec::new();
    let mut batch = Batch::default();
    for message in plan.messages {
        if !batch.has_room_for(&message) {
            all.push(std::mem::take(&mut batch));
        }
        batch.push(message, false);
    }
    all.push(batch);
    many(client, all).await?;
    Ok(sent)
}

/// Makes all the messages, as far as possible before anything is sent.
pub(crate) fn batches(client: &Client, specs: impl Iterator<Item = Spec>) -> Result<Vec<Batch>, SendError> {
    let run = Context::current();
    let now = client.store().clock().now();
    let mut done = Vec::new();
    let mut batch = Batch::default();
    for spec in specs {
        let lineage = run.as_ref().map(|run| run.next_lineage(spec.id.clone()));
        let (message, ignored) = prepare(spec, client, lineage, now)?;
        if !batch.has_room_for(&message) {
            done.push(std::mem::take(&mut batch));
        }
        batch.push(message, ignored);
    }
    if !batch.messages.is_empty() {
        done.push(batch);
    }
    Ok(done)
}

pub(crate) async fn many(client: &Client, batches: Vec<Batch>) -> Result<Vec<Sent>, SendError> {
    let mut jobs = Vec::with_capacity(batches.iter().map(|batch| batch.sent.len()).sum());
    for batch in batches {
        if let Err(source) = client.store().enqueue(&batch.messages).await {
            let task = batch.messages.first().map(|message| message.task.to_string()).unwrap_or_default();
            return Err(match jobs.len() {
                0 => SendError::store(&task, source),
                sent => SendError::Partly { sent, source },
            });
        }
        told::sent(client, &batch.messages).await;
        jobs.extend(batch.sent);
    }
    Ok(jobs)
}
