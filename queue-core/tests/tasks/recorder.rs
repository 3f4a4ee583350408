//! A store that remembers what is put into it, and a bench to send messages and run bodies with.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use queue_core::clock::{Clock, Timestamp};
use queue_core::message::{DecodeLimits, Json, Message};
use queue_core::store::{
    Broker, Bus, ChordParts, ChordStart, Chords, Consumer, Cursor, Durability, Inspect, Interest, Job, JobKey,
    JobState, Listening, Orphan, OrphanPage, Outgoing, Page, Parcel, QueueCounts, Ready, ReplyBox, ReplyTo, Results,
    SendNumber, Store, StoreError, StoredResult, Topic, WorkerInfo, WorkerSpec,
};
use queue_core::task::{Body, Cancel, ContextParts, ProgressSink, StateMap};
use queue_core::{Call, Client, ClientOptions, Context, QueueName, Task, TaskError, TaskId};

/// Remembers; refuses the nth enqueue when told to. What a producer never asks for it refuses.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) batches: Mutex<Vec<Vec<Outgoing>>>,
    pub(crate) revoked: Mutex<Vec<TaskId>>,
    pub(crate) results: Mutex<Vec<StoredResult>>,
    pub(crate) chords: Mutex<Vec<ChordStart>>,
    pub(crate) groups: Mutex<Vec<StoredResult>>,
    pub(crate) posts: Mutex<Vec<(Topic, Bytes)>>,
    pub(crate) numbers: Mutex<Vec<SendNumber>>,
    pub(crate) refuse_from: Mutex<Option<usize>>,
    clock: Clock,
}

fn refusal(why: &str) -> StoreError {
    StoreError::Foreign { url: "recorder:".to_owned(), why: why.to_owned() }
}

#[async_trait]
impl Broker for Recorder {
    async fn enqueue(&self, messages: &[Outgoing]) -> Result<(), StoreError> {
        let mut batches = self.batches.lock().unwrap();
        if self.refuse_from.lock().unwrap().is_some_and(|from| batches.len() >= from) {
            return Err(refusal("told to refuse"));
        }
        if let Some(big) = messages.iter().find(|message| message.payload.len() > 16 * 1024 * 1024) {
            let (id, size) = (big.id.to_string(), big.payload.len());
            return Err(StoreError::TooLarge { id, size, limit: 16 * 1024 * 1024 });
        }
        batches.push(messages.to_vec());
        Ok(())
    }
    async fn enqueue_once(
        &self,
        parcels: &[Parcel],
        number: Option<&SendNumber>,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let messages: Vec<Outgoing> = parcels.iter().flat_map(|parcel| parcel.messages.clone()).collect();
        self.enqueue(&messages).await?;
        self.chords.lock().unwrap().extend(parcels.iter().flat_map(|parcel| parcel.chords.clone()));
        self.numbers.lock().unwrap().extend(number.cloned());
        Ok(vec![None; parcels.len()])
    }
    async fn consumer(&self, _: WorkerSpec) -> Result<Arc<dyn Consumer>, StoreError> {
        Err(refusal("has no consumers"))
    }
    async fn revoke(&self, ids: &[TaskId], _: Duration) -> Result<(), StoreError> {
        self.revoked.lock().unwrap().extend_from_slice(ids);
        Ok(())
    }
    async fn revocations(&self, _: usize) -> Result<Vec<TaskId>, StoreError> {
        Ok(self.revoked.lock().unwrap().clone())
    }
    async fn durability(&self) -> Result<Durability, StoreError> {
        Err(refusal("remembers while it lives"))
    }
    fn clock(&self) -> &Clock {
        &self.clock
    }
    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }
    fn display_url(&self) -> &str {
        "recorder:"
    }
}

#[async_trait]
impl Results for Recorder {
    async fn put_results(&self, results: &[StoredResult]) -> Result<(), StoreError> {
        self.results.lock().unwrap().extend_from_slice(results);
        Ok(())
    }
    async fn get_results(&self, ids: &[TaskId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let results = self.results.lock().unwrap();
        let last = |id: &TaskId| results.iter().rev().find(|result| result.id == *id);
        Ok(ids.iter().map(|id| last(id).map(|result| result.meta.clone())).collect())
    }
    async fn wait_result(&self, id: &TaskId, ready: Ready, _: Duration) -> Result<Option<Bytes>, StoreError> {
        let found = self.get_results(std::slice::from_ref(id)).await?.pop().flatten();
        Ok(found.filter(|bytes| ready(bytes)))
    }
    async fn forget(&self, ids: &[TaskId]) -> Result<Vec<bool>, StoreError> {
        let found = self.get_results(ids).await?;
        self.results.lock().unwrap().retain(|result| !ids.contains(&result.id));
        Ok(found.iter().map(Option::is_some).collect())
    }
}

#[async_trait]
impl Chords for Recorder {
    async fn begin_chords(&self, chords: &[ChordStart]) -> Result<(), StoreError> {
        self.chords.lock().unwrap().extend_from_slice(chords);
        Ok(())
    }
    async fn chord_parts(&self, _: &str) -> Result<ChordParts, StoreError> {
        Ok(ChordParts::default())
    }
    async fn put_group(&self, group: &StoredResult) -> Result<(), StoreError> {
        self.groups.lock().unwrap().push(group.clone());
        Ok(())
    }
    async fn get_group(&self, group: &TaskId) -> Result<Option<Bytes>, StoreError> {
        let groups = self.groups.lock().unwrap();
        Ok(groups.iter().rev().find(|stored| stored.id == *group).map(|stored| stored.meta.clone()))
    }
    async fn forget_group(&self, group: &TaskId) -> Result<bool, StoreError> {
        let mut groups = self.groups.lock().unwrap();
        let before = groups.len();
        groups.retain(|stored| stored.id != *group);
        Ok(groups.len() < before)
    }
}

#[async_trait]
impl Bus for Recorder {
    async fn publish(&self, topic: &Topic, payload: &[u8]) -> Result<usize, StoreError> {
        self.posts.lock().unwrap().push((topic.clone(), Bytes::copy_from_slice(payload)));
        Ok(0)
    }
    async fn listen(&self, _: Interest) -> Result<Listening, StoreError> {
        Err(refusal("is not listened to"))
    }
    async fn open_box(&self) -> Result<Box<dyn ReplyBox>, StoreError> {
        Err(refusal("has no reply boxes"))
    }
    async fn reply(&self, _: &ReplyTo, _: &[u8]) -> Result<(), StoreError> {
        Err(refusal("has no reply boxes"))
    }
}

#[async_trait]
impl Inspect for Recorder {
    async fn queues(&self) -> Result<Vec<QueueName>, StoreError> {
        Err(refusal("is not to be looked into"))
    }
    async fn counts(&self, _: &QueueName) -> Result<QueueCounts, StoreError> {
        Err(refusal("is not to be looked into"))
    }
    async fn page(&self, _: &QueueName, _: JobState, _: Option<&Cursor>, _: usize) -> Result<Page, StoreError> {
        Err(refusal("is not to be looked into"))
    }
    async fn find(&self, _: &TaskId) -> Result<Vec<Job>, StoreError> {
        Err(refusal("is not to be looked into"))
    }
    async fn delete(&self, _: &[JobKey]) -> Result<u64, StoreError> {
        Err(refusal("is not to be mended"))
    }
    async fn purge(&self, _: &QueueName, _: JobState) -> Result<u64, StoreError> {
        Err(refusal("is not to be mended"))
    }
    async fn retry_dead(&self, _: &[(JobKey, Bytes)]) -> Result<u64, StoreError> {
        Err(refusal("is not to be mended"))
    }
    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        Err(refusal("is not to be looked into"))
    }
    async fn orphans(&self, _: Option<&Cursor>) -> Result<OrphanPage, StoreError> {
        Err(refusal("is not to be looked into"))
    }
    async fn orphans_again(&self, _: &[Orphan]) -> Result<Vec<Orphan>, StoreError> {
        Err(refusal("is not to be looked into"))
    }
}

#[async_trait]
impl ProgressSink for Recorder {
    async fn report(&self, state: &str, meta: Json) -> Result<bool, StoreError> {
        let meta = Bytes::from(format!("{state} {}", meta.as_str()));
        let id = TaskId::new("progress").unwrap();
        self.results.lock().unwrap().push(StoredResult { id, meta, ttl: None });
        Ok(true)
    }
}

/// A client of a [`Recorder`].
pub(crate) struct Bench {
    pub(crate) store: Arc<Recorder>,
    pub(crate) client: Client,
    pub(crate) state: StateMap,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_options(ClientOptions::default())
    }

    pub(crate) fn with_options(options: ClientOptions) -> Self {
        let store = Arc::new(Recorder::default());
        let client = Client::with_options(Arc::clone(&store) as Arc<dyn Store>, options);
        Self { store, client, state: StateMap::default() }
    }

    /// All that was sent, in order.
    pub(crate) fn sent(&self) -> Vec<Outgoing> {
        self.store.batches.lock().unwrap().iter().flatten().cloned().collect()
    }

    /// The messages sent, as a worker reads them.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.sent().iter().map(|sent| Message::decode(&sent.payload, &DecodeLimits::default()).unwrap()).collect()
    }

    /// Sends `call` and reads it back.
    pub(crate) async fn message<Out: 'static>(&self, call: Call<Out>) -> Message {
        self.client.send(call).await.unwrap();
        self.messages().pop().unwrap()
    }

    /// The context of a run of `message`.
    pub(crate) fn context(&self, message: Message) -> Context {
        Context::new(ContextParts {
            message: Arc::new(message),
            queue: QueueName::celery(),
            worker: "w1@host".into(),
            redelivered: false,
            cancel: Cancel::new(),
            deadline: None,
            state: Arc::new(self.state.clone()),
            client: self.client.clone(),
            progress: Arc::clone(&self.store) as Arc<dyn ProgressSink>,
        })
    }

    /// Runs the body of `T` with `message`, as a worker does.
    pub(crate) async fn run<T: Task>(&self, _: T, message: Message) -> Result<String, TaskError> {
        let context = self.context(message);
        let outcome = match T::DEF.body {
            Body::Async(body) => context.clone().enter(body(context)).await,
            Body::Blocking(body) => {
                let blocking = move || context.clone().enter_blocking(|| body(context));
                tokio::task::spawn_blocking(blocking).await.unwrap()
            }
        };
        outcome.map(|json| json.as_str().to_owned())
    }

    /// Runs the body of `T` with a message of these arguments, JSON texts.
    pub(crate) async fn run_with<T: Task>(&self, task: T, args: &str, kwargs: &str) -> Result<String, TaskError> {
        let mut message = self.message(Call::named(T::DEF.name)).await;
        (message.args, message.kwargs) = (Json::new(args).unwrap(), Json::new(kwargs).unwrap());
        self.run(task, message).await
    }
}
