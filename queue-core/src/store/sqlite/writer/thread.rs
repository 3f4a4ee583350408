//! The thread itself: which requests share a transaction, and what becomes of each.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::super::fault::Fault;
use super::super::tx::Queues;
use super::Setup;
use super::request::{Group, Request};
use super::transaction::{Failed, begin, finish, roll_back, run_group};
use crate::failpoint;

/// How many requests share a transaction at most.
const GROUP: usize = 256;

pub(super) struct Thread {
    setup: Setup,
    inbox: Receiver<Box<dyn Request>>,
    queues: Queues,
    /// How long others kept the last transaction from its beginning.
    held_up: Duration,
}

impl Thread {
    pub(super) fn new(setup: Setup, inbox: Receiver<Box<dyn Request>>) -> Self {
        Self { setup, inbox, queues: Queues::default(), held_up: Duration::ZERO }
    }

    /// Serves until nobody can ask any more.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.inbox.recv() {
            let mut group = vec![first];
            self.join(&mut group);
            self.serve(group);
        }
    }

    /// Adds what has been asked for meanwhile.
    fn join(&self, group: &mut Group) {
        let room = GROUP.saturating_sub(group.len());
        group.extend(self.inbox.try_iter().take(room));
    }

    fn serve(&mut self, group: Group) {
        let group = self.in_time(group);
        if group.is_empty() {
            return;
        }
        match self.transact(group, true) {
            Ok(()) => (),
            Err(failed) if failed.is_final() => failed.tell(&self.setup.url),
            // Which of them it was shows when each runs alone.
            Err(failed) => self.serve_each(failed.group),
        }
    }

    /// Refuses what has waited for longer than one may wait for the lock; the rest.
    fn in_time(&self, group: Group) -> Group {
        let (late, rest): (Group, Group) =
            group.into_iter().partition(|request| request.asked().elapsed() > self.setup.patience);
        for request in late {
            let waited = request.asked().elapsed();
            // Others, or the disk.
            let why = if self.held_up > self.setup.patience / 2 { Fault::Locked } else { Fault::Late };
            request.failed(why(waited).tell(&self.setup.url, false));
        }
        rest
    }

    fn serve_each(&mut self, group: Group) {
        for request in group {
            let alone = self.in_time(vec![request]);
            if !alone.is_empty()
                && let Err(failed) = self.transact(alone, false)
            {
                failed.tell(&self.setup.url);
            }
        }
    }

    /// One transaction. `open`: whoever has asked by the time that it begins comes along.
    fn transact(&mut self, mut group: Group, open: bool) -> Result<(), Failed> {
        let asked = Instant::now();
        let begun = begin(&self.setup);
        self.held_up = asked.elapsed();
        let turn = match begun {
            Ok(turn) => turn,
            Err(fault) => return Err(Failed { group, cause: (fault, false), began: false }),
        };
        if open {
            self.join(&mut group);
        }
        let (setup, connection) = (&self.setup, &self.setup.connection);
        let ended = run_group(connection, &mut self.queues, &setup.clock, group).and_then(|done| {
            failpoint::hit("commit.before");
            match connection.execute_batch("COMMIT") {
                Ok(()) => Ok(done),
                Err(error) => Err(done.not_committed(error.into())),
            }
        });
        match ended {
            Ok(done) => {
                failpoint::hit("commit.after");
                // The next process writes while the disk takes what this one has written.
                drop(turn);
                finish(setup, done);
                failpoint::hit("commit.told");
                Ok(())
            }
            Err(failed) => {
                roll_back(connection);
                self.queues.clear();
                Err(failed)
            }
        }
    }
}
