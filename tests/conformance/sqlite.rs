//! What only a file can do to us: several stores and processes on it, a file that is not ours, that is gone, that is
//! locked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use queue_core::store::{ConnectError, Store, StoreError, StoreOptions, connect, connect_with};
use queue_core::{Call, Client, ClientOptions};
use queue_tests::{Bench, Driver, PATIENCE, SECOND, in_time, label};

fn url(dir: &tempfile::TempDir, name: &str) -> String {
    format!("sqlite:{}", dir.path().join(name).display())
}

async fn refused(url: &str) -> StoreError {
    match connect(url).await {
        Err(ConnectError::Store(error)) => error,
        other => panic!("{url}: {other:?}"),
    }
}

/// What was enqueued is there for the next process.
#[tokio::test]
async fn a_file_outlives_its_store() {
    let bench = Bench::open(Driver::SqliteFile).await;
    bench.enqueue("mail", &["m1"]).await;
    bench.enqueue_in(60 * SECOND, "mail", "m2").await;
    let again = bench.reopen(bench.url()).await.unwrap();
    let counts = again.counts(&bench.queue("mail")).await.unwrap();
    assert_eq!((counts.ready, counts.scheduled), (1, 1));
}

/// A send without a key that is not to be tried again leaves its message, and no note of who sent it or that it was sent.
#[tokio::test]
async fn a_plain_send_is_noted_nowhere() {
    let bench = Bench::open(Driver::SqliteFile).await;
    let client = Client::new(bench.store.clone());
    for _ in 0..100 {
        client.send(Call::named("t").queue(bench.queue("mail").as_str())).await.unwrap();
    }
    let file = rusqlite::Connection::open(bench.dir().join("queue.db")).unwrap();
    let rows =
        |table: &str| file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(["job", "producer", "sent"].map(rows), [100, 0, 0]);
}

/// Two databases in memory are two.
#[tokio::test]
async fn memory_is_not_shared() {
    let (one, two) = (Bench::open(Driver::SqliteMemory).await, Bench::open(Driver::SqliteMemory).await);
    one.store.enqueue(&[one.message("mail", "m1")]).await.unwrap();
    assert_eq!(two.store.counts(&one.queue("mail")).await.unwrap().ready, 0);
}

/// Text is no database, and stays as it was.
#[tokio::test]
async fn a_text_file_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    let text = "dear diary, ".repeat(1000);
    std::fs::write(&path, &text).unwrap();
    let error = refused(&url(&dir, "notes.txt")).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// Another program's database is left alone.
#[tokio::test]
async fn another_programs_database_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE customers (name TEXT); INSERT INTO customers VALUES ('Ann')").unwrap();
    drop(theirs);
    let error = refused(&url(&dir, "app.db")).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");

    let theirs = rusqlite::Connection::open(&path).unwrap();
    let tables: i64 = theirs.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

/// A directory that does not exist, and a directory in place of the file, are clear errors.
#[tokio::test]
async fn a_path_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    for place in [url(&dir, "missing/queue.db"), format!("sqlite:{}", dir.path().display())] {
        let error = refused(&place).await;
        assert!(error.to_string().contains(&place["sqlite:".len()..]), "{error} should name {place}");
    }
}

/// A file that was removed under us takes no message that nobody would ever see.
#[tokio::test]
async fn a_removed_file_swallows_nothing() {
    let bench = Bench::open(Driver::SqliteFile).await;
    bench.enqueue("mail", &["m1"]).await;
    for file in std::fs::read_dir(bench.dir()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    if bench.store.enqueue(&[bench.message("mail", "m2")]).await.is_ok() {
        let fresh = bench.reopen(bench.url()).await.unwrap();
        let ready = fresh.counts(&bench.queue("mail")).await.unwrap().ready;
        assert!(ready >= 1, "accepted into a file that is gone");
    }
}

/// A file that may only be read refuses writes and says so. (Root may write any file: then there is nothing to see.)
#[tokio::test]
#[expect(clippy::print_stdout, reason = "a test that looks at nothing says so")]
async fn a_read_only_file_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::open(Driver::SqliteFile).await;
    bench.enqueue("mail", &["m1"]).await;
    for file in std::fs::read_dir(bench.dir()).unwrap() {
        std::fs::set_permissions(file.unwrap().path(), std::fs::Permissions::from_mode(0o444)).unwrap();
    }
    let path = bench.url().strip_prefix("sqlite:").unwrap();
    if std::fs::OpenOptions::new().append(true).open(path).is_ok() {
        println!("skipped: this user may write read-only files");
        return;
    }
    match connect(bench.url()).await {
        Err(ConnectError::Store(StoreError::ReadOnly { .. })) => {}
        Ok(store) => {
            let refused = store.enqueue(&[bench.message("mail", "m2")]).await;
            assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// A file that somebody else keeps locked is an error that says so, and works again afterwards.
#[tokio::test]
async fn a_locked_file_says_so() {
    // A request that is not answered in three times as long would be no word of a lock.
    let options = |options: &mut StoreOptions| options.response_timeout = 2 * SECOND;
    let bench = Bench::with(Driver::SqliteFile, options).await;
    bench.enqueue("mail", &["m1"]).await;
    let other = rusqlite::Connection::open(bench.url().strip_prefix("sqlite:").unwrap()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = bench.store.enqueue(&[bench.message("mail", "m2")]).await.unwrap_err();
    assert!(matches!(locked, StoreError::Locked { .. }), "{locked:?}");
    assert!(locked.is_transient() && !locked.outcome_unknown());
    other.execute_batch("ROLLBACK").unwrap();
    bench.enqueue("mail", &["m3"]).await;
    assert_eq!(bench.counts("mail").await.ready, 2);
}

/// A send waits for a file that is locked as long as the client may try, and is then taken once; else it is known not to be
/// there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_outwaits_a_lock() {
    // A request that is not answered in three times as long would be of unknown outcome.
    let options = |options: &mut StoreOptions| options.response_timeout = Duration::from_millis(1500);
    let bench = Bench::with(Driver::SqliteFile, options).await;
    let client = |retry_for| {
        let options = ClientOptions { default_queue: bench.queue("mail"), retry_for, ..ClientOptions::default() };
        Client::with_options(bench.store.clone(), options)
    };
    bench.enqueue("mail", &["m1"]).await;
    let other = rusqlite::Connection::open(bench.url().strip_prefix("sqlite:").unwrap()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let keyed = || Call::named("t").idempotency_key("k");
    let patient = client(PATIENCE);
    let sending = tokio::spawn(async move { patient.send_many([keyed(), Call::named("t")]).await });
    for _ in 0..2 {
        let locked = client(Duration::ZERO).send(keyed()).await.unwrap_err();
        assert!(locked.is_transient() && !locked.outcome_unknown(), "{locked:?}");
    }
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(sending.await.unwrap().unwrap().len(), 2);
    client(PATIENCE).send(keyed()).await.unwrap();
    assert_eq!(bench.counts("mail").await.ready, 3);
}

/// A link leads to the file, also to one that is not there yet; what is kept beside it lies beside the file. Where the link leads
/// elsewhere some day, whoever comes by it would not see what is written.
#[tokio::test]
async fn a_link_leads_to_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (data, link) = (dir.path().join("data"), dir.path().join("link.db"));
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink("data/queue.db", &link).unwrap();
    let bench = Bench::at(Driver::SqliteFile, &url(&dir, "link.db"), |_| ()).await;
    bench.enqueue("mail", &["m1"]).await;
    let by_name = bench.reopen(&url(&dir, "data/queue.db")).await.unwrap();
    assert_eq!(by_name.counts(&bench.queue("mail")).await.unwrap().ready, 1);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing lies beside the link");

    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("data/another.db", &link).unwrap();
    let refused = bench.store.enqueue(&[bench.message("mail", "m2")]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable { unknown: false, .. }), "{refused:?}");
    by_name.enqueue(&[bench.message("mail", "m3")]).await.unwrap();
}

/// Who wants to wait for ever may.
#[tokio::test]
async fn no_patience_is_too_long() {
    for driver in [Driver::SqliteMemory, Driver::SqliteFile] {
        let for_ever = |options: &mut StoreOptions| {
            (options.connect_timeout, options.response_timeout) = (Duration::MAX, Duration::MAX);
        };
        let bench = Bench::with(driver, for_ever).await;
        bench.enqueue("mail", &["m1"]).await;
        assert_eq!(bench.counts("mail").await.ready, 1);
    }
}

/// A newer version's file is refused, not misread.
#[tokio::test]
async fn a_newer_file_is_refused() {
    let bench = Bench::open(Driver::SqliteFile).await;
    let path = bench.url().strip_prefix("sqlite:").unwrap().to_owned();
    let file = rusqlite::Connection::open(path).unwrap();
    file.execute_batch("PRAGMA user_version = 1000000").unwrap();
    drop(file);
    let error = refused(bench.url()).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
}

/// Stores that write as fast as they can on one file all get their turn: when the first has finished, none is far behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_writer_gets_its_turn() {
    const EACH: usize = 150;
    let bench = Arc::new(Bench::open(Driver::SqliteFile).await);
    let written: Arc<[AtomicUsize; 4]> = Arc::default();
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let store: Arc<dyn Store> = connect_with(bench.url(), StoreOptions::default()).await.unwrap();
        let (bench, written) = (Arc::clone(&bench), Arc::clone(&written));
        writers.spawn(async move {
            for message in 0..EACH {
                store.enqueue(&[bench.message("mail", &format!("{n}-{message}"))]).await.unwrap();
                written[n].fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    in_time("every_writer_gets_its_turn", async {
        writers.join_next().await.unwrap().unwrap();
        let behind: Vec<_> = written.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert!(behind.iter().all(|count| *count >= EACH / 10), "when the first was done: {behind:?} of {EACH}");
        while writers.join_next().await.transpose().unwrap().is_some() {}
    })
    .await;
    assert_eq!(bench.counts("mail").await.ready as usize, 4 * EACH);
}

/// Workers of several stores on one file take each message once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_stores_share_the_work() {
    let bench = Bench::open(Driver::SqliteFile).await;
    let messages: Vec<_> = (0..300).map(|n| bench.message("mail", &format!("m{n}"))).collect();
    bench.store.enqueue(&messages).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for letter in ["a", "b", "c", "d"] {
        let store = bench.other_store().await;
        let worker = bench.worker_on(&store, letter, &["mail"]).await;
        workers.spawn(async move {
            let mut finished = Vec::new();
            while let Some(delivery) = worker.take(1).await.pop() {
                assert_eq!(worker.finish(&delivery).await, queue_core::store::Settled::Done);
                finished.push(label(delivery.payload()));
            }
            finished
        });
    }
    let mut finished = Vec::new();
    while let Some(more) = workers.join_next().await {
        finished.extend(more.unwrap());
    }
    let different: std::collections::HashSet<_> = finished.iter().collect();
    assert_eq!((finished.len(), different.len()), (300, 300));
}

/// Many processes may be the first to open a file.
#[tokio::test]
async fn many_open_a_new_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..20 {
        let url = url(&dir, &format!("{n}.db"));
        let opened: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn({
                    let url = url.clone();
                    async move { connect(&url).await }
                })
            })
            .collect();
        for store in opened {
            store.await.unwrap().unwrap();
        }
    }
}
