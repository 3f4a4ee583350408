//! How a lease is shared out among weighted queues.
//!
//! Pure: smooth credits, kept over calls. Each queue earns its weight of what is leased and pays for what it got, so
//! that over time the jobs run match the weights however small each lease is. A queue that had nothing lends its
//! share: it neither earns while it is empty nor asks for it back later.

/// A queue's standing.
#[derive(Debug, Clone)]
struct Account {
    weight: f64,
    /// How many messages it may still expect; negative when it got more than its due.
    credit: f64,
    /// It had nothing left when it was last asked.
    empty: bool,
}

/// The accounts of a worker's queues, in the order the queues are named.
#[derive(Debug, Clone)]
pub(crate) struct Credits(Vec<Account>);

impl Credits {
    /// Opens an account for each weight; a weight of 0 counts as 1.
    pub(crate) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        Self(weights.into_iter().map(|w| Account { weight: f64::from(w.max(1)), credit: 0.0, empty: false }).collect())
    }

    /// How many of the next `limit` messages each queue is due; they add up to `limit`.
    pub(crate) fn shares(&self, limit: usize) -> Vec<usize> {
        let total: f64 = self.0.iter().map(|account| account.weight).sum();
        let mut credits: Vec<f64> = self.0.iter().map(|account| account.credit).collect();
        let mut shares = vec![0; self.0.len()];
        for _ in 0..limit {
            for (credit, account) in credits.iter_mut().zip(&self.0) {
                *credit += account.weight / total;
            }
            let Some(richest) = richest(&credits) else { break };
            credits[richest] -= 1.0;
            shares[richest] += 1;
        }
        shares
    }

    /// Books what a lease with these `shares` brought.
    pub(crate) fn book(&mut self, shares: &[usize], taken: &[usize]) {
        for (account, (share, taken)) in self.0.iter_mut().zip(shares.iter().zip(taken)) {
            account.note(*share, *taken);
        }
        let rich = || self.0.iter().zip(taken).filter(|(account, _)| !account.empty);
        let weights: f64 = rich().map(|(account, _)| account.weight).sum();
        let earned: f64 = rich().map(|(_, taken)| count(*taken)).sum();
        for (account, taken) in self.0.iter_mut().zip(taken).filter(|(account, _)| !account.empty) {
            account.credit += earned * account.weight / weights - count(*taken);
        }
    }
}

impl Account {
    /// Fewer than its share means that the queue is empty now; not having been asked means nothing.
    fn note(&mut self, share: usize, taken: usize) {
        if taken < share {
            self.empty = true;
            self.credit = 0.0;
        } else if taken > 0 {
            self.empty = false;
        }
    }
}

/// The first of the greatest.
fn richest(credits: &[f64]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (i, credit) in credits.iter().enumerate() {
        if best.is_none_or(|b| *credit > credits[b] + 1e-9) {
            best = Some(i);
        }
    }
    best
}

/// Lease sizes are at most a thousand, so exact as `f64`.
fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
