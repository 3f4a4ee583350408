//! What the workers wrote down: whose body ran where, of a message that came for the first time or again.

use std::collections::{BTreeMap, BTreeSet};

use super::{PARTS, SLOTS, STEPS};
use crate::scene::Scene;

/// The runs of each task, by its label.
pub(crate) struct Runs(BTreeMap<String, Vec<Run>>);

#[derive(Debug)]
struct Run {
    pid: String,
    first: bool,
    id: String,
}

impl Runs {
    pub(crate) fn read(scene: &Scene) -> Self {
        let mut runs: BTreeMap<String, Vec<Run>> = BTreeMap::new();
        for line in scene.lines("run") {
            let [label, pid, time, id] = line.try_into().unwrap();
            runs.entry(label).or_default().push(Run { pid, first: time == "first", id });
        }
        Self(runs)
    }

    /// Every task ran, and its message was sent once: one id; one delivery at most that did not come from a dead worker; and
    /// since a worker's death brings each message back once, no process ran it twice.
    pub(crate) fn check(&self, killed: usize) {
        let expected = (0..PARTS).map(|n| format!("part{n}"));
        let expected = expected.chain((0..STEPS).map(|n| format!("step{n}"))).chain(["total".to_owned()]);
        assert_eq!(self.0.keys().cloned().collect::<BTreeSet<_>>(), expected.collect());
        for (label, runs) in &self.0 {
            let distinct = |of: fn(&Run) -> &String| runs.iter().map(of).collect::<BTreeSet<_>>().len();
            assert_eq!(distinct(|run| &run.id), 1, "{label} was sent under two ids: {runs:?}");
            assert!(runs.iter().filter(|run| run.first).count() <= 1, "{label} was sent twice: {runs:?}");
            assert_eq!(distinct(|run| &run.pid), runs.len(), "{label} was there twice: {runs:?}");
        }
        assert!(self.twice() <= killed * SLOTS, "{} ran twice, {killed} workers died", self.twice());
    }

    /// How many runs there were beyond the first of each task.
    pub(crate) fn twice(&self) -> usize {
        self.0.values().map(|runs| runs.len() - 1).sum()
    }

    /// How often the chord's body ran.
    pub(crate) fn bodies(&self) -> usize {
        self.0["total"].len()
    }
}
