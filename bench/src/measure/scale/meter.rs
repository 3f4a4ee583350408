//! Measures an operation: by the server's time and commands where there is a server, by the clock where there is none.

use std::sync::Arc;
use std::time::Instant;

use queue_core::store::Store;

use super::LIMIT;
use crate::Outcome;
use crate::figures::percentile;
use crate::lab::{Lab, Trial};
use crate::noise::Span;
use crate::subject::Subject;
use crate::subject::contract::Ran;

/// How often an operation is done.
const TIMES: usize = 20;

/// How an operation asks the server, and how often it is done here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls {
    times: usize,
    /// Of these commands only, since what a script calls is in its own time; none: all.
    outer: &'static [&'static str],
}

impl Calls {
    /// By plain commands.
    pub(super) fn plain() -> Self {
        Self { times: TIMES, outer: &[] }
    }

    /// By scripts alone.
    pub(super) fn scripts() -> Self {
        Self { times: TIMES, outer: &["evalsha"] }
    }

    /// Not more than once: it goes through all there is, or leaves nothing.
    pub(super) fn once(self) -> Self {
        Self { times: 1, ..self }
    }
}

/// A store that is full in one way, and where its figures go.
pub(super) struct Meter<'a> {
    lab: &'a mut Lab,
    pub(super) subject: Subject,
    pub(super) trial: Trial,
    pub(super) store: Arc<dyn Store>,
    pub(super) few: bool,
    state: &'static str,
}

impl<'a> Meter<'a> {
    pub(super) async fn new(lab: &'a mut Lab, subject: &Subject, state: &'static str, few: bool) -> Outcome<Self> {
        let trial = lab.trial(subject).await?;
        let store = queue_core::store::connect(&trial.url).await?;
        Ok(Self { lab, subject: subject.clone(), trial, store, few, state })
    }

    /// What filled the store is not what is measured.
    pub(super) async fn filled(&self) -> Outcome<()> {
        self.lab.server.command(&["SLOWLOG", "RESET"]).await
    }

    pub(super) fn has_server(&self) -> bool {
        self.subject.variant != "sqlite"
    }

    /// Measures `operation`, once for itself and then so many times.
    pub(super) async fn cost(
        &mut self,
        what: &str,
        calls: Calls,
        mut operation: impl AsyncFnMut() -> Outcome<()>,
    ) -> Outcome<()> {
        // A script that the server does not know yet, and what no cache holds, would count in.
        operation().await?;
        self.cost_of(what, calls, 1.0, operation).await
    }

    /// As [`Self::cost`] without the first time; an operation is about so many `parts`, and the figure is for one.
    pub(super) async fn cost_of(
        &mut self,
        what: &str,
        calls: Calls,
        parts: f64,
        mut operation: impl AsyncFnMut() -> Outcome<()>,
    ) -> Outcome<()> {
        let span = Span::begin();
        self.lab.server.reset().await?;
        let mut clock = Vec::with_capacity(calls.times);
        for _ in 0..calls.times {
            let begun = Instant::now();
            operation().await?;
            clock.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        if !self.has_server() {
            self.add(what, "us", percentile(&clock, 0.5) / parts, &span);
            return Ok(());
        }
        let (cost, all) = (self.lab.server.cost(calls.outer).await?, parts * calls.times as f64);
        self.add(what, "us", cost.usec / all, &span);
        // One script for very many says nothing for each of them.
        if parts <= 1.0 || calls.outer.is_empty() {
            self.add(&format!("{what}, commands"), "", cost.calls / all, &span);
        }
        Ok(())
    }

    fn add(&mut self, what: &str, unit: &'static str, value: f64, span: &Span) {
        self.lab.figures.add(self.subject.name, &super::name(self.state, what, self.few), unit, value, span);
    }

    /// The cost for each job of a worker that takes `count` of what waits, or more.
    pub(super) async fn worked(&mut self, count: u64) -> Outcome<()> {
        let span = Span::begin();
        self.lab.server.reset().await?;
        let mut worker = [self.trial.worker(self.subject.concurrency, false)?];
        self.trial.until(&mut worker, LIMIT, || Ran::read(&self.trial.notes()).count >= count).await?;
        let [worker] = worker;
        worker.stop().await;
        let ran = Ran::read(&self.trial.notes());
        let us = match self.has_server() {
            true => self.lab.server.cost(self.subject.outer).await?.usec,
            false => (ran.last_us - ran.first_us) as f64,
        };
        self.add("run one (lease and settle)", "us", us / ran.count as f64, &span);
        Ok(())
    }

    /// The slowest command since the store was full.
    pub(super) async fn slowest(&mut self, what: &str) -> Outcome<()> {
        if !self.has_server() {
            return Ok(());
        }
        let log: Vec<redis::Value> = self.lab.server.command(&["SLOWLOG", "GET", "100"]).await?;
        let times = log.iter().filter_map(|entry| match entry {
            redis::Value::Array(fields) => match fields.get(2) {
                Some(redis::Value::Int(us)) => Some(*us as f64 / 1000.0),
                _ => None,
            },
            _ => None,
        });
        let most = times.fold(0.0, f64::max);
        self.add(what, "ms", most, &Span::begin());
        Ok(())
    }
}
