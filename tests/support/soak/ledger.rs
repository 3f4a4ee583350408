//! What the jobs wrote down: each run, where, of a message that came for the first time or again, and each end.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::plan::{Plan, Unit};
use super::report::Report;

/// One run of a job.
pub(super) struct Run {
    /// The worker's number.
    worker: u32,
    first: bool,
    id: String,
}

/// The runs of each label, in their order, and the labels that came to an end.
#[derive(Default)]
pub(super) struct Runs {
    runs: BTreeMap<String, Vec<Run>>,
    ended: HashSet<String>,
}

impl Runs {
    /// The unit whose job has this id.
    pub(super) fn unit_of(&self, id: &str) -> Option<String> {
        let label = self.runs.iter().find(|(_, runs)| runs.iter().any(|run| run.id == id))?.0;
        Some(label.split('.').next().unwrap_or(label).to_owned())
    }

    /// Whether every run of the job with this id ended with its worker.
    pub(super) fn all_killed(&self, id: &str, killed: &HashSet<u32>) -> bool {
        self.runs.values().flatten().filter(|run| run.id == id).all(|run| killed.contains(&run.worker))
    }
}

/// Reads the whole ledger.
pub(super) fn read(dir: &Path) -> Runs {
    let mut runs = Runs::default();
    for line in text(dir).lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["run", label, worker, time, id] => {
                let run = Run { worker: worker.parse().unwrap(), first: time == "first", id: id.to_owned() };
                runs.runs.entry(label.to_owned()).or_default().push(run);
            }
            ["end", label, _] => _ = runs.ended.insert(label.to_owned()),
            _ => panic!("no line of the ledger: {line}"),
        }
    }
    runs
}

/// How many labels came to an end.
pub(super) fn ended(dir: &Path) -> usize {
    let text = text(dir);
    let ended = text.lines().filter_map(|line| line.strip_prefix("end ")?.split(' ').next());
    ended.collect::<HashSet<_>>().len()
}

fn text(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("ledger")).unwrap_or_default()
}

/// Compares with what was sent.
pub(super) fn check(
    report: &mut Report,
    ledger: &Runs,
    plan: &Plan,
    blamed: &HashSet<String>,
    killed: &HashSet<u32>,
    slots: usize,
) {
    let mut undone: HashMap<u32, usize> = HashMap::new();
    let units = plan.units.iter().flat_map(|unit| unit.labels().into_iter().map(|label| (&unit.label, label)));
    for (unit, label) in units {
        if !ledger.ended.contains(&label) && !blamed.contains(unit) {
            report.lost.push(label.clone());
        }
        let Some(runs) = ledger.runs.get(&label) else { continue };
        report.runs += runs.len();
        report.twice += runs.len() - 1;
        if Unit::is_body(&label) {
            report.bodies_twice += runs.len() - 1;
        }
        let ids: BTreeSet<_> = runs.iter().map(|run| &run.id).collect();
        if ids.len() > 1 || runs.iter().filter(|run| run.first).count() > 1 {
            report.sent_twice.push(label.clone());
        }
        // Whoever runs a job leaves it to another only by its death.
        for run in &runs[..runs.len() - 1] {
            if !killed.contains(&run.worker) {
                report.taken_from_the_living.push(label.clone());
            }
            *undone.entry(run.worker).or_default() += 1;
        }
    }
    report.most_undone = undone.values().copied().max().unwrap_or(0);
    report.undone_beyond_slots = undone.values().filter(|count| **count > slots).count();
    let known: HashSet<String> = plan.units.iter().flat_map(Unit::labels).collect();
    report.unknown = ledger.runs.keys().filter(|label| !known.contains(*label)).cloned().collect();
}
