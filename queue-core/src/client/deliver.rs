//! Puts prepared messages into the store: one, or many in bounded batches, each tried again where that is safe.

use bytes::Bytes;

use super::tries::{Again, Tries};
use super::{Client, FirstSend, SendError, told};
use crate::canvas::{self, CanvasError, OnceKey, Plan, ResultNode, Signature, Spec, prepare};
use crate::clock::Timestamp;
use crate::names::TaskId;
use crate::store::{Outgoing, Parcel, SendKey, StoreError};
use crate::task::{Context, Lineage};

/// The most messages of one `enqueue`.
const MAX_BATCH: usize = 1_000;

/// The most bytes of one `enqueue`, but for a single message that is larger by itself.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A job that was sent, and whether its result will be thrown away.
pub(crate) type Sent = (TaskId, bool);

/// A call that is to be sent, and where in a running task.
pub(crate) type Item = (Box<Spec>, Option<Lineage>);

/// What goes to the store in one step.
#[derive(Debug, Default)]
struct Batch {
    parcels: Vec<Parcel>,
    sent: Vec<Sent>,
    bytes: usize,
}

impl Batch {
    fn has_room_for(&self, message: &Outgoing) -> bool {
        let count = self.sent.len();
        count == 0 || (count < MAX_BATCH && self.bytes + message.payload.len() <= MAX_BATCH_BYTES)
    }

    /// Adds a message: with a key it is a parcel of its own.
    fn push(&mut self, message: Outgoing, ignored: bool, key: Option<SendKey>) {
        self.bytes += message.payload.len();
        self.sent.push((message.id.clone(), ignored));
        match self.parcels.last_mut() {
            Some(last) if key.is_none() && last.key.is_none() => last.messages.push(message),
            _ => self.parcels.push(Parcel { key, ..Parcel::of(vec![message]) }),
        }
    }

    fn messages(&self) -> impl Iterator<Item = &Outgoing> {
        self.parcels.iter().flat_map(|parcel| &parcel.messages)
    }
}

/// Sends one call.
pub(crate) async fn one(client: &Client, mut spec: Box<Spec>, lineage: Option<Lineage>) -> Result<Sent, SendError> {
    let (tries, task, key) = (Tries::of(client), spec.task.clone(), spec.key.take());
    let now = time(client, tries, needs_time(&spec)).await?;
    let (message, ignored) = prepare(*spec, client, lineage, now)?;
    let id = message.id.clone();
    let options = client.options();
    let guarded = key.is_some() || (!options.retry_for.is_zero() && (message.due.is_some() || options.numbered));
    let done = if guarded {
        let key = key.map(|key| send_key(&key, &FirstSend::of_task(&*task, &id)));
        let parcel = [Parcel { key, ..Parcel::of(vec![message]) }];
        // Boxed, as all that few calls need: each call's future would have the room, and be moved with it.
        let found = Box::pin(enqueue_once(client, tries, &parcel)).await;
        found.map(|found| (found.into_iter().next().flatten(), parcel))
    } else {
        let message = [message];
        let done = tries.run(Again::Twice, || client.store().enqueue(&message)).await;
        done.map(|()| (None, [Parcel::of(message.into())]))
    };
    let (found, [parcel]) = done.map_err(|why| SendError::store(&task, why))?;
    if let Some(found) = found {
        let first = stood(&parcel, &found, &task)?;
        return Ok((task_id(&first)?, ignored));
    }
    told::sent(client, &parcel.messages).await;
    Ok((id, ignored))
}

/// Expands a signature and sends what is sent at once. `run` is the task that does so, and what the ids of its children derive from.
pub(crate) async fn canvas(
    client: &Client,
    mut sig: Signature,
    run: Option<(&Context, TaskId)>,
) -> Result<canvas::Sent, SendError> {
    let (tries, task, key) = (Tries::of(client), sig.name().to_owned(), sig.key.take());
    let mut setting = client.setting(time(client, tries, true).await?);
    if let Some((run, seed)) = run {
        setting = setting.of_task(run.id(), run.root_id(), seed);
    }
    let mut plan = Plan::default();
    let mut sent = plan.add(sig, &mut setting)?;
    let mut batches = batches(plan.messages.into_iter().map(|message| Ok((message, false, None))))?;
    let mut first = batches.next().transpose()?.unwrap_or_default();
    // Counted before anything runs: a part that is done before its chord is known would be the last of none.
    match first.parcels.first_mut() {
        Some(parcel) => parcel.chords = plan.chords,
        None if key.is_some() => first.parcels.push(Parcel::default()),
        None => return Ok(sent),
    }
    let rest: Vec<Batch> = batches.collect::<Result<_, _>>()?;
    if let Some(key) = key {
        if !rest.is_empty() {
            let why = format!("with an idempotency key it starts at most {MAX_BATCH} tasks and 4 MiB at once");
            return Err(CanvasError::Call { task, why }.into());
        }
        let value = FirstSend { task: task.clone(), result: sent.result.clone() };
        first.parcels.iter_mut().for_each(|parcel| parcel.key = Some(send_key(&key, &value)));
        let found = enqueue_once(client, tries, &first.parcels).await.map_err(|why| SendError::store(&task, why))?;
        if let (Some(found), Some(parcel)) = (found.into_iter().next().flatten(), first.parcels.first()) {
            sent.result = stood(parcel, &found, &task)?.result;
            sent.first = sent.result.clone();
            return Ok(sent);
        }
        told::sent(client, &first.parcels[0].messages).await;
        return Ok(sent);
    }
    many(client, tries, std::iter::once(first).chain(rest), |_| ()).await?;
    Ok(sent)
}

/// Sends calls in order, from `run` where a task does so. All messages are made before anything is sent.
pub(crate) async fn all(client: &Client, items: Vec<Item>, run: Option<&Context>) -> Result<Vec<Sent>, SendError> {
    let tries = Tries::of(client);
    let now = time(client, tries, items.iter().any(|(spec, _)| needs_time(spec))).await?;
    let messages = items.into_iter().map(|(mut spec, lineage)| {
        let (task, key) = (spec.task.clone(), spec.key.take());
        let (message, ignored) = prepare(*spec, client, lineage, now)?;
        let key = key.map(|key| send_key(&key, &FirstSend::of_task(task, &message.id)));
        Ok((message, ignored, key))
    });
    let batches: Vec<Batch> = batches(messages)?.collect::<Result<_, _>>()?;
    many(client, tries, batches, |job| run.into_iter().for_each(|run| run.add_job(job))).await
}

type Prepared = (Outgoing, bool, Option<SendKey>);

/// Cuts messages into batches.
fn batches(
    messages: impl Iterator<Item = Result<Prepared, SendError>>,
) -> Result<impl Iterator<Item = Result<Batch, SendError>>, SendError> {
    let mut messages = messages.peekable();
    Ok(std::iter::from_fn(move || {
        let mut batch = Batch::default();
        while let Some(next) =
            messages.next_if(|next| next.as_ref().map_or(true, |(message, ..)| batch.has_room_for(message)))
        {
            match next {
                Ok((message, ignored, key)) => batch.push(message, ignored, key),
                Err(error) => return Some(Err(error)),
            }
        }
        (!batch.sent.is_empty()).then_some(Ok(batch))
    }))
}

/// Sends batches in order, and notes each job that stands by then, also where another cannot be sent.
async fn many(
    client: &Client,
    tries: Tries,
    batches: impl IntoIterator<Item = Batch>,
    note: impl Fn(&TaskId),
) -> Result<Vec<Sent>, SendError> {
    let (mut jobs, mut taken): (Vec<Sent>, _) = (Vec::new(), None);
    for mut batch in batches {
        // Each batch has the time anew: what went well for long must not end at the first line that breaks.
        let tries = if jobs.is_empty() { tries } else { Tries::of(client) };
        let found = match enqueue_once(client, tries, &batch.parcels).await {
            Ok(found) => found,
            Err(source) => {
                let task = batch.messages().next().map(|message| message.task.to_string()).unwrap_or_default();
                return Err(match jobs.len() {
                    0 => SendError::store(&task, source),
                    sent => SendError::Partly { sent, source },
                });
            }
        };
        taken = taken.or(heard(client, &mut batch, found, &note).await);
        jobs.append(&mut batch.sent);
    }
    taken.map_or(Ok(jobs), Err)
}

/// Notes what the store says of a batch: which keys stood, and so which jobs; the first that is another task's is an error.
async fn heard(
    client: &Client,
    batch: &mut Batch,
    found: Vec<Option<Bytes>>,
    note: impl Fn(&TaskId),
) -> Option<SendError> {
    let (mut at, mut taken) = (0, None);
    for (parcel, found) in batch.parcels.iter().zip(found) {
        match found {
            Some(found) => match stood(parcel, &found, &parcel.messages[0].task).and_then(|first| task_id(&first)) {
                Ok(id) => {
                    note(&id);
                    batch.sent[at].0 = id;
                }
                Err(error) => taken = taken.or(Some(error)),
            },
            None => {
                parcel.messages.iter().for_each(|message| note(&message.id));
                told::sent(client, &parcel.messages).await;
            }
        }
        at += parcel.messages.len();
    }
    taken
}

/// Enqueues parcels, with a number where it may be tried again.
async fn enqueue_once(client: &Client, tries: Tries, parcels: &[Parcel]) -> Result<Vec<Option<Bytes>>, StoreError> {
    if client.options().retry_for.is_zero() {
        return client.store().enqueue_once(parcels, None).await;
    }
    let number = client.numbers().take();
    tries.run(Again::Harmless, || client.store().enqueue_once(parcels, Some(number.get()))).await
}

/// The time that messages are reckoned from: the store's, where something in them is compared with that.
async fn time(client: &Client, tries: Tries, exact: bool) -> Result<Timestamp, StoreError> {
    match exact {
        true => Box::pin(tries.run(Again::Harmless, || client.store_time())).await,
        false => Ok(client.guess_time()),
    }
}

fn needs_time(spec: &Spec) -> bool {
    let own = spec.task_options.as_ref().and_then(|options| options.expires);
    spec.is_counted_down() || spec.expires.or(own).is_some() || spec.links.is_some()
}

fn send_key(key: &OnceKey, first: &FirstSend) -> SendKey {
    SendKey { key: key.key.as_str().into(), ttl: key.ttl, value: first.encode() }
}

/// Whose key stood.
fn stood(parcel: &Parcel, found: &[u8], task: &str) -> Result<FirstSend, SendError> {
    let key = || parcel.key.as_ref().map(|key| key.key.to_string()).unwrap_or_default();
    match FirstSend::decode(found) {
        Some(first) if first.task == task => Ok(first),
        other => {
            let first = other.map_or_else(|| "?".to_owned(), |first| first.task);
            Err(SendError::KeyTaken { key: key(), task: task.to_owned(), first })
        }
    }
}

fn task_id(first: &FirstSend) -> Result<TaskId, SendError> {
    let id = match &first.result {
        ResultNode::Task(id) | ResultNode::Group(id, _) => id,
    };
    TaskId::new(id).map_err(|source| SendError::Name { task: first.task.clone(), source })
}
