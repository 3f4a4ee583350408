//! One transaction for a group of requests: from the turn to the answers.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::fault::{Fault, Outcome};
use super::super::turn::{Gate, Turn};
use super::super::tx::{Effects, Meta, Queues, Tx, write_tally};
use super::Setup;
use super::request::{Group, Request};
use crate::clock::Clock;
use crate::failpoint;
use crate::store::StoreError;

/// A transaction that did not happen.
pub(super) struct Failed {
    pub(super) group: Group,
    /// Why, and whether it may have happened all the same.
    pub(super) cause: (Fault, bool),
    /// Whether it got the lock.
    pub(super) began: bool,
}

impl Failed {
    /// Whether to try each request alone would be wrong, or the same again.
    pub(super) fn is_final(&self) -> bool {
        // A commit whose outcome is unknown must not be repeated.
        let unknown = self.cause.1;
        unknown || !self.began || self.group.len() == 1
    }

    /// Tells everybody.
    pub(super) fn tell(self, url: &str) {
        let (fault, unknown) = self.cause;
        for request in self.group {
            request.failed(fault.clone().tell(url, unknown));
        }
    }
}

/// A transaction that ran and is to be committed.
pub(super) struct Done {
    group: Group,
    refused: Vec<(Box<dyn Request>, Fault)>,
    effects: Effects,
    meta: Meta,
}

/// Takes this process's turn and SQLite's lock.
pub(super) fn begin(setup: &Setup) -> Outcome<Option<Turn<'_>>> {
    let start = Instant::now();
    let turn = setup.gate.as_ref().map(Gate::enter);
    loop {
        let begun = setup.connection.execute_batch("BEGIN IMMEDIATE");
        // Not before: the file may go while others have the lock, and who asks meanwhile comes along.
        setup.connection.check().inspect_err(|_| roll_back(&setup.connection))?;
        let Err(error) = begun else { return Ok(turn) };
        let fault = Fault::from(error);
        match fault.is_busy() {
            true if start.elapsed() < setup.patience => {
                std::thread::sleep(Duration::from_micros(fastrand::u64(200..2000)));
            }
            true => return Err(Fault::Locked(start.elapsed())),
            false => return Err(fault),
        }
    }
}

pub(super) fn roll_back(connection: &Connection) {
    // SQLite has rolled back by itself when the disk was full.
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::warn!(%error, "a transaction could not be rolled back");
    }
}

/// Runs each request of a group. An error means that the whole transaction is lost.
pub(super) fn run_group(
    connection: &Connection,
    queues: &mut Queues,
    clock: &Clock,
    group: Group,
) -> Result<Done, Failed> {
    let lost = |group, fault| Failed { group, cause: (fault, false), began: true };
    let meta = match Meta::read(connection) {
        Ok(meta) => meta,
        Err(error) => return Err(lost(group, error.into())),
    };
    let before = meta;
    let mut done = Done { group: Vec::new(), refused: Vec::new(), effects: Effects::default(), meta };
    let alone = group.len() == 1;
    let mut waiting = group.into_iter();
    while let Some(mut request) = waiting.next() {
        let mut tx = Tx::new(connection, queues, done.meta, clock.now());
        let run = if alone { request.run(&mut tx) } else { run_guarded(connection, &mut *request, &mut tx) };
        match run {
            Ok(()) => {
                done.meta = tx.meta;
                done.effects.merge(tx.effects);
                done.group.push(request);
            }
            Err(fault) if alone => return Err(lost(vec![request], fault)),
            Err(fault) => {
                queues.clear();
                done.refused.push((request, fault));
                if connection.is_autocommit() {
                    return Err(lost(done.into_group(waiting), Fault::Gone));
                }
            }
        }
    }
    let written = write_tally(connection, &done.effects)
        .and_then(|()| if done.meta == before { Ok(()) } else { done.meta.write(connection) });
    match written {
        Ok(()) => Ok(done),
        Err(error) => Err(lost(done.into_group(std::iter::empty()), error.into())),
    }
}

impl Done {
    /// A full disk or a lock is found before anything is final; an I/O error is not that clear.
    pub(super) fn not_committed(self, fault: Fault) -> Failed {
        let unknown = matches!(fault, Fault::Sql { code, .. } if code & 0xff == rusqlite::ffi::SQLITE_IOERR);
        Failed { group: self.into_group(std::iter::empty()), cause: (fault, unknown), began: true }
    }

    /// Everybody, to be tried again.
    fn into_group(self, rest: impl Iterator<Item = Box<dyn Request>>) -> Group {
        self.group.into_iter().chain(self.refused.into_iter().map(|(request, _)| request)).chain(rest).collect()
    }
}

/// Runs a request so that its failure undoes its own writes only.
fn run_guarded(connection: &Connection, request: &mut dyn Request, tx: &mut Tx<'_>) -> Outcome<()> {
    connection.prepare_cached("SAVEPOINT request")?.execute([])?;
    match request.run(tx) {
        Ok(()) => connection.prepare_cached("RELEASE request")?.execute([]).map(drop).map_err(Fault::from),
        Err(fault) => {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK TO request; RELEASE request")?;
            }
            Err(fault)
        }
    }
}

/// After the commit: what the process knows, then those who asked (once the disk has it, where they wait for that), then
/// those who wait.
pub(super) fn finish(setup: &Setup, mut done: Done) {
    setup.hub.know_revocations(done.meta.revocations);
    for request in &mut done.group {
        request.committed();
    }
    answer(setup, done.group);
    for (request, fault) in done.refused {
        request.failed(fault.tell(&setup.url, false));
    }
    setup.hub.apply(&done.effects);
    for identity in &done.effects.reconcile {
        if let Err(error) = identity.reconcile(&setup.connection) {
            tracing::warn!(%error, worker = %identity.spec().hostname, "what this worker holds could not be checked");
        }
    }
}

fn answer(setup: &Setup, group: Group) {
    let (synced, others): (Group, Group) = group.into_iter().partition(|request| request.synced());
    for request in others {
        request.answer();
    }
    if synced.is_empty() {
        return;
    }
    // Even where nothing was written: what was found may be another process's, not yet on the disk.
    let on_disk = setup.log.as_ref().map_or(Ok(()), |log| log.sync(&setup.connection));
    failpoint::hit("commit.synced");
    for request in synced {
        match &on_disk {
            Ok(()) => request.answer(),
            Err(fault) => request.failed(in_doubt(fault.clone(), &setup.url)),
        }
    }
}

/// What the caller is told of a commit that stands, and that the disk may not have. Whatever the fault is: it is not so that
/// nothing happened.
fn in_doubt(fault: Fault, url: &str) -> StoreError {
    fault.tell(url, true).of_unknown_outcome()
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    /// A caller who is told that nothing was sent sends it again, beside what is committed.
    #[test]
    fn what_is_committed_is_never_told_as_nothing() {
        let sql = |code| Fault::Sql { code, text: "no".into() };
        let refusals = [ffi::SQLITE_FULL, ffi::SQLITE_CORRUPT, ffi::SQLITE_READONLY, ffi::SQLITE_LOCKED].map(sql);
        for fault in refusals.into_iter().chain([Fault::Disk("no".into()), Fault::Away("no"), Fault::Gone]) {
            let told = in_doubt(fault.clone(), "sqlite:test");
            assert!(told.outcome_unknown(), "{fault:?}: {told:?}");
        }
    }
}
