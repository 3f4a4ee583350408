use std::sync::mpsc;

use futures_util::FutureExt;

use super::fault::Fault;
use super::*;
use crate::names::{Priority, QueueName};
use crate::store::{Inspect, JobState};

/// A store whose threads stand still, as at a disk that does not answer, for as long as these live.
async fn stuck(path: Option<PathBuf>) -> (SqliteStore, [mpsc::Sender<()>; 2]) {
    let options = StoreOptions { response_timeout: Duration::from_secs(60), ..StoreOptions::default() };
    let store = SqliteStore::open(path, options).await.unwrap();
    let ((write, written), (read, looked)) = (mpsc::channel(), mpsc::channel());
    let writes = store.core.writer.call(move |_| written.recv().map_err(|_| Fault::Gone));
    assert!(writes.now_or_never().is_none());
    let looks = store.core.reader.look(move |_| looked.recv().map_err(|_| Fault::Gone));
    assert!(looks.now_or_never().is_none());
    (store, [write, read])
}

async fn writes(store: &SqliteStore, id: &TaskId) -> Vec<Result<(), StoreError>> {
    let (ids, result) = (std::slice::from_ref(id), StoredResult { id: id.clone(), meta: Bytes::new(), ttl: None });
    vec![
        store.revoke(ids, Duration::from_secs(60)).await,
        store.put_results(std::slice::from_ref(&result)).await,
        store.forget(ids).await.map(drop),
        store.put_group(&result).await,
        store.forget_group(id).await.map(drop),
        store.begin_chords(&[]).await,
        store.purge(&QueueName::celery(), JobState::Dead).await.map(drop),
    ]
}

async fn looks(store: &SqliteStore, id: &TaskId) -> Vec<Result<(), StoreError>> {
    vec![
        store.get_results(std::slice::from_ref(id)).await.map(drop),
        store.wait_result(id, |_| true, Duration::from_secs(60)).await.map(drop),
        store.get_group(id).await.map(drop),
        store.revocations(1).await.map(drop),
        store.queues().await.map(drop),
        store.counts(&QueueName::celery()).await.map(drop),
    ]
}

/// Each call of a client ends all the same, and says whether it may have happened. The clock of the runtime runs ahead here.
#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_holds_no_client() {
    let folder = tempfile::tempdir().unwrap();
    for path in [None, Some(folder.path().join("queue.db"))] {
        let ((store, _still), id) = (stuck(path).await, TaskId::random());
        let both = async { (writes(&store, &id).await, looks(&store, &id).await) };
        let day = Duration::from_secs(86_400);
        let (written, looked) = tokio::time::timeout(day, both).await.expect("each of them ends");
        assert!(written.iter().all(|end| end.as_ref().is_err_and(StoreError::outcome_unknown)), "{written:?}");
        let knows = |error: &StoreError| error.is_transient() && !error.outcome_unknown();
        assert!(looked.iter().all(|end| end.as_ref().is_err_and(knows)), "{looked:?}");
    }
}

/// A short wait for a result asks once, and for three seconds at most.
#[tokio::test(start_paused = true)]
async fn a_short_wait_is_not_a_long_look() {
    let folder = tempfile::tempdir().unwrap();
    for path in [None, Some(folder.path().join("queue.db"))] {
        let ((store, _still), began) = (stuck(path).await, tokio::time::Instant::now());
        let ended = store.wait_result(&TaskId::random(), |_| true, Duration::from_millis(10)).await;
        assert!(ended.is_err_and(|error| error.is_transient() && !error.outcome_unknown()));
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
}

/// Whether a job is done is not known of a file that went while it was waited for.
#[tokio::test]
async fn a_wait_that_could_not_look_any_more_is_no_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let (path, away, id) = (folder.path().join("queue.db"), folder.path().join("away.db"), TaskId::random());
    let store = SqliteStore::open(Some(path.clone()), StoreOptions::default()).await.unwrap();
    let mut wait = store.wait_result(&id, |_| true, Duration::from_millis(300));
    assert!((&mut wait).now_or_never().is_none());
    // What was asked first is answered first.
    assert_eq!(store.get_results(std::slice::from_ref(&id)).await.unwrap(), [None]);
    std::fs::rename(&path, &away).unwrap();
    let ended = wait.await;
    assert!(matches!(&ended, Err(error) if error.is_transient() && !error.outcome_unknown()), "{ended:?}");
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(store.wait_result(&id, |_| true, Duration::from_millis(10)).await.unwrap(), None);
}

/// A worker whose new queue could not be written down does not consume it: nothing that lies ready there is missed.
#[tokio::test]
async fn a_queue_that_could_not_be_added_is_not_consumed() {
    let store = SqliteStore::open(None, StoreOptions::default()).await.unwrap();
    let ask = async |sql: &'static str| {
        store.core.writer.call(move |tx| Ok(tx.connection().execute_batch(sql)?)).await.unwrap();
    };
    let [first, second] = ["first", "second"].map(|name| QueueName::new(name).unwrap());
    let spec = WorkerSpec {
        incarnation: "w".into(),
        hostname: "w@host".to_owned(),
        pid: 1,
        concurrency: 1,
        queues: vec![first.clone()],
    };
    let worker = store.consumer(spec).await.unwrap();
    let message = Outgoing {
        queue: second.clone(),
        priority: Priority::HIGHEST,
        due: None,
        id: TaskId::random(),
        task: "t".into(),
        payload: Bytes::from_static(b"{}"),
    };
    store.enqueue(&[message]).await.unwrap();
    ask("CREATE TEMP TRIGGER no BEFORE UPDATE OF queues ON worker BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    worker.consume(&[first.clone(), second.clone()]).await.unwrap_err();
    ask("DROP TRIGGER no").await;
    assert!(!worker.beat().await.unwrap().ready);
    worker.consume(&[first, second]).await.unwrap();
    assert!(worker.beat().await.unwrap().ready);
}
