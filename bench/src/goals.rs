//! Where it must come out, and whether it did: each goal is a sentence and a figure of this run.

use crate::figures::{Figures, show};
use crate::measure::sqlite::{SQLITE, TURN};
use crate::measure::{scale, what};
use crate::subject::floor::FLOOR;
use crate::subject::list::OURS_STATIC;

const OURS: &str = "queue";
/// How much an operation may grow with a thousand times as much waiting: its steps do not, caches do.
const FLAT: f64 = 3.0;
use what::{
    BULK, BY_CRATE, BY_SCRIPTS, BYTES, DRAIN, DRAIN_RESULTS, GREW, IDLE_COMMANDS, IDLE_RSS, P50, P99, SERVER_CPU_US,
    SERVER_US, SINGLE, processes, with_results,
};

/// One goal.
pub(crate) struct Goal {
    pub(crate) sentence: String,
    pub(crate) target: f64,
    pub(crate) at_least: bool,
    pub(crate) measured: Option<f64>,
    pub(crate) unit: &'static str,
}

impl Goal {
    /// Nothing when it was not measured.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.measured.map(|value| if self.at_least { value >= self.target } else { value <= self.target })
    }

    /// The target as text.
    pub(crate) fn target(&self) -> String {
        let sign = if self.at_least { "≥" } else { "≤" };
        format!("{sign} {} {}", show(self.target), self.unit).trim_end().to_owned()
    }
}

/// All goals of this run.
pub(crate) fn goals(figures: &Figures, peers: &[&'static str]) -> Vec<Goal> {
    let mut all = Vec::new();
    let mut goal = |sentence: &str, at_least: bool, target: f64, unit, measured: Option<f64>| {
        all.push(Goal { sentence: sentence.to_owned(), target, at_least, measured, unit });
    };
    let ours = |what: &str| figures.median(OURS, what);
    let share = |what: &str, of: &str| figures.ratio((OURS, what), (of, what));
    goal("drain without results", true, 100_000.0, "jobs/s", ours(DRAIN));
    goal("drain with results", true, 50_000.0, "jobs/s", ours(DRAIN_RESULTS));
    goal("drain ÷ BullMQ's", true, 5.0, "×", share(DRAIN, "BullMQ"));
    goal("drain with results ÷ BullMQ's", true, 5.0, "×", share(DRAIN_RESULTS, "BullMQ"));
    goal("drain ÷ Celery prefork's", true, 80.0, "×", share(DRAIN, "Celery prefork"));
    goal("drain with results ÷ Celery prefork's", true, 80.0, "×", share(DRAIN_RESULTS, "Celery prefork"));
    let apalis = figures.ratio((OURS, DRAIN_RESULTS), ("apalis-redis, fastest", DRAIN_RESULTS));
    goal("drain with results ÷ apalis at its fastest and least safe", true, 1.2, "×", apalis);
    for (what, name) in [(DRAIN, "without"), (DRAIN_RESULTS, "with")] {
        let limit = share(what, BY_SCRIPTS).map(|share| share * 100.0);
        goal(&format!("share of the limit (our scripts, bare), {name} results"), true, 50.0, "%", limit);
        goal(&format!("the same, stretch, {name} results"), true, 70.0, "%", limit);
        let plain = share(what, FLOOR).map(|share| share * 100.0);
        goal(&format!("share of plain commands, bare, {name} results"), true, 50.0, "%", plain);
    }
    let with = with_results(SERVER_US);
    for (what, name) in [(SERVER_US, "without"), (with.as_str(), "with")] {
        let scripts = share(what, BY_SCRIPTS);
        goal(
            &format!("server time ÷ the bare lease and settle pair (scripts), {name} results"),
            false,
            1.5,
            "×",
            scripts,
        );
        goal(&format!("server time ÷ the same as plain commands, {name} results"), false, 1.5, "×", share(what, FLOOR));
    }
    let with_cpu = with_results(SERVER_CPU_US);
    for (what, name) in [(SERVER_CPU_US, "without"), (with_cpu.as_str(), "with")] {
        // A command's own time counts what else the processor did meanwhile; this does not.
        let scripts = share(what, BY_SCRIPTS);
        goal(&format!("server CPU ÷ the bare pair's (scripts), {name} results"), false, 1.5, "×", scripts);
    }
    let percent = |of: &str| figures.ratio((OURS, SINGLE), (of, SINGLE)).map(|share| share * 100.0);
    goal("enqueue one at a time, of bare LPUSH", true, 90.0, "%", percent(FLOOR));
    goal("the same, of LPUSH by the redis crate", true, 90.0, "%", percent(BY_CRATE));
    goal("enqueue many at a time", true, 100_000.0, "jobs/s", ours(BULK));
    goal("latency p50 ÷ bare LPUSH-to-BLMOVE", false, 1.5, "×", handover(figures));
    for what in [P50, P99] {
        let best = peers.iter().filter_map(|peer| figures.median(peer, what)).min_by(f64::total_cmp);
        let ratio = best.and_then(|best| Some(ours(what)? / best));
        goal(&format!("{what} ÷ the best peer's"), false, 1.0, "×", ratio);
    }
    goal("bytes per queued job", false, 450.0, "B", ours(BYTES));
    goal("idle: commands per second, concurrency 200", false, 1.0, "", ours(IDLE_COMMANDS));
    goal("idle: memory", false, 8.0, "MiB", ours(IDLE_RSS));
    goal("the same, linked statically", false, 8.0, "MiB", figures.median(OURS_STATIC, IDLE_RSS));
    goal("memory: growth from the first 100,000 jobs to the last", false, 2.0, "MiB", figures.median(OURS, GREW));
    goal("SQLite: drain one file", true, 20_000.0, "jobs/s", figures.median(SQLITE, DRAIN));
    let (one, four) = (processes(1), processes(4));
    goal("SQLite: four processes ÷ one", true, 1.0, "×", figures.ratio((SQLITE, &four), (SQLITE, &one)));
    goal("SQLite: wait for a turn, p99.9", false, 250.0, "ms", figures.median(SQLITE, TURN));
    let (growth, beyond) = growths(figures);
    let sentence = format!("a backlog of a million (--quick: 200,000): what grew most, many ÷ few{beyond}");
    goal(&sentence, false, FLAT, "×", growth);
    goal("a backlog of a million (--quick: 200,000): slowest command", false, 5.0, "ms", slowest(figures));
    all
}

/// Ours against the hand-overs of the same rounds.
fn handover(figures: &Figures) -> Option<f64> {
    Some(figures.median(OURS, P50)? / figures.median(FLOOR, P50)?)
}

/// How much the operation's server time grew that grew most, and all that grew more than they may. A file is not judged: its
/// time is the clock's, with the disk's sync in it.
fn growths(figures: &Figures) -> (Option<f64>, String) {
    let ours = figures.rows.iter().filter(|row| row.subject == OURS && row.unit == "us");
    let growths = ours.filter_map(|row| {
        let (state, operation, false) = scale::parts(&row.what)? else { return None };
        let few = figures.median(OURS, &scale::name(state, operation, true))?;
        Some((row.median() / few, state, operation))
    });
    let growths: Vec<_> = growths.collect();
    let beyond = growths.iter().filter(|(growth, ..)| *growth > FLAT);
    let beyond: Vec<_> = beyond.map(|(_, state, operation)| format!("{operation}, {state}")).collect();
    let beyond = if beyond.is_empty() { String::new() } else { format!(" (too much: {})", beyond.join("; ")) };
    (growths.iter().map(|(growth, ..)| *growth).max_by(f64::total_cmp), beyond)
}

fn slowest(figures: &Figures) -> Option<f64> {
    let names =
        ["queued", "scheduled", "dead", "results", "revoked"].map(|state| scale::name(state, what::SLOWEST, false));
    names.iter().filter_map(|name| figures.median(OURS, name)).max_by(f64::total_cmp)
}
