//! Results: stored as Celery stores them, awaited by subscription.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use super::inner::Inner;
use super::times::deadline;
use crate::names::TaskId;
use crate::store::{Ready, StoreError, StoredResult};

/// How many keys one command names.
const CHUNK: usize = 500;

/// The longest time to live, a thousand years: a server refuses one that it cannot add to its clock, and a script half-way.
pub(super) const LONGEST: Duration = Duration::from_secs(31_557_600_000);

/// A time to live for a script: whole seconds, at least one; "0" is for ever.
pub(super) fn ttl_s(ttl: Option<Duration>) -> u64 {
    ttl.map_or(0, |ttl| ttl.as_secs().clamp(1, LONGEST.as_secs()))
}

/// See [`crate::store::Results::put_results`].
pub(super) async fn put(store: &Inner, results: &[StoredResult]) -> Result<(), StoreError> {
    for chunk in results.chunks(CHUNK) {
        let names: Vec<String> = chunk.iter().map(|result| store.keys.result(result.id.as_str())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut call = store.scripts.put_results.call(&names);
        for result in chunk {
            call.arg(&result.meta[..]).arg(ttl_s(result.ttl));
        }
        store.results_link().script::<i64>(&store.scripts.put_results, &call).await?;
    }
    Ok(())
}

/// See [`crate::store::Results::get_results`].
pub(super) async fn get(store: &Inner, ids: &[TaskId]) -> Result<Vec<Option<Bytes>>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let mut ask = redis::cmd("MGET");
        for id in chunk {
            ask.arg(store.keys.result(id.as_str()));
        }
        let values: Vec<Option<Vec<u8>>> = store.results_link().query(&ask).await?;
        found.extend(values.into_iter().map(|value| value.map(Bytes::from)));
    }
    Ok(found)
}

/// See [`crate::store::Results::forget`].
pub(super) async fn forget(store: &Inner, ids: &[TaskId]) -> Result<Vec<bool>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let mut pipe = redis::pipe();
        for id in chunk {
            pipe.cmd("DEL").arg(store.keys.result(id.as_str()));
        }
        let deleted = store.results_link().pipe::<Vec<bool>>(&pipe).await;
        found.extend(deleted.map_err(|error| error.after_some(found.contains(&true)))?);
    }
    Ok(found)
}

/// How long to rest after a failed look.
const RETRY: Duration = Duration::from_millis(50);
/// How long a look may take where the wait itself is shorter: a wait of no time is one look, and a host may be busy for a while.
const LOOK: Duration = Duration::from_secs(3);

/// See [`crate::store::Results::wait_result`]. Subscribed first, looked up then, so that nothing falls between.
pub(super) async fn wait(
    store: &Arc<Inner>,
    id: &TaskId,
    ready: Ready,
    timeout: Duration,
) -> Result<Option<Bytes>, StoreError> {
    let (ends, last) = (deadline(timeout), deadline(timeout.max(LOOK)));
    let heard = Arc::new(Heard::default());
    let told = heard.clone();
    let _subscription =
        store.results_hub().subscribe(store.keys.result(id.as_str()), move |news| told.tell(news, ready));
    loop {
        // What was published counts, as for Celery's clients: a worker that is late may have stored another state since.
        if let Some(value) = heard.take() {
            return Ok(Some(value));
        }
        // The first notice says that the subscription stands; a later one without a ready value that something else was
        // published, or the connection came back: then the store has the truth.
        match look(store, id, last).await {
            Ok(found) => {
                if let Some(value) = found.filter(|value| ready(value)) {
                    return Ok(Some(value));
                }
            }
            // A line that was cut is made anew; only an outage that outlasts the wait is the caller's business.
            Err(error) if error.is_transient() && Instant::now() + RETRY < ends => {
                tokio::time::sleep(RETRY).await;
                continue;
            }
            // It may have been heard on the other line meanwhile.
            Err(error) => return heard.take().map(Some).ok_or(error),
        }
        if tokio::time::timeout_at(ends.into(), heard.news.notified()).await.is_err() {
            return Ok(None);
        }
    }
}

/// Looks for a result, until then at most.
async fn look(store: &Arc<Inner>, id: &TaskId, last: Instant) -> Result<Option<Bytes>, StoreError> {
    match tokio::time::timeout_at(last.into(), get(store, std::slice::from_ref(id))).await {
        Ok(found) => Ok(found?.pop().flatten()),
        Err(_elapsed) => {
            // Else nobody would wait long enough to notice that the line is dead, where all waits are short.
            let asked = Arc::clone(store);
            tokio::spawn(async move { asked.results_link().ping().await });
            Err(store.results_link().unanswered())
        }
    }
}

/// What a wait has heard.
#[derive(Debug, Default)]
struct Heard {
    value: Mutex<Option<Bytes>>,
    news: Notify,
}

impl Heard {
    fn tell(&self, payload: Option<&[u8]>, ready: Ready) {
        if let Some(payload) = payload.filter(|payload| ready(payload)) {
            *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(Bytes::copy_from_slice(payload));
        }
        self.news.notify_one();
    }

    fn take(&self) -> Option<Bytes> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
