//! What was measured, as a table and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Round;

/// The times of all outages, in seconds.
#[derive(Debug, Serialize)]
pub struct Times {
    /// How often each was played.
    pub rounds: usize,
    /// How many workers there were.
    pub workers: usize,
    /// How many jobs each ran at once.
    pub slots: usize,
    /// One by one.
    pub outages: Vec<Outage>,
}

/// The times of one, in seconds, a round after the other.
#[derive(Debug, Serialize)]
pub struct Outage {
    /// What happened to the server.
    pub name: &'static str,
    /// From when it answered again until the first body began.
    pub first: Vec<f64>,
    /// Until each worker had begun one.
    pub each: Vec<f64>,
}

impl Times {
    pub(super) fn new(rounds: usize, workers: usize, slots: usize) -> Self {
        Self { rounds, workers, slots, outages: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &'static str, round: Round) {
        if self.outages.last().is_none_or(|last| last.name != name) {
            self.outages.push(Outage { name, first: Vec::new(), each: Vec::new() });
        }
        if let Some(outage) = self.outages.last_mut() {
            outage.first.push(seconds(round.first));
            outage.each.push(seconds(round.each));
        }
    }

    /// The rounds in which a worker took longer than `bound`.
    pub fn broken(&self, bound: Duration) -> Vec<String> {
        let slow = |outage: &Outage| {
            let rounds = outage.each.iter().filter(|time| **time > bound.as_secs_f64());
            rounds.map(|time| format!("{}: a worker consumed again after {time:.3} s", outage.name)).collect::<Vec<_>>()
        };
        self.outages.iter().flat_map(slow).collect()
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The least, the one in the middle, and the most.
fn spread(times: &[f64]) -> [f64; 3] {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    [0, times.len() / 2, times.len() - 1].map(|place| times[place])
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, workers, slots, outages } = self;
        writeln!(
            f,
            "seconds from the store's answer to the next body, {workers} workers of {slots} slots, {rounds} rounds"
        )?;
        write!(f, "{:34}{:^24}{:^24}", "", "the first body", "one of each worker")?;
        write!(f, "\n{:34}", "")?;
        for name in ["least", "middle", "most", "least", "middle", "most"] {
            write!(f, "{name:>8}")?;
        }
        for outage in outages {
            write!(f, "\n{:34}", outage.name)?;
            for time in spread(&outage.first).into_iter().chain(spread(&outage.each)) {
                write!(f, "{time:8.3}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_in_which_one_worker_is_late_is_named() {
        let mut times = Times::new(2, 2, 4);
        let ms = Duration::from_millis;
        times.add("asleep", Round { first: ms(10), each: ms(20) });
        times.add("asleep", Round { first: ms(30), each: ms(2001) });
        times.add("full", Round { first: ms(5), each: ms(2000) });
        assert_eq!(times.broken(ms(2000)), ["asleep: a worker consumed again after 2.001 s"]);
        assert_eq!(times.broken(ms(3000)), [""; 0]);
    }
}
