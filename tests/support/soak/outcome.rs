//! What the store says in the end: what it has set aside, and what came of all that was sent.

use std::collections::HashSet;

use queue_core::Client;
use queue_core::store::{DeadLetter, DeadReason, JobState};

use super::ledger::Ledger;
use super::plan::Plan;
use super::report::Report;
use super::{Sent, queue};

/// What was set aside for the deaths of its workers.
#[derive(Debug, Default)]
pub(super) struct Blamed {
    /// The jobs, chains and chords that failed by it.
    units: HashSet<String>,
    /// The labels that come to no end by it.
    pub(super) labels: HashSet<String>,
}

/// Looks at all that was set aside.
pub(super) async fn set_aside(client: &Client, ledger: &Ledger, plan: &Plan, report: &mut Report) -> Blamed {
    let (mut blamed, mut cursor) = (Blamed::default(), None);
    loop {
        let page = client.store().page(&queue(), JobState::Dead, cursor.as_ref(), 100).await.unwrap();
        for (_, letter) in page.jobs.into_iter().filter_map(|job| job.dead) {
            blamed.judge(&letter, ledger, plan, report);
        }
        cursor = page.next;
        if cursor.is_none() {
            return blamed;
        }
    }
}

impl Blamed {
    /// So many kills meet some job three times while it is the only suspect of its worker. It must have run then, and each
    /// time in a worker that was killed; whatever else was set aside is wrong.
    pub(super) fn judge(&mut self, letter: &DeadLetter, ledger: &Ledger, plan: &Plan, report: &mut Report) {
        let id = letter.id.as_deref().unwrap_or_default();
        let label = ledger.killed_each_time(id).filter(|_| letter.reason == DeadReason::Poison);
        match label.and_then(|label| Some((label, plan.unit_of(label)?))) {
            Some((label, unit)) => {
                report.blamed += 1;
                self.labels.extend(unit.falling_with(label));
                self.units.insert(unit.label.clone());
            }
            None => report.set_aside.push(format!("{id}: {}", letter.error)),
        }
    }
}

/// In the store's eyes each job, chain and chord has ended, with the right result: a failure where a job of it is to blame.
pub(super) async fn results(client: &Client, sent: &[Sent], blamed: &Blamed, report: &mut Report) {
    for some in sent.chunks(500) {
        let ids: Vec<_> = some.iter().map(|sent| sent.id.clone()).collect();
        let found = client.store().get_results(&ids).await.unwrap();
        for (sent, found) in some.iter().zip(found) {
            let label = &sent.unit.label;
            match found.map(|meta| String::from_utf8_lossy(&meta).into_owned()) {
                None => report.unsettled.push(label.clone()),
                Some(meta) if blamed.units.contains(label) && meta.starts_with("{\"status\": \"FAILURE\"") => {}
                Some(meta) if !blamed.units.contains(label) && is_success(&meta, sent.unit.result()) => {}
                Some(meta) => report.wrong.push(format!("{label}: {}", meta.chars().take(200).collect::<String>())),
            }
        }
    }
}

fn is_success(meta: &str, result: u64) -> bool {
    meta.starts_with("{\"status\": \"SUCCESS\"") && meta.contains(&format!("\"result\": {result},"))
}
