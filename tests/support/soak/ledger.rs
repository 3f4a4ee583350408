//! What was written down: each run, whose, of a message that came for the first time or again, each end, and each kill.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::plan::{Plan, Unit};
use super::report::Report;

/// One run of a job.
struct Run {
    /// The worker's number.
    worker: u32,
    first: bool,
    id: String,
    /// Which line it is.
    at: usize,
    ended: bool,
}

/// One worker.
#[derive(Default)]
struct Worker {
    /// How many jobs it began.
    begun: usize,
    /// How many of these have no end.
    open: usize,
    /// The most that it ran at a time.
    most: usize,
    /// Which line says that it is killed.
    killed: Option<usize>,
}

/// The ledger as far as it was read. All write at its end, so the order of its lines is that of time.
pub(super) struct Ledger {
    path: PathBuf,
    /// Bytes.
    read: u64,
    lines: usize,
    /// The runs of each label, in their order.
    runs: BTreeMap<String, Vec<Run>>,
    workers: HashMap<u32, Worker>,
    /// How many labels came to an end.
    pub(super) ended: usize,
}

impl Ledger {
    /// An empty one in this directory.
    pub(super) fn new(dir: &Path) -> Self {
        let (runs, workers, path) = (BTreeMap::new(), HashMap::new(), dir.join("ledger"));
        File::create(&path).unwrap();
        Self { path, read: 0, lines: 0, runs, workers, ended: 0 }
    }

    /// Reads what was written since.
    pub(super) fn read_on(&mut self) {
        let (mut file, mut text) = (File::open(&self.path).unwrap(), String::new());
        file.seek(SeekFrom::Start(self.read)).unwrap();
        file.read_to_string(&mut text).unwrap();
        // The rest of a line that is just being written comes next time.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        text[..whole].lines().for_each(|line| self.note(line));
    }

    fn note(&mut self, line: &str) {
        self.lines += 1;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["run", label, worker, time, id] => self.note_run(label, number(worker), time == "first", id),
            ["end", label, worker] => self.note_end(label, number(worker)),
            ["kill", worker] => self.workers.entry(number(worker)).or_default().killed = Some(self.lines),
            _ => panic!("no line of the ledger: {line}"),
        }
    }

    fn note_run(&mut self, label: &str, worker: u32, first: bool, id: &str) {
        let run = Run { worker, first, id: id.to_owned(), at: self.lines, ended: false };
        self.runs.entry(label.to_owned()).or_default().push(run);
        let worker = self.workers.entry(worker).or_default();
        worker.begun += 1;
        worker.open += 1;
        worker.most = worker.most.max(worker.open);
    }

    fn note_end(&mut self, label: &str, worker: u32) {
        self.ended += usize::from(!self.has_ended(label));
        let mut runs = self.runs.get_mut(label).into_iter().flatten().rev();
        let run = runs.find(|run| run.worker == worker && !run.ended);
        run.unwrap_or_else(|| panic!("{label} ended in worker {worker} and never began there")).ended = true;
        self.workers.entry(worker).or_default().open -= 1;
    }

    /// Writes down that a worker is killed: before it is, so that whatever another one takes over from it comes later.
    pub(super) fn write_kill(&self, worker: u32) {
        let mut file = OpenOptions::new().append(true).open(&self.path).unwrap();
        file.write_all(format!("kill {worker}\n").as_bytes()).unwrap();
    }

    /// Whether a worker has begun a job.
    pub(super) fn has_begun(&self, worker: u32) -> bool {
        self.workers.get(&worker).is_some_and(|worker| worker.begun > 0)
    }

    /// Whether a worker is in the middle of a job.
    pub(super) fn is_at_work(&self, worker: u32) -> bool {
        self.workers.get(&worker).is_some_and(|worker| worker.open > 0)
    }

    /// Whether a kill met a job.
    pub(super) fn has_met(&self) -> bool {
        self.workers.values().any(|worker| worker.killed.is_some() && worker.open > 0)
    }

    /// The label of the job with this id, if it ran, and each of its runs was in a worker that was killed.
    pub(super) fn killed_each_time(&self, id: &str) -> Option<&str> {
        let (label, runs) = self.runs.iter().find(|(_, runs)| runs.iter().any(|run| run.id == id))?;
        let mut runs = runs.iter().filter(|run| run.id == id);
        runs.all(|run| self.killed(run.worker).is_some()).then_some(label.as_str())
    }

    fn killed(&self, worker: u32) -> Option<usize> {
        self.workers.get(&worker)?.killed
    }

    fn has_ended(&self, label: &str) -> bool {
        self.runs.get(label).is_some_and(|runs| runs.iter().any(|run| run.ended))
    }

    /// Compares with what was sent. `blamed`: the labels that need no end, since a job was taken for poison.
    pub(super) fn check(&self, report: &mut Report, plan: &Plan, blamed: &HashSet<String>, slots: usize) {
        let labels: BTreeSet<_> = plan.units.iter().flat_map(Unit::labels).collect();
        let lost = labels.iter().filter(|label| !self.has_ended(label) && !blamed.contains(*label));
        report.lost.extend(lost.cloned());
        report.unknown.extend(self.runs.keys().filter(|label| !labels.contains(*label)).cloned());
        let mut unsettled = HashMap::new();
        for (label, runs) in &self.runs {
            count(report, label, runs);
            self.check_takeovers(report, label, runs, &mut unsettled);
        }
        for (label, next) in plan.units.iter().flat_map(Unit::steps) {
            if self.ran_after(&label, &next) {
                report.after_settled.push(label);
            }
        }
        self.check_workers(report, &unsettled, slots);
    }

    /// Whoever runs a job leaves it to another only by its death, before its end or before that was settled.
    fn check_takeovers(&self, report: &mut Report, label: &str, runs: &[Run], unsettled: &mut HashMap<u32, usize>) {
        for (run, next) in runs.iter().zip(&runs[1..]) {
            if self.killed(run.worker).is_none_or(|at| at > next.at) {
                report.taken_from_the_living.push(label.to_owned());
            }
            if run.ended {
                *unsettled.entry(run.worker).or_default() += 1;
            }
            report.cut_off += usize::from(!run.ended);
            report.not_settled += usize::from(run.ended);
        }
    }

    /// Whether a run of `label` began after one of `next`, which is sent by the step that settles `label`.
    fn ran_after(&self, label: &str, next: &str) -> bool {
        let place = |run: &Run| run.at;
        let last = self.runs.get(label).and_then(|runs| runs.last()).map(place);
        let first = self.runs.get(next).and_then(|runs| runs.first()).map(place);
        last.zip(first).is_some_and(|(last, first)| last > first)
    }

    /// A slot is taken until the end is settled: what a worker ran when it was killed and what it had not settled have one each.
    fn check_workers(&self, report: &mut Report, unsettled: &HashMap<u32, usize>, slots: usize) {
        for (number, worker) in &self.workers {
            report.most_at_once = report.most_at_once.max(worker.most);
            report.beyond_slots += usize::from(worker.most > slots);
            if worker.killed.is_some() {
                let undone = worker.open + unsettled.get(number).copied().unwrap_or(0);
                report.kills += 1;
                report.begun += usize::from(worker.begun > 0);
                report.met += usize::from(worker.open > 0);
                report.most_undone = report.most_undone.max(undone);
                report.undone_beyond_slots += usize::from(undone > slots);
            }
        }
    }
}

fn count(report: &mut Report, label: &str, runs: &[Run]) {
    report.runs += runs.len();
    report.twice += runs.len() - 1;
    if Unit::is_body(label) {
        report.bodies_twice += runs.len() - 1;
    }
    let ids: BTreeSet<_> = runs.iter().map(|run| &run.id).collect();
    if ids.len() > 1 || runs.iter().filter(|run| run.first).count() > 1 {
        report.sent_twice.push(label.to_owned());
    }
}

fn number(text: &str) -> u32 {
    text.parse().unwrap()
}
