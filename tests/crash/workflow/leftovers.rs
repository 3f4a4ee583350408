//! Nothing is left once a workflow has come to its end but what expires by itself.

use queue_tests::{Bench, Driver};

/// Looks at everything there is: the store is this test's own.
pub(crate) async fn check(bench: &Bench) {
    match bench.driver {
        Driver::Redis => check_redis(bench.url()),
        _ => check_sqlite(bench.url()),
    }
}

fn check_redis(url: &str) {
    let keys = crate::leftovers::keys(url);
    let chord: Vec<_> = keys.iter().filter(|key| key.starts_with("celery-taskset-meta-")).collect();
    assert!(matches!(chord[..], [key] if key.ends_with(".c")), "of the chord there is {chord:?}");
    let mut server = redis::Client::open(url).unwrap().get_connection().unwrap();
    let claim: String = redis::cmd("GET").arg(chord[0]).query(&mut server).unwrap();
    assert_eq!(claim, "done");
}

fn check_sqlite(url: &str) {
    let file = rusqlite::Connection::open(url.strip_prefix("sqlite:").unwrap()).unwrap();
    let count =
        |from: &str| file.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get::<_, i64>(0)).unwrap();
    for empty in ["job", "body", "dead", "worker", "chord_part", "group_meta", "tally WHERE n <> 0"] {
        assert_eq!(count(empty), 0, "rows in {empty}");
    }
    for lasting in ["result WHERE expires IS NULL", "chord WHERE expires IS NULL OR size IS NOT NULL"] {
        assert_eq!(count(lasting), 0, "rows in {lasting}");
    }
    assert_eq!(count("chord WHERE claim = 'done'"), 1);
}
