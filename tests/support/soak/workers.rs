//! The workers, each a process of its own, that come and go.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::{QUEUE, Soak};
use crate::{Child, signal};

/// Those that live, and who was killed.
pub(super) struct Workers {
    soak: Soak,
    dir: PathBuf,
    live: Vec<Child>,
    /// The ids of the processes.
    pub(super) killed: HashSet<u32>,
}

impl Workers {
    pub(super) fn start(soak: &Soak, dir: &Path) -> Self {
        let mut workers = Self { soak: soak.clone(), dir: dir.to_owned(), live: Vec::new(), killed: HashSet::new() };
        for _ in 0..soak.workers {
            workers.hire();
        }
        workers
    }

    /// `kill -9` for one, and another one in its place.
    pub(super) fn kill_one(&mut self, chance: &mut fastrand::Rng) {
        let mut victim = self.live.swap_remove(chance.usize(..self.live.len()));
        victim.kill();
        self.killed.insert(victim.pid());
        self.hire();
    }

    fn hire(&mut self) {
        let Self { soak, dir, .. } = self;
        let log = OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
        let ledger = dir.join("ledger").display().to_string();
        let slots = soak.slots.to_string();
        let env = [("QUEUE_URL", soak.url.as_str()), ("CRASH_LEDGER", &ledger)];
        let args = ["-Q", QUEUE, "-c", &slots, "--log-level", "info"];
        let worker = Child::start_logged(&soak.worker, &args, &env, log);
        // The system gives ids again: a process that lives now was not the one that was killed.
        assert!(!self.killed.contains(&worker.pid()), "process ids went round; run it for a shorter time");
        self.live.push(worker);
    }

    /// Asks all to stop: who was killed, and of each that was not, whether it stopped as it should.
    pub(super) async fn stop(mut self) -> (HashSet<u32>, Vec<bool>) {
        for worker in &mut self.live {
            if worker.ended().is_none() {
                signal(worker.pid(), "TERM");
            }
        }
        let mut well = Vec::new();
        for mut worker in self.live {
            well.push(worker.end().await.success());
        }
        (self.killed, well)
    }
}
