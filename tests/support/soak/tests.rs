//! The soak would notice: small ledgers in which something is wrong.

use std::collections::HashSet;

use queue_core::store::{DeadLetter, DeadReason};

use super::ledger::Ledger;
use super::outcome::Blamed;
use super::plan::{Kind, Plan, Unit};
use super::report::Report;

/// As many as each worker has.
const SLOTS: usize = 2;

fn plan(units: &[(&str, Kind)]) -> Plan {
    let unit = |(label, kind): &(&str, Kind)| Unit { label: (*label).to_owned(), kind: *kind, ms: 0 };
    let units: Vec<_> = units.iter().map(unit).collect();
    let labels = units.iter().map(|unit| unit.labels().len()).sum();
    Plan { units, labels }
}

/// A ledger with these lines, the first of which were read before the others were written.
fn ledger(lines: &[&str]) -> Ledger {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::new(dir.path());
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    for end in [text.len() / 2, text.len()] {
        std::fs::write(dir.path().join("ledger"), &text[..end]).unwrap();
        ledger.read_on();
    }
    ledger
}

fn check(lines: &[&str], plan: &Plan, blamed: &HashSet<String>) -> Report {
    let mut report = Report::default();
    ledger(lines).check(&mut report, plan, blamed, SLOTS);
    report
}

fn check_jobs(lines: &[&str], jobs: &[&str]) -> Report {
    let jobs: Vec<_> = jobs.iter().map(|label| (*label, Kind::Job)).collect();
    check(lines, &plan(&jobs), &HashSet::new())
}

fn judge(lines: &[&str], id: &str, reason: DeadReason) -> (Blamed, Report) {
    let (mut blamed, mut report) = (Blamed::default(), Report::default());
    let (id, worker, error) = (Some(id.to_owned()), String::new(), String::new());
    let letter = DeadLetter { id, task: None, reason, error, retries: 0, worker };
    let plan = plan(&[("j0", Kind::Job), ("c1", Kind::Chord)]);
    blamed.judge(&letter, &ledger(lines), &plan, &mut report);
    (blamed, report)
}

fn labels(labels: &[&str]) -> HashSet<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

#[test]
fn what_a_killed_worker_left_is_run_again() {
    let lines = ["run j0 1 first a", "run j1 1 first b", "end j1 1", "kill 1"];
    let again = ["run j1 2 again b", "run j0 2 again a", "end j0 2", "end j1 2"];
    let report = check_jobs(&[&lines[..], &again[..]].concat(), &["j0", "j1"]);
    assert!(report.is_well(), "{report}");
    assert_eq!((report.kills, report.begun, report.met), (1, 1, 1));
    assert_eq!((report.twice, report.cut_off, report.not_settled), (2, 1, 1));
    assert_eq!((report.most_undone, report.most_at_once), (2, 2));
}

#[test]
fn what_never_ran_is_lost() {
    let report = check_jobs(&["run j0 1 first a", "kill 1"], &["j0", "j1"]);
    assert_eq!(report.lost, ["j0", "j1"]);
}

#[test]
fn a_kill_that_comes_later_takes_nothing_over() {
    let report = check_jobs(&["run j0 1 first a", "run j0 2 again a", "kill 1", "end j0 2"], &["j0"]);
    assert_eq!(report.taken_from_the_living, ["j0"]);
}

#[test]
fn what_ran_and_what_was_not_settled_have_a_slot_each() {
    let lines = ["run j0 1 first a", "end j0 1", "run j1 1 first b", "run j2 1 first c", "kill 1"];
    let again = ["run j0 2 again a", "end j0 2", "run j1 2 again b", "end j1 2"];
    // The third is not run again.
    let report = check_jobs(&[&lines[..], &again[..]].concat(), &["j0", "j1", "j2"]);
    assert_eq!((report.most_undone, report.undone_beyond_slots, report.beyond_slots), (3, 1, 0));
}

#[test]
fn more_at_once_than_slots_is_noticed() {
    let lines = ["run j0 1 first a", "run j1 1 first b", "run j2 1 first c"];
    let report = check_jobs(&[&lines[..], &["end j0 1", "end j1 1", "end j2 1"]].concat(), &["j0", "j1", "j2"]);
    assert_eq!(report.beyond_slots, 1);
}

#[test]
fn what_has_led_on_is_not_run_again() {
    let lines =
        ["run s0.0 1 first a", "end s0.0 1", "run s0.1 2 first b", "kill 1", "run s0.0 3 again a", "end s0.0 3"];
    let report = check(&lines, &plan(&[("s0", Kind::Chain)]), &HashSet::new());
    assert_eq!(report.after_settled, ["s0.0"]);
    let lines = ["run c0.7 1 first a", "end c0.7 1", "run c0.total 2 first b", "kill 1", "run c0.7 3 again a"];
    let report = check(&lines, &plan(&[("c0", Kind::Chord)]), &HashSet::new());
    assert_eq!(report.after_settled, ["c0.7"]);
}

#[test]
fn only_what_ran_in_killed_workers_is_to_blame() {
    let twice_killed = ["run j0 1 first a", "kill 1", "run j0 2 again a", "kill 2"];
    let (_, report) = judge(&twice_killed, "a", DeadReason::Poison);
    assert_eq!((report.blamed, report.set_aside.len()), (1, 0));
    for (lines, id, reason) in [
        (&twice_killed[..], "a", DeadReason::Failed),
        // It ran elsewhere, too.
        (&twice_killed[..3], "a", DeadReason::Poison),
        // It never ran.
        (&twice_killed[..], "b", DeadReason::Poison),
    ] {
        let (_, report) = judge(lines, id, reason);
        assert_eq!((report.blamed, report.set_aside.len()), (0, 1), "{lines:?}");
    }
}

#[test]
fn a_blamed_part_takes_its_body_along_and_nothing_else() {
    let (blamed, _) = judge(&["run c1.3 1 first a", "kill 1"], "a", DeadReason::Poison);
    assert_eq!(blamed.labels, labels(&["c1.3", "c1.total"]));
    let unit = |kind| plan(&[("u", kind)]).units.remove(0);
    assert_eq!(unit(Kind::Chord).falling_with("u.total"), labels(&["u.total"]));
    assert_eq!(unit(Kind::Chain).falling_with("u.8"), labels(&["u.8", "u.9"]));
    assert_eq!(unit(Kind::Job).falling_with("u"), labels(&["u"]));
}

#[test]
fn three_kills_make_one_poison() {
    let blamed = |blamed, kills| Report { blamed, kills, ..Report::default() }.broken();
    assert_eq!(blamed(2, 6), [""; 0]);
    assert_eq!(blamed(2, 5), ["1 taken for poison beyond what so many kills can make"]);
}

#[test]
fn each_plan_has_a_chord_and_a_chain() {
    for seed in 0..50 {
        let plan = Plan::new(seed, 50);
        assert!(plan.chords() > 0 && plan.chains() > 0, "{plan:?}");
        assert_eq!(plan.labels, 50);
    }
}
