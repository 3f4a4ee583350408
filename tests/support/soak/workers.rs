//! The workers, each a process of its own, that come and go.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::ledger::Ledger;
use super::{QUEUE, Soak};
use crate::{Child, signal};

/// Those that live, and what all of them wrote down.
pub(super) struct Workers {
    soak: Soak,
    dir: PathBuf,
    /// Each with its number: the system gives process ids again.
    live: Vec<(u32, Child)>,
    hired: u32,
    pub(super) ledger: Ledger,
    /// How many ended otherwise than they should.
    fallen: usize,
}

/// One turn in so many takes anybody, also who is just starting.
const ANYBODY: u8 = 4;
/// What a worker ends with whose store could not be opened: somebody cut its first connection.
const NOT_OPENED: i32 = 3;

impl Workers {
    pub(super) fn start(soak: &Soak, dir: &Path) -> Self {
        let (live, ledger) = (Vec::new(), Ledger::new(dir));
        let mut workers = Self { soak: soak.clone(), dir: dir.to_owned(), live, hired: 0, ledger, fallen: 0 };
        for _ in 0..soak.workers {
            workers.hire();
        }
        workers
    }

    /// The supervisor: who fell is replaced.
    pub(super) fn tend(&mut self) {
        for place in (0..self.live.len()).rev() {
            if let Some(status) = self.live[place].1.ended() {
                self.live.swap_remove(place);
                self.note(status);
                self.hire();
            }
        }
    }

    /// One ended of whom nobody asked it. Where connections are cut it may be the first one of a worker.
    fn note(&mut self, status: ExitStatus) {
        let cut = self.soak.has_faults() && status.code() == Some(NOT_OPENED);
        self.fallen += usize::from(!cut);
    }

    /// `kill -9` for one, and another one in its place.
    pub(super) fn kill_one(&mut self, chance: &mut fastrand::Rng) {
        self.tend();
        self.ledger.read_on();
        let Some(place) = self.victim(chance) else { return };
        let (number, mut victim) = self.live.swap_remove(place);
        self.ledger.write_kill(number);
        victim.kill();
        self.hire();
    }

    /// Mostly one in the middle of a job, else one that has begun some. On a busy host all would be killed while they start,
    /// and interrupt nothing, if that were left to chance: then nobody is killed at most turns.
    fn victim(&self, chance: &mut fastrand::Rng) -> Option<usize> {
        let drawn = chance.usize(..self.live.len());
        if chance.u8(..ANYBODY) == 0 {
            return Some(drawn);
        }
        let mut from_there = (drawn..self.live.len()).chain(0..drawn);
        let working = from_there.clone().find(|place| self.ledger.is_at_work(self.live[*place].0));
        working.or_else(|| from_there.find(|place| self.ledger.has_begun(self.live[*place].0)))
    }

    fn hire(&mut self) {
        self.hired += 1;
        let Self { soak, dir, hired, .. } = self;
        let log = OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
        let ledger = dir.join("ledger").display().to_string();
        let (slots, number) = (soak.slots.to_string(), hired.to_string());
        let env = [("QUEUE_URL", soak.url.as_str()), ("CRASH_LEDGER", &ledger), ("CRASH_NUMBER", &number)];
        let args = ["-Q", QUEUE, "-c", &slots, "--log-level", "info"];
        let worker = Child::start_logged(&soak.worker, &args, &env, log);
        self.live.push((self.hired, worker));
    }

    /// Asks all to stop: what was written down, and how many ended otherwise than they should.
    pub(super) async fn stop(mut self) -> (Ledger, usize) {
        let mut asked = Vec::new();
        for (_, mut worker) in std::mem::take(&mut self.live) {
            match worker.ended() {
                Some(status) => self.note(status),
                None => {
                    signal(worker.pid(), "TERM");
                    asked.push(worker);
                }
            }
        }
        for mut worker in asked {
            self.fallen += usize::from(!worker.end().await.success());
        }
        self.ledger.read_on();
        (self.ledger, self.fallen)
    }
}
