use std::sync::mpsc::channel;
use std::time::Instant;

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// Who has just had a turn comes after whoever was waiting, however quick it is.
#[test]
fn a_turn_goes_to_the_one_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (mine, theirs) = (Gate::open(&path, LONG).unwrap(), Gate::open(&path, LONG).unwrap());
    let watch = Gate::open(&path, LONG).unwrap();
    for _ in 0..20 {
        let (log, order) = channel();
        std::thread::scope(|scope| {
            let turn = mine.enter();
            let other = log.clone();
            scope.spawn(|| {
                let _turn = theirs.enter();
                other.send("theirs").unwrap();
                drop(other);
            });
            let began = Instant::now();
            while !watch.is_waited_for() {
                assert!(began.elapsed() < LONG, "nobody waits");
                std::thread::yield_now();
            }
            drop(turn);
            let _turn = mine.enter();
            log.send("mine").unwrap();
        });
        drop(log);
        assert_eq!(order.iter().collect::<Vec<_>>(), ["theirs", "mine"]);
    }
}

/// A process that was stopped in its turn does not stop the others: SQLite's lock is what counts.
#[test]
fn a_stuck_turn_is_passed_by() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let stuck = Gate::open(&path, LONG).unwrap();
    let turn = stuck.enter();
    let hasty = Gate::open(&path, Duration::from_millis(5)).unwrap();
    assert!(!hasty.enter().taken);
    // Once its usher stands in line in vain, nobody waits for it again.
    assert!(!hasty.enter().taken);
    drop(turn);
    // What it gets too late it leaves at once: the turn is free for others, and for its own process.
    assert!(Gate::open(&path, LONG).unwrap().enter().taken);
    while !hasty.enter().taken {
        std::thread::yield_now();
    }
}

/// Several users may share a database, as its mode says; so they share its turns, whoever came first.
#[cfg(unix)]
#[test]
fn who_may_use_the_file_may_take_turns() {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let first = Gate::open(&path, LONG).unwrap();
    for end in ["-next", "-turn"] {
        let made = beside(&path, end);
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o666, "{end}");
        // As an earlier version left it to others. (Root may write it all the same.)
        std::fs::set_permissions(&made, Permissions::from_mode(0o444)).unwrap();
    }
    let turn = first.enter();
    let second = Gate::open(&path, Duration::from_millis(5)).unwrap();
    assert!(turn.taken && !second.enter().taken);
    drop(turn);
    while !second.enter().taken {
        std::thread::yield_now();
    }
}
