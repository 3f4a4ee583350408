//! What is sent, by the seed.

use std::collections::HashSet;
use std::time::Duration;

use queue_core::{Call, Client, group};
use serde_json::Value;

use super::{QUEUE, Sent};

/// Parts of a chord.
const PARTS: u64 = 20;
/// Steps of a chain.
const STEPS: u64 = 10;
/// The longest job, in milliseconds.
const LONGEST: u64 = 80;

/// One thing that is sent.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) label: String,
    pub(super) kind: Kind,
    pub(super) ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Job,
    Chain,
    Chord,
}

impl Unit {
    /// How many jobs it is.
    fn size(&self) -> u64 {
        match self.kind {
            Kind::Job => 1,
            Kind::Chain => STEPS,
            Kind::Chord => PARTS + 1,
        }
    }

    /// What it must come to.
    pub(super) fn result(&self) -> u64 {
        match self.kind {
            Kind::Job => 1,
            Kind::Chain => STEPS,
            Kind::Chord => PARTS,
        }
    }

    /// The labels that its jobs write into the ledger.
    pub(super) fn labels(&self) -> Vec<String> {
        let Self { label, .. } = self;
        match self.kind {
            Kind::Job => vec![label.clone()],
            Kind::Chain => (0..STEPS).map(|n| format!("{label}.{n}")).collect(),
            Kind::Chord => (0..PARTS).map(|n| format!("{label}.{n}")).chain([format!("{label}.total")]).collect(),
        }
    }

    /// Its labels, each with the one that is sent by the step that settles it: of all steps but the last of a chain, of the
    /// parts of a chord.
    pub(super) fn steps(&self) -> Vec<(String, String)> {
        let labels = self.labels();
        let next = |n: usize| match self.kind {
            Kind::Job => None,
            Kind::Chain => labels.get(n + 1).cloned(),
            Kind::Chord => labels.last().filter(|last| **last != labels[n]).cloned(),
        };
        labels.iter().enumerate().filter_map(|(n, label)| Some((label.clone(), next(n)?))).collect()
    }

    /// The labels that come to no end when this one comes to none: itself, and what follows from it.
    pub(super) fn falling_with(&self, label: &str) -> HashSet<String> {
        let mut falling = HashSet::from([label.to_owned()]);
        for (label, next) in self.steps() {
            if falling.contains(&label) {
                falling.insert(next);
            }
        }
        falling
    }

    /// Whether a label is that of the body of a chord.
    pub(super) fn is_body(label: &str) -> bool {
        label.ends_with(".total")
    }
}

/// All that is sent, in order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) units: Vec<Unit>,
    /// How many jobs there are.
    pub(super) labels: usize,
}

impl Plan {
    /// About one job in ten belongs to a chord, one in twenty to a chain. There is a chord, and a chain, where they have room.
    pub(super) fn new(seed: u64, jobs: usize) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let (mut units, mut labels) = (Vec::new(), 0);
        while labels < jobs {
            let room = (jobs - labels) as u64;
            let kind = match (units.len(), chance.u64(0..1000)) {
                (0, _) | (2.., 0..=5) if room > PARTS => Kind::Chord,
                (1, _) | (2.., 6..=11) if room >= STEPS => Kind::Chain,
                _ => Kind::Job,
            };
            let letter = match kind {
                Kind::Job => 'j',
                Kind::Chain => 's',
                Kind::Chord => 'c',
            };
            let unit = Unit { label: format!("{letter}{}", units.len()), kind, ms: chance.u64(0..=LONGEST) };
            labels += usize::try_from(unit.size()).unwrap();
            units.push(unit);
        }
        Self { units, labels }
    }

    /// The unit that a label is of.
    pub(super) fn unit_of(&self, label: &str) -> Option<&Unit> {
        let name = label.split('.').next().unwrap_or(label);
        self.units.iter().find(|unit| unit.label == name)
    }

    /// How many chords.
    pub(super) fn chords(&self) -> usize {
        self.units.iter().filter(|unit| unit.kind == Kind::Chord).count()
    }

    /// How many chains.
    pub(super) fn chains(&self) -> usize {
        self.units.iter().filter(|unit| unit.kind == Kind::Chain).count()
    }

    /// How many units are to be sent by now: the last a little before the killing ends.
    pub(super) fn due(&self, elapsed: Duration, lasts: Duration) -> usize {
        let part = (elapsed.as_secs_f64() / lasts.as_secs_f64() / 0.95).min(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let due = (self.units.len() as f64 * part) as usize;
        due.min(self.units.len())
    }
}

/// Sends these, each job of its own in one call.
pub(super) async fn send(client: &Client, units: &[Unit]) -> Vec<Sent> {
    let jobs: Vec<_> = units.iter().filter(|unit| unit.kind == Kind::Job).collect();
    let calls = jobs.iter().map(|unit| call("soak.job").args((&unit.label, unit.ms)));
    let handles = client.send_many(calls).await.unwrap();
    let mut sent: Vec<_> = jobs
        .into_iter()
        .zip(handles)
        .map(|(unit, handle)| Sent { unit: unit.clone(), id: handle.id().clone() })
        .collect();
    let mut flows = tokio::task::JoinSet::new();
    for unit in units.iter().filter(|unit| unit.kind != Kind::Job).cloned() {
        let client = client.clone();
        flows.spawn(async move {
            let id = if unit.kind == Kind::Chain { chain(&client, &unit).await } else { chord(&client, &unit).await };
            Sent { unit, id }
        });
    }
    sent.extend(flows.join_all().await);
    sent
}

fn call(task: &'static str) -> Call<Value> {
    Call::named(task).queue(QUEUE)
}

async fn chain(client: &Client, unit: &Unit) -> queue_core::TaskId {
    let next = || call("soak.step").args((&unit.label, unit.ms)).partial();
    let first = call("soak.step").args((0, &unit.label, unit.ms)).then(next());
    let whole = (2..STEPS).fold(first, |chain, _| chain.then(next()));
    client.send(whole).await.unwrap().id().clone()
}

async fn chord(client: &Client, unit: &Unit) -> queue_core::TaskId {
    let parts = (0..PARTS).map(|n| call("soak.part").args((format!("{}.{n}", unit.label), unit.ms)));
    let body = call("soak.total").args([format!("{}.total", unit.label)]).partial();
    client.send(group(parts).then(body)).await.unwrap().id().clone()
}
