//! What came of it.

use std::fmt;

use serde::Serialize;

use super::Soak;
use super::plan::Plan;

/// So often a worker dies while a job is its only suspect until the job counts as poison: the worker's own rule.
const DEATHS: usize = 3;

/// What came of a soak. Lists hold the labels of jobs.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// `redis` or `sqlite`.
    pub store: String,
    /// Of the plan.
    pub seed: u64,
    /// How many jobs, those of chains and chords among them.
    pub jobs: usize,
    /// How many chains.
    pub chains: usize,
    /// How many chords.
    pub chords: usize,
    /// Workers killed.
    pub kills: usize,
    /// Of these, how many had begun a job.
    pub begun: usize,
    /// How many were in the middle of one.
    pub met: usize,
    /// Whether the server had faults, too.
    pub faults: bool,
    /// How long it took after the last kill until all was done and nobody dead was left.
    pub recovered_ms: u128,
    /// Runs of bodies in all.
    pub runs: usize,
    /// Runs beyond the first of each job.
    pub twice: usize,
    /// Of these, of the bodies of chords.
    pub bodies_twice: usize,
    /// How many runs the others followed that had not ended.
    pub cut_off: usize,
    /// How many that had ended, and whose end was not in the store yet.
    pub not_settled: usize,
    /// The most that one killed worker left undone: it was in the middle of them, or had not settled them.
    pub most_undone: usize,
    /// The most that one worker ran at a time.
    pub most_at_once: usize,
    /// Jobs that were set aside as poison, after three of the kills met them while each was its worker's only suspect.
    pub blamed: usize,
    /// Set aside for any other reason.
    pub set_aside: Vec<String>,
    /// Never came to an end.
    pub lost: Vec<String>,
    /// Have no result.
    pub unsettled: Vec<String>,
    /// Have another result than they should.
    pub wrong: Vec<String>,
    /// Were sent more than once.
    pub sent_twice: Vec<String>,
    /// Were run again although their worker lived.
    pub taken_from_the_living: Vec<String>,
    /// Were run again after what follows from their end.
    pub after_settled: Vec<String>,
    /// Were never sent.
    pub unknown: Vec<String>,
    /// Killed workers that left more undone than they had slots.
    pub undone_beyond_slots: usize,
    /// Workers that ran more at a time than they had slots.
    pub beyond_slots: usize,
    /// Jobs or dead workers that were left when nothing moved any more.
    pub stuck: u64,
    /// Keys or rows without owner or end.
    pub orphans: u64,
    /// Workers that ended by themselves, or not well when asked.
    pub fallen: usize,
    /// More about it.
    pub notes: Vec<String>,
    /// Where ledger and log were kept, when something is wrong.
    pub kept: Option<String>,
}

impl Report {
    pub(super) fn new(soak: &Soak, plan: &Plan) -> Self {
        let store = soak.url.split(':').next().unwrap_or_default().to_owned();
        let (jobs, chains, chords) = (plan.labels, plan.chains(), plan.chords());
        Self { store, seed: soak.seed, jobs, chains, chords, faults: soak.has_faults(), ..Self::default() }
    }

    /// Whether every promise was kept.
    pub fn is_well(&self) -> bool {
        self.broken().is_empty()
    }

    /// The promises that were not kept, with how often.
    pub fn broken(&self) -> Vec<String> {
        let lists = [
            ("lost", &self.lost),
            ("without a result", &self.unsettled),
            ("with a wrong result", &self.wrong),
            ("sent twice", &self.sent_twice),
            ("taken from a worker that lived", &self.taken_from_the_living),
            ("run again after they were settled", &self.after_settled),
            ("never sent", &self.unknown),
            ("set aside", &self.set_aside),
        ];
        let few = |list: &[String]| list.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let lists = lists.map(|(what, list)| format!("{} {what}: {}", list.len(), few(list)));
        let counts = [
            ("stuck", self.stuck),
            ("orphans", self.orphans),
            ("killed workers left more undone than they had slots", self.undone_beyond_slots as u64),
            ("workers ran more at once than they had slots", self.beyond_slots as u64),
            ("taken for poison beyond what so many kills can make", self.blamed_beyond_kills() as u64),
            ("workers fell, or did not stop well", self.fallen as u64),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}"));
        lists.chain(counts).collect()
    }

    /// A death is one suspect's at most, and several make a job poison.
    fn blamed_beyond_kills(&self) -> usize {
        self.blamed.saturating_sub(self.kills / DEATHS)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, seed, jobs, chains, chords, kills, begun, met, .. } = self;
        let faults = if self.faults { ", connections cut and scripts forgotten" } else { "" };
        writeln!(
            f,
            "{store}, seed {seed}: {jobs} jobs ({chains} chains, {chords} chords), {kills} workers killed{faults}"
        )?;
        let Self { twice, bodies_twice, cut_off, not_settled, most_undone, most_at_once, .. } = self;
        writeln!(
            f,
            "  {begun} of them had begun jobs, {met} were in the middle of some; nobody ran more than {most_at_once}"
        )?;
        writeln!(
            f,
            "  run again: {twice} bodies, {bodies_twice} of chords: {cut_off} were cut off, {not_settled} not settled"
        )?;
        writeln!(f, "  at most {most_undone} of them, or of those taken for poison, were of one killed worker")?;
        writeln!(f, "  whole again {:.1} s after the last kill", self.recovered_ms as f64 / 1000.0)?;
        let (lost, sent_twice) = (self.lost.len(), self.sent_twice.len());
        let Self { stuck, blamed, orphans, .. } = self;
        writeln!(
            f,
            "  lost {lost}, sent twice {sent_twice}, stuck {stuck}, taken for poison {blamed}, orphans {orphans}"
        )?;
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        let broken = self.broken();
        if broken.is_empty() {
            return write!(f, "  every promise was kept");
        }
        write!(f, "  BROKEN: {}; ledger and log: {}", broken.join("; "), self.kept.as_deref().unwrap_or("-"))
    }
}
