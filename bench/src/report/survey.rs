//! This run beside an earlier survey of the peers, on a quiet machine of two cores: a peer that is much worse here is set up
//! wrongly, or the machine is busy. Better is no reason to worry: dramatiq and huey have two processes here.

use crate::figures::{Figures, show};
use crate::measure::what::{BULK, DRAIN, DRAIN_RESULTS, P50, P99};

/// More than this much worse is worth a warning.
const ENOUGH: f64 = 0.7;

/// Who, what, how much: jobs per second, or milliseconds.
const SURVEY: [(&str, &str, f64); 28] = [
    ("Celery prefork", DRAIN, 551.0),
    ("Celery prefork", DRAIN_RESULTS, 585.0),
    ("dramatiq", DRAIN, 3200.0),
    ("huey", DRAIN, 3300.0),
    ("rusty-celery", DRAIN, 6200.0),
    ("BullMQ", DRAIN, 11_300.0),
    ("BullMQ", DRAIN_RESULTS, 11_800.0),
    ("rusty-sidekiq", DRAIN, 14_800.0),
    ("apalis-redis, default", DRAIN_RESULTS, 5800.0),
    ("apalis-redis, fastest", DRAIN_RESULTS, 33_300.0),
    ("apalis-redis, default", BULK, 67_600.0),
    ("rusty-celery", BULK, 58_700.0),
    ("rusty-sidekiq", BULK, 27_900.0),
    ("BullMQ", BULK, 12_800.0),
    ("Celery prefork", BULK, 846.0),
    ("rusty-sidekiq", P50, 0.65),
    ("rusty-sidekiq", P99, 2.5),
    ("huey", P50, 0.9),
    ("huey", P99, 1.5),
    ("taskiq", P50, 1.5),
    ("taskiq", P99, 7.7),
    ("BullMQ", P50, 1.7),
    ("BullMQ", P99, 11.6),
    ("Celery prefork", P50, 3.6),
    ("Celery prefork", P99, 10.7),
    ("apalis-redis, default", P50, 49.0),
    ("apalis-redis, default", P99, 99.0),
    ("rusty-celery", P50, 554.0),
];

/// One figure of both.
pub(super) struct Beside {
    who: &'static str,
    what: &'static str,
    survey: f64,
    measured: f64,
}

impl Beside {
    /// How good it is here, 1 as in the survey: measured ÷ survey of a rate, survey ÷ measured of a time.
    fn share(&self) -> f64 {
        if [P50, P99].contains(&self.what) { self.survey / self.measured } else { self.measured / self.survey }
    }

    fn is_worse(&self) -> bool {
        self.share() < ENOUGH
    }

    /// As a row of Markdown's table.
    pub(super) fn row(&self) -> String {
        let warning = if self.is_worse() { "**worse**" } else { "" };
        let (survey, measured, share) = (show(self.survey), show(self.measured), 100.0 * self.share());
        format!("| {} | {} | {survey} | {measured} | {share:.0} % | {warning} |", self.who, self.what)
    }
}

/// All that both have.
pub(super) fn beside(figures: &Figures) -> Vec<Beside> {
    let both = SURVEY.iter().filter_map(|&(who, what, survey)| {
        let measured = figures.median(who, what)?;
        Some(Beside { who, what, survey, measured })
    });
    both.collect()
}

/// A line for each peer that is much worse here.
pub(super) fn warnings(figures: &Figures) -> Vec<String> {
    let all = beside(figures);
    let mut peers: Vec<_> = all.iter().filter(|one| one.is_worse()).map(|one| one.who).collect();
    peers.sort_unstable();
    peers.dedup();
    let line = |who: &str| {
        let worse = all.iter().filter(|one| one.who == who && one.is_worse());
        let each: Vec<_> = worse.map(|one| format!("{} {:.0} %", one.what, 100.0 * one.share())).collect();
        format!("{who} is more than 30 % worse than in the survey: {}", each.join("; "))
    };
    peers.into_iter().map(line).collect()
}

pub(super) fn json(figures: &Figures) -> Vec<serde_json::Value> {
    let each = beside(figures).into_iter().map(|one| {
        serde_json::json!({"subject": one.who, "what": one.what, "survey": one.survey, "measured": one.measured,
            "share": one.share(), "worse": one.is_worse()})
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Span;

    #[test]
    fn a_time_and_a_rate_are_worse_in_opposite_directions() {
        let mut figures = Figures::default();
        let span = Span::begin();
        figures.add("BullMQ", DRAIN, "jobs/s", 22_600.0, &span);
        figures.add("BullMQ", P50, "ms", 3.4, &span);
        figures.add("huey", P50, "ms", 0.45, &span);
        let shares: Vec<_> = beside(&figures).iter().map(Beside::share).collect();
        assert_eq!(shares, [2.0, 2.0, 0.5]);
        let expected = format!("BullMQ is more than 30 % worse than in the survey: {P50} 50 %");
        assert_eq!(warnings(&figures), [expected]);
    }
}
