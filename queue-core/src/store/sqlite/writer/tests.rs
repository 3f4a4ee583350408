use std::path::Path;
use std::sync::mpsc;

use rusqlite::{Connection, params};

use super::super::presence::Presence;
use super::super::threads::threads;
use super::super::{connection, enqueue};
use super::*;
use crate::names::{Priority, QueueName, TaskId};
use crate::store::{Outgoing, Parcel, SendKey, SendNumber, StoreOptions};

/// A writer on a fresh file.
fn writer(folder: &Path) -> Writer {
    patient_writer(folder, Duration::from_secs(10))
}

fn patient_writer(folder: &Path, patience: Duration) -> Writer {
    let path = folder.join("queue.db");
    let options = StoreOptions::default();
    let connection = connection::open_writer(Some(&path), "sqlite:test", &options).unwrap();
    let log = Log::take_over(&path, &connection).unwrap();
    start(connection, log, None, &path, patience)
}

fn gated_writer(folder: &Path, gate: Gate) -> Writer {
    let path = folder.join("queue.db");
    let connection = connection::open_writer(Some(&path), "sqlite:test", &StoreOptions::default()).unwrap();
    let log = Log::take_over(&path, &connection).unwrap();
    start(connection, log, Some(gate), &path, Duration::from_secs(10))
}

fn start(connection: Connection, log: Log, gate: Option<Gate>, path: &Path, patience: Duration) -> Writer {
    let options = StoreOptions::default();
    let (others, alive) = threads(true);
    Writer::start(Setup {
        others,
        connection: Watched::new(connection, Some(Arc::new(Presence::of(path, false)))),
        log: Some(log),
        url: "sqlite:test".into(),
        clock: options.clock,
        hub: Arc::new(Hub::default()),
        gate,
        patience,
        alive,
    })
    .unwrap()
}

/// Keeps the thread busy until told to go on, so that what comes meanwhile is one group.
async fn hold(writer: &Writer) -> mpsc::Sender<()> {
    let (go, wait) = mpsc::channel();
    let (begun, running) = oneshot::channel();
    let mut begun = Some(begun);
    let writer = writer.clone();
    tokio::spawn(async move {
        writer
            .call(move |_| {
                if let Some(begun) = begun.take() {
                    begun.send(()).unwrap();
                }
                wait.recv().map_err(|_| Fault::Gone)
            })
            .await
    });
    running.await.unwrap();
    go
}

fn add(name: &'static str) -> impl FnMut(&mut Tx<'_>) -> Outcome<()> + Send + 'static {
    move |tx| tx.queue(&crate::names::QueueName::new(name).unwrap()).map(drop)
}

/// Adds a row of so many bytes.
fn add_body(bytes: usize) -> impl FnMut(&mut Tx<'_>) -> Outcome<()> + Send + 'static {
    move |tx| {
        let (seq, payload) = (tx.number(), vec![b'x'; bytes]);
        tx.prepare(super::super::sql::BODY_INSERT)?.execute(params![seq, "id", "task", payload])?;
        Ok(())
    }
}

async fn number(writer: &Writer, sql: &'static str) -> i64 {
    writer.call(move |tx| Ok(tx.connection().query_row(sql, [], |row| row.get(0))?)).await.unwrap()
}

/// Lets the file grow to so many pages.
async fn limit(writer: &Writer, pages: i64) {
    let set = move |tx: &mut Tx<'_>| {
        Ok(tx.connection().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?)
    };
    writer.call(set).await.unwrap();
}

#[tokio::test]
async fn one_that_fails_leaves_its_neighbours_alone() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path());
    let go = hold(&writer).await;
    let fails = |tx: &mut Tx<'_>| {
        add("undone")(tx)?;
        tx.prepare("INSERT INTO queue (id, name) VALUES ('not a number', 'x')")?.execute([])?;
        Ok(())
    };
    let (first, failed, last) = tokio::join!(writer.call(add("first")), writer.call(fails), async {
        let last = writer.call(add("last"));
        go.send(()).unwrap();
        last.await
    });
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(failed, Err(StoreError::Refused { .. })), "{failed:?}");
    assert_eq!(number(&writer, "SELECT count(*) FROM queue").await, 2);
}

#[tokio::test]
async fn a_full_disk_stops_only_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path());
    limit(&writer, number(&writer, "PRAGMA page_count").await + 40).await;
    let go = hold(&writer).await;
    let (small, large, other) = tokio::join!(writer.call(add_body(100)), writer.call(add_body(10_000_000)), async {
        let other = writer.call(add_body(100));
        go.send(()).unwrap();
        other.await
    });
    assert!(matches!(large, Err(StoreError::Full { .. })), "{large:?}");
    assert!(small.is_ok() && other.is_ok(), "{small:?} {other:?}");
    assert_eq!(number(&writer, "SELECT count(*) FROM body").await, 2);
    limit(&writer, 100_000).await;
    writer.call(add_body(10_000_000)).await.unwrap();
}

#[tokio::test]
async fn a_read_only_file_refuses_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path());
    // As SQLite does for a file without write permission, which a test that may run as root cannot make.
    writer.call(|tx| Ok(tx.connection().execute_batch("PRAGMA query_only = on")?)).await.unwrap();
    let refused = writer.call(add("mail")).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_file_that_was_removed_or_replaced_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path());
    let path = folder.path().join("queue.db");
    std::fs::rename(&path, folder.path().join("away.db")).unwrap();
    // It may come back.
    let is_away = |answer: &Result<(), StoreError>, word: &str| match answer {
        Err(StoreError::Unreachable { unknown: false, source, .. }) => source.to_string().contains(word),
        _ => false,
    };
    let removed = writer.call(add("mail")).await;
    assert!(is_away(&removed, "removed"), "{removed:?}");
    std::fs::write(&path, "another").unwrap();
    let replaced = writer.call(add("mail")).await;
    assert!(is_away(&replaced, "replaced"), "{replaced:?}");
    std::fs::rename(folder.path().join("away.db"), &path).unwrap();
    assert!(writer.call(add("mail")).await.is_ok());
}

/// A number is never used twice, whatever was rolled back or deleted.
#[tokio::test]
async fn numbers_only_grow() {
    let folder = tempfile::tempdir().unwrap();
    let first = writer(folder.path());
    let number = |tx: &mut Tx<'_>| Ok(tx.number());
    let a = first.call(number).await.unwrap();
    let second = writer(folder.path());
    let b = second.call(number).await.unwrap();
    let c = first.call(number).await.unwrap();
    assert!(a < b && b < c, "{a} {b} {c}");
}

fn parcel(bytes: usize) -> Parcel {
    let outgoing = Outgoing {
        queue: QueueName::celery(),
        priority: Priority::HIGHEST,
        due: None,
        id: TaskId::random(),
        task: "t".into(),
        payload: vec![b'x'; bytes].into(),
    };
    let key = SendKey { key: "k".into(), ttl: Duration::from_secs(60), value: "first".into() };
    Parcel { key: Some(key), ..Parcel::of(vec![outgoing]) }
}

/// Neither its number nor its key is used up by a send that found no room.
#[tokio::test]
async fn a_send_that_finds_no_room_may_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path());
    limit(&writer, number(&writer, "PRAGMA page_count").await + 40).await;
    let send = |bytes: usize| {
        let number = SendNumber { producer: "p".into(), lane: 1, number: 1 };
        let parcels = [parcel(bytes)];
        writer.call(move |tx| enqueue::enqueue_once(tx, &parcels, Some(&number)))
    };
    let full = send(10_000_000).await;
    assert!(matches!(&full, Err(error @ StoreError::Full { .. }) if !error.outcome_unknown()), "{full:?}");
    assert_eq!(send(100).await.unwrap(), [None]);
    limit(&writer, 100_000).await;
    assert_eq!(send(10_000_000).await.unwrap(), [None], "its number was seen");
    assert_eq!(number(&writer, "SELECT count(*) FROM body").await, 1);
}

/// What waits for longer than it may for the lock is refused, and does not happen behind its caller's back.
#[tokio::test]
async fn what_waits_too_long_does_not_happen() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Duration::from_secs(1);
    let writer = patient_writer(folder.path(), patience);
    let go = hold(&writer).await;
    let asked = tokio::spawn({
        let writer = writer.clone();
        async move { writer.call(add("mail")).await }
    });
    tokio::time::sleep(2 * patience).await;
    go.send(()).unwrap();
    let late = asked.await.unwrap().unwrap_err();
    assert!(late.is_transient() && !late.outcome_unknown(), "{late:?}");
    assert!(!matches!(late, StoreError::Locked { .. }), "nobody else was there: {late:?}");
    assert_eq!(number(&writer, "SELECT count(*) FROM queue").await, 0);
}

/// What the disk did not take is not promised, though it is committed; what does not wait for the disk goes on.
#[tokio::test]
async fn what_the_disk_does_not_take_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let connection = connection::open_writer(Some(&path), "sqlite:test", &StoreOptions::default()).unwrap();
    let writer = start(connection, Log::broken(), None, &path, Duration::from_secs(10));
    assert!(writer.call_unsynced(add("lease"), |()| ()).await.is_ok());
    let go = hold(&writer).await;
    // Neither the one nor the other when they share a transaction.
    let (unsynced, synced) = tokio::join!(writer.call_unsynced(add("beat"), |()| ()), async {
        let synced = writer.call(add("mail"));
        go.send(()).unwrap();
        synced.await
    });
    assert!(unsynced.is_ok(), "{unsynced:?}");
    assert!(matches!(&synced, Err(StoreError::Unreachable { unknown: true, .. })), "{synced:?}");
    let look = connection::open_reader(&path).unwrap();
    let queues: i64 = look.query_row("SELECT count(*) FROM queue", [], |row| row.get(0)).unwrap();
    assert_eq!(queues, 3);
}

/// Who asks while the process waits for its turn comes along, instead of waiting for another one.
#[tokio::test]
async fn whoever_asks_before_the_turn_comes_shares_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let patience = Duration::from_secs(10);
    let other = Gate::open(&path, patience).unwrap();
    let turn = other.enter();
    let writer = gated_writer(folder.path(), Gate::open(&path, patience).unwrap());
    let asked = writer.clone();
    let first = tokio::spawn(async move { asked.call(add("first")).await });
    while !other.is_waited_for() {
        tokio::task::yield_now().await;
    }
    let look = connection::open_reader(&path).unwrap();
    let second =
        writer.call(move |_| Ok(look.query_row("SELECT count(*) FROM queue", [], |row| row.get::<_, i64>(0))?));
    let (seen, ()) = tokio::join!(second, async { drop(turn) });
    assert_eq!(seen.unwrap(), 0, "the first was committed before the second ran");
    first.await.unwrap().unwrap();
}

/// A file that goes while the process waits for its turn takes nothing either, of whoever asked before or since.
#[tokio::test]
async fn a_file_that_goes_during_the_wait_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, away) = (folder.path().join("queue.db"), folder.path().join("away.db"));
    let patience = Duration::from_secs(10);
    let other = Gate::open(&path, patience).unwrap();
    let turn = other.enter();
    let writer = gated_writer(folder.path(), Gate::open(&path, patience).unwrap());
    let asked = writer.clone();
    let before = tokio::spawn(async move { asked.call(add("before")).await });
    while !other.is_waited_for() {
        tokio::task::yield_now().await;
    }
    std::fs::rename(&path, &away).unwrap();
    let (since, ()) = tokio::join!(writer.call(add("since")), async { drop(turn) });
    for answer in [before.await.unwrap(), since] {
        assert!(matches!(answer, Err(StoreError::Unreachable { unknown: false, .. })), "{answer:?}");
    }
    std::fs::rename(&away, &path).unwrap();
    assert!(writer.call(add("after")).await.is_ok(), "it is not locked by what was refused");
    assert_eq!(number(&writer, "SELECT count(*) FROM queue").await, 1);
}
