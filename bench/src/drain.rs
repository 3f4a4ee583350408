//! How fast one worker process empties a queue.

use std::time::Instant;

use crate::Outcome;
use crate::peer::{Bench, empty, stop, until};
use crate::report::Report;
use crate::tasks::noop;

/// How many tasks the worker runs at once.
const CONCURRENCY: usize = 200;
/// How many more messages it may hold, so that leasing, running and settling overlap.
const PREFETCH: usize = 200;

/// Fills the queue, then starts a worker; the clock runs from the first job taken to the last one settled.
pub(crate) async fn measure(bench: &Bench<'_>, jobs: usize, report: &mut Report) -> Outcome<()> {
    for (results, name) in [(false, "drain, no results"), (true, "drain, with results")] {
        let client = bench.fresh().await?;
        let before = match bench.redis {
            Some(redis) => redis.info("memory", "used_memory").await?,
            None => 0,
        };
        let begun = Instant::now();
        client.send_many((0..jobs as u64).map(|n| noop.s(n).ignore_result(!results))).await?;
        report.rate(&bench.name, "enqueue with send_many", "jobs/s", jobs, begun);
        if let Some(redis) = bench.redis {
            let after = redis.info("memory", "used_memory").await?;
            report.figure(&bench.name, "bytes per queued job", "B", (after - before) as f64 / jobs as f64);
            redis.command::<()>(&["CONFIG", "RESETSTAT"]).await?;
        }
        let worker = bench.worker(CONCURRENCY, PREFETCH)?;
        until(&client, |counts| counts.ready < jobs as u64).await?;
        let begun = Instant::now();
        until(&client, empty).await?;
        report.rate(&bench.name, name, "jobs/s", jobs, begun);
        if let Some(redis) = bench.redis {
            let (calls, usec) = redis.cost().await?;
            report.figure(&bench.name, &format!("{name}: commands per job"), "", calls as f64 / jobs as f64);
            report.figure(&bench.name, &format!("{name}: server time per job"), "us", usec as f64 / jobs as f64);
        }
        if let Some(rss) = crate::idle::rss_kib(worker.id()) {
            report.figure(&bench.name, &format!("{name}: memory afterwards"), "MiB", rss as f64 / 1024.0);
        }
        stop(worker).await?;
    }
    Ok(())
}
