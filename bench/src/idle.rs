//! What a worker costs that has nothing to do.

use std::time::Duration;

use crate::Outcome;
use crate::peer::{Bench, empty, stop, until};
use crate::report::Report;
use crate::tasks::noop;

/// How long to watch it.
const WATCH: Duration = Duration::from_secs(20);

/// Memory of a worker that ran one job, and the commands it sends while it waits.
pub(crate) async fn measure(bench: &Bench<'_>, report: &mut Report) -> Outcome<()> {
    let client = bench.fresh().await?;
    client.send(noop.s(0).ignore_result(true)).await?;
    let worker = bench.worker(10, 0)?;
    until(&client, empty).await?;
    drop(client);
    if let Some(redis) = bench.redis {
        redis.command::<()>(&["CONFIG", "RESETSTAT"]).await?;
        tokio::time::sleep(WATCH).await;
        let (calls, _) = redis.cost().await?;
        report.figure(&bench.name, "idle: commands sent per second", "", calls as f64 / WATCH.as_secs_f64());
    } else {
        tokio::time::sleep(WATCH / 10).await;
    }
    if let Some(rss) = rss_kib(worker.id()) {
        report.figure(&bench.name, "idle: resident memory", "MiB", rss as f64 / 1024.0);
    }
    stop(worker).await
}

/// Resident memory of a process in KiB, as `ps` says it (on Linux and macOS alike).
pub(crate) fn rss_kib(pid: Option<u32>) -> Option<u64> {
    let output = std::process::Command::new("ps").args(["-o", "rss=", "-p", &pid?.to_string()]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
