use std::sync::mpsc::channel;

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
            while watch.next.try_lock().is_ok() {
                watch.next.unlock().unwrap();
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
    let _turn = stuck.enter();
    let hasty = Gate::open(&path, Duration::from_millis(5)).unwrap();
    assert!(!hasty.enter().taken);
    // Passing by leaves nothing locked behind.
    assert!(stuck.next.try_lock().is_ok());
}
