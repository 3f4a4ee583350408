use rusqlite::{StatementStatus, params};

use super::super::sql;
use super::*;

/// A lease of another size is the same statement.
#[test]
fn what_is_bound_prepares_nothing_anew() {
    let folder = tempfile::tempdir().unwrap();
    let connection =
        open_writer(Some(&folder.path().join("queue.db")), "sqlite:test", &StoreOptions::default()).unwrap();
    let mut lease = connection.prepare_cached(sql::LEASE).unwrap();
    for most in 1..5 {
        assert!(lease.query(params![1, 1, 0, 0, most]).unwrap().next().unwrap().is_none());
    }
    assert_eq!(lease.get_status(StatementStatus::RePrepare), 0);
}
