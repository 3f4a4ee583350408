use rusqlite::Connection;

use super::*;
use crate::clock::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn fresh() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    apply(&mut connection, NOW).unwrap();
    connection
}

#[test]
fn applying_twice_changes_nothing() {
    let mut connection = fresh();
    connection.execute("UPDATE meta SET sequence = 7", []).unwrap();
    apply(&mut connection, NOW).unwrap();
    let sequence: i64 = connection.query_row("SELECT sequence FROM meta", [], |row| row.get(0)).unwrap();
    assert_eq!(sequence, 7);
}

#[test]
fn other_tables_and_newer_versions_are_refused() {
    let mut other = Connection::open_in_memory().unwrap();
    other.execute_batch("CREATE TABLE customer (id INTEGER)").unwrap();
    assert!(matches!(apply(&mut other, NOW), Err(Fault::Foreign(why)) if why.contains("another program")));

    let mut newer = fresh();
    newer.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(apply(&mut newer, NOW), Err(Fault::Foreign(why)) if why.contains("schema 99")));
}

/// The statements that may read a whole table: one row, one per queue, one per worker, or the head of an index.
const SCANS: [&str; 9] = [
    "SCAN meta",
    "SCAN worker",
    "SCAN queue USING COVERING INDEX",
    "SCAN CONSTANT ROW",
    "SCAN block",
    "SCAN job USING COVERING INDEX job_hash",
    "SCAN (subquery",
    "SCAN part",
    "SCAN revoked USING COVERING INDEX revoked_until",
];

/// With a million rows, one statement that reads them all is the one that hurts.
#[test]
fn no_statement_reads_a_whole_table() {
    let connection = fresh();
    // But for the one that counts them all, which only a doctor calls.
    let counts_all = super::super::sql::ORPHANS_TALLY;
    for sql in super::super::sql::ALL.iter().filter(|sql| **sql != counts_all) {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = vec![1; plan.parameter_count()];
        let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        for step in steps.map(Result::unwrap).filter(|step| step.contains("SCAN")) {
            assert!(SCANS.iter().any(|allowed| step.starts_with(allowed)), "{step}, in {sql}");
        }
    }
}

/// Another process makes the tables of a new file between two looks at it: it has to wait.
#[test]
fn what_is_looked_at_does_not_change_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let connection = Connection::open(folder.path().join("queue.db")).unwrap();
        connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        connection
    };
    let (mut ours, mut theirs) = (open(), open());
    let (before, after) = at_once(&mut ours, |ours| {
        let before = look(ours)?.application;
        assert!(apply(&mut theirs, NOW).is_err_and(|fault| fault.is_busy()));
        Ok((before, look(ours)?.tables))
    })
    .unwrap();
    assert_eq!((before, after), (0, 0));
    apply(&mut theirs, NOW).unwrap();
    apply(&mut ours, NOW).unwrap();
}
