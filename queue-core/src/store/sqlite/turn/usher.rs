//! The thread that waits in line, so that its process may give up waiting.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Locks, Place};

/// Waits in line for the writing thread.
#[derive(Debug)]
pub(super) struct Usher {
    desk: Arc<Desk>,
}

/// Where the two threads meet.
#[derive(Debug)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is wanted.
    Idle,
    /// The usher is to stand in line from there on, or does.
    Wanted(Place),
    /// It has got the turn.
    Has,
    /// It could not stand in line.
    Failed,
    /// It still stands there, but its process went on without.
    GivenUp,
    /// The gate is gone.
    Closed,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mut state: MutexGuard<'_, State>, new: State) {
        *state = new;
        drop(state);
        self.changed.notify_all();
    }
}

impl Usher {
    pub(super) fn start(locks: Arc<Locks>) -> io::Result<Self> {
        let desk = Arc::new(Desk { state: Mutex::new(State::Idle), changed: Condvar::new() });
        let usher = Arc::clone(&desk);
        std::thread::Builder::new().name("queue-sqlite-turn".into()).spawn(move || serve(&usher, &locks))?;
        Ok(Self { desk })
    }

    /// Whether it still stands in line for a turn that was given up.
    pub(super) fn stands_in_line(&self) -> bool {
        *self.desk.state() == State::GivenUp
    }

    /// Whether it got the turn within that time. Not to be asked while it stands in line.
    pub(super) fn lead_in(&self, place: Place, patience: Duration) -> bool {
        self.desk.set(self.desk.state(), State::Wanted(place));
        let waited = self
            .desk
            .changed
            .wait_timeout_while(self.desk.state(), patience, |state| matches!(state, State::Wanted(_)));
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let has = *state == State::Has;
        *state = if matches!(*state, State::Wanted(_)) { State::GivenUp } else { State::Idle };
        has
    }
}

impl Drop for Usher {
    fn drop(&mut self) {
        self.desk.set(self.desk.state(), State::Closed);
    }
}

fn serve(desk: &Desk, locks: &Locks) {
    loop {
        let idle = |state: &mut State| !matches!(state, State::Wanted(_) | State::Closed);
        let state = desk.changed.wait_while(desk.state(), idle).unwrap_or_else(PoisonError::into_inner);
        let State::Wanted(place) = *state else { return };
        drop(state);
        let passed = locks.pass(place);
        let state = desk.state();
        match (*state, passed) {
            (State::Wanted(_), Ok(())) => desk.set(state, State::Has),
            (State::Wanted(_), Err(error)) => {
                tracing::debug!(%error, "no turn can be taken on this file system");
                desk.set(state, State::Failed);
            }
            (given_up, passed) => {
                if passed.is_ok() {
                    locks.leave(Place::Passed);
                }
                if given_up == State::GivenUp {
                    desk.set(state, State::Idle);
                }
            }
        }
    }
}
