//! What is told to Prometheus. `docs/operations.md` explains each name; a snapshot in the tests keeps them.

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::depths::Depth;
use crate::engine::Engine;
use crate::health::histogram::Histogram;
use crate::health::tally::Tally;
use crate::host;

pub(super) use prometheus_text::CONTENT_TYPE;

type Labels = Vec<(&'static str, String)>;

/// The whole page; without depths when the store does not say.
///
/// # Errors
///
/// None that could happen: it is written into memory.
pub(super) fn page(engine: &Arc<Engine>, depths: Option<Vec<Depth>>) -> Result<String, Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Shown { engine: Arc::clone(engine), depths }));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

/// One look at a worker.
struct Shown {
    engine: Arc<Engine>,
    depths: Option<Vec<Depth>>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}

impl Collector for Shown {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut sheet = Sheet(encoder);
        self.worker(&mut sheet)?;
        self.jobs(&mut sheet)?;
        self.slots(&mut sheet)?;
        self.store(&mut sheet)?;
        self.queues(&mut sheet)
    }
}

impl Shown {
    fn worker(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let engine = &self.engine;
        let store = engine.client.store().display_url().split(':').next().unwrap_or_default().to_owned();
        let info = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("worker", engine.config.hostname.to_string()),
            ("store", store),
        ];
        sheet.gauges("queue_worker_info", "What runs here; always 1", [(info, 1.0)])?;
        sheet.gauge(
            "queue_worker_uptime_seconds",
            "Since the worker started",
            seconds(engine.control.started.elapsed()),
        )?;
        let silence = seconds(engine.health.pulse.silence());
        sheet.gauge("queue_event_loop_silent_seconds", "Since the event loop turned last; about 1 at most", silence)?;
        match host::resident_kib() {
            0 => Ok(()),
            kib => sheet.gauge("process_resident_memory_bytes", "Resident memory of the process", number(kib * 1024)),
        }
    }

    fn jobs(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let tallies = self.engine.tasks.tallies();
        let mut outcomes = Vec::new();
        for (task, tally) in &tallies {
            for (outcome, reason, count) in tally.outcomes() {
                let mut labels = vec![("task", (*task).to_owned()), ("outcome", outcome.to_owned())];
                if !reason.is_empty() {
                    labels.push(("reason", reason.to_owned()));
                }
                outcomes.push((labels, count));
            }
        }
        sheet.counters("queue_jobs", "Jobs whose end, or next try, is stored, by what became of them", outcomes)?;
        let wait = "How long jobs waited, from when they were sent or due until their bodies began";
        sheet.histograms("queue_wait_seconds", wait, by_task(&tallies, |tally| &tally.wait))?;
        let run = "How long the bodies of jobs ran, however they ended";
        sheet.histograms("queue_run_seconds", run, by_task(&tallies, |tally| &tally.run))?;
        let blocked = tallies.iter().map(|(task, tally)| (vec![("task", (*task).to_owned())], get(&tally.blocked)));
        let blocked: Vec<_> = blocked.collect();
        sheet.counters(
            "queue_tasks_blocked",
            "How often a body kept a thread of the event loop for seconds",
            blocked,
        )?;
        let blocking = number(self.engine.health.blocking().len() as u64);
        sheet.gauge("queue_tasks_blocking", "Bodies that keep a thread of the event loop now", blocking)
    }

    fn slots(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let engine = &self.engine;
        let size = |n: usize| number(n as u64);
        sheet.gauge("queue_slots", "How many jobs may run at once", size(engine.slots.concurrency()))?;
        sheet.gauge("queue_slots_busy", "Jobs that run now", size(engine.jobs.running()))?;
        let stuck = size(engine.slots.stuck_now());
        sheet.gauge("queue_slots_stuck", "Slots taken by blocking tasks past their time limit", stuck)?;
        sheet.gauge(
            "queue_jobs_held",
            "Messages in this worker's hands that have not ended",
            size(engine.jobs.in_hand()),
        )?;
        let waiting = size(engine.settler.waiting());
        sheet.gauge("queue_ends_waiting", "Ends of jobs on their way to the store", waiting)
    }

    fn store(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let (engine, health) = (&self.engine, &self.engine.health);
        let up = if engine.outage.is_on() { 0.0 } else { 1.0 };
        sheet.gauge("queue_store_up", "1 while the store answers this worker", up)?;
        let silent = seconds(engine.outage.answered_ago());
        sheet.gauge("queue_store_silent_seconds", "Since the store answered this worker last", silent)?;
        sheet.counter("queue_heartbeats", "Heartbeats that the store answered", get(&health.beats))?;
        sheet.counter("queue_outages", "How often the store went away", engine.outage.count())?;
        sheet.counter("queue_reconnects", "Connections to the store that broke", engine.consumer.reconnects())?;
        let trips = get(&health.watchdog_trips);
        sheet.counter("queue_watchdog_trips", "Reconnections since ready messages did not come", trips)?;
        sheet.counter("queue_leased", "Messages lent to this worker", health.intake.leased())?;
        let lost = "Ends that were refused since the lease was lost: the job runs again, or ended elsewhere";
        sheet.counter("queue_leases_lost", lost, get(&health.leases_lost))?;
        let reclaimed = "Messages of dead workers that this one took back into their queues";
        sheet.counter("queue_reclaimed", reclaimed, get(&health.reclaimed))?;
        let batches = [(Labels::new(), &health.batches)];
        sheet.histograms("queue_settle_batch_size", "How many ends each call to the store carried", batches)
    }

    fn queues(&self, sheet: &mut Sheet<'_>) -> Result<(), Error> {
        let known = if self.depths.is_some() { 1.0 } else { 0.0 };
        sheet.gauge("queue_depths_known", "1 when the store told the depths of the queues for this page", known)?;
        let depths = self.depths.as_deref().unwrap_or_default();
        let name = |depth: &Depth| ("queue", depth.queue.to_string());
        let states = depths.iter().flat_map(|depth| {
            let counts = &depth.counts;
            let states = [
                ("ready", counts.ready),
                ("scheduled", counts.scheduled),
                ("leased", counts.leased),
                ("dead", counts.dead),
            ];
            states.map(|(state, n)| (vec![name(depth), ("state", state.to_owned())], number(n)))
        });
        sheet.gauges("queue_messages", "Messages in the queues this worker consumes", states)?;
        let suspects = depths.iter().map(|depth| (vec![name(depth)], number(depth.counts.suspects)));
        sheet.gauges("queue_suspects", "Of the ready messages, those whose worker died", suspects)?;
        // Empty is young.
        let ages = depths.iter().filter(|depth| depth.oldest.is_some() || depth.counts.ready == 0);
        let ages = ages.map(|depth| (vec![name(depth)], seconds(depth.oldest.unwrap_or_default())));
        sheet.gauges("queue_oldest_age_seconds", "How long the oldest ready message has waited", ages)
    }
}

fn by_task<'a>(tallies: &[(&str, &'a Tally)], which: fn(&'a Tally) -> &'a Histogram) -> Vec<(Labels, &'a Histogram)> {
    tallies.iter().map(|(task, tally)| (vec![("task", (*task).to_owned())], which(tally))).collect()
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "for people and their graphs")]
fn number(n: u64) -> f64 {
    n as f64
}

/// Writes one family of metrics after the other; one without rows is left out.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        self.gauges(name, help, [(Labels::new(), value)])
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        self.counters(name, help, [(Labels::new(), value)])
    }

    fn gauges(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, f64)>) -> Result<(), Error> {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        rows.try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    fn counters(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) -> Result<(), Error> {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        rows.try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    fn histograms<'h>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, &'h Histogram)>,
    ) -> Result<(), Error> {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        rows.try_for_each(|(labels, histogram)| {
            let counted = histogram.counted();
            let mut row = family.encode_family(&labels)?;
            row.encode_histogram::<NoLabelSet>(counted.sum, counted.count, &counted.buckets, None)
        })
    }
}
