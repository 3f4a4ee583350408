use super::super::connection;
use super::*;
use crate::store::StoreOptions;

fn open(path: &Path) -> Watched {
    let connection = connection::open_writer(Some(path), "sqlite:test", &StoreOptions::default()).unwrap();
    Watched::new(connection, Some(Arc::new(Presence::of(path, false))))
}

fn add_queue(connection: &Connection) {
    connection.execute_batch("INSERT INTO queue (name) VALUES (hex(randomblob(8)))").unwrap();
}

fn queues(path: &Path) -> i64 {
    open(path).query_row("SELECT count(*) FROM queue", [], |row| row.get(0)).unwrap()
}

fn why(connection: &Watched) -> &'static str {
    match connection.check() {
        Err(Fault::Away(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// The file, its log and its index are one: without any of them nothing is accepted, until it is back.
#[test]
fn each_part_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, away) = (folder.path().join("queue.db"), folder.path().join("away"));
    let connection = open(&path);
    for (end, removed, replaced) in [FILE, BESIDE[0], BESIDE[1]] {
        let part = beside(&path, end);
        connection.check().unwrap();
        std::fs::rename(&part, &away).unwrap();
        assert_eq!(why(&connection), removed);
        std::fs::write(&part, "another").unwrap();
        assert_eq!(why(&connection), replaced);
        std::fs::rename(&away, &part).unwrap();
    }
    connection.check().unwrap();
}

/// They stay the same whatever becomes of the database and of other connections.
#[test]
fn what_sqlite_does_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let connection = open(&path);
    add_queue(&connection);
    drop(connection::open_reader(&path).unwrap());
    drop(open(&path));
    connection.check().unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(truncate); VACUUM; PRAGMA wal_checkpoint(truncate)").unwrap();
    connection.check().unwrap();
    add_queue(&connection);
    connection.check().unwrap();
}

/// A file that is only read may have no log; nor has a database in memory.
#[test]
fn where_there_is_no_log_none_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    drop(open(&path));
    assert!(!beside(&path, "-wal").exists());
    let presence = Presence::of(&path, true);
    presence.check().unwrap();
    let _writes = open(&path);
    presence.check().unwrap();
    Watched::new(Connection::open_in_memory().unwrap(), None).check().unwrap();
}

/// The last connection that closes deletes the log by its name: not one that others have made.
#[test]
fn anothers_log_is_left_alone() {
    for end in ["-wal", "-shm"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let connection = open(&path);
        add_queue(&connection);
        let part = beside(&path, end);
        std::fs::remove_file(&part).unwrap();
        std::fs::write(&part, "another").unwrap();
        let before = std::fs::read(&path).unwrap();
        drop(connection);
        assert_eq!(std::fs::read_to_string(&part).unwrap(), "another");
        assert!(std::fs::read(&path).unwrap() == before, "nor is the file changed that it belongs to");
    }
}

/// While nobody has made another one, what was committed to a log that was removed is saved at the end.
#[test]
fn a_removed_log_is_saved_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let connection = open(&path);
    add_queue(&connection);
    for end in ["-wal", "-shm"] {
        std::fs::remove_file(beside(&path, end)).unwrap();
    }
    drop(connection);
    assert_eq!(queues(&path), 1);
}
