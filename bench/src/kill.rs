//! What a kill -9 costs: of 5,000 jobs of 5 ms, how many are lost, how many run twice, how long until all is done.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::peer::{Bench, empty, stop, until};
use crate::report::Report;
use crate::tasks::ledger;

const JOBS: u64 = 5000;
const CONCURRENCY: usize = 10;

/// Two workers; one is killed when a third of the jobs are done.
pub(crate) async fn measure(bench: &Bench<'_>, report: &mut Report) -> Outcome<()> {
    let client = bench.fresh().await?;
    let file = bench.directory.join("ledger");
    let _ = std::fs::remove_file(&file);
    let path = file.to_string_lossy().into_owned();
    client.send_many((0..JOBS).map(|n| ledger.s(n, path.clone()))).await?;
    let (mut victim, other) = (bench.worker(CONCURRENCY, 0)?, bench.worker(CONCURRENCY, 0)?);
    let lines = || std::fs::read_to_string(&file).unwrap_or_default();
    let begun = Instant::now();
    while lines().lines().count() < JOBS as usize / 3 {
        if begun.elapsed() > Duration::from_secs(120) {
            return Err("the workers do nothing".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    victim.kill().await?;
    let killed = Instant::now();
    until(&client, empty).await?;
    report.figure(&bench.name, "kill -9: until all is done", "s", killed.elapsed().as_secs_f64());
    stop(other).await?;
    let mut runs: HashMap<u64, u64> = HashMap::new();
    for line in lines().lines() {
        *runs.entry(line.parse()?).or_default() += 1;
    }
    report.figure(&bench.name, "kill -9: lost", "jobs", (JOBS - runs.len() as u64) as f64);
    report.figure(&bench.name, "kill -9: ran twice", "jobs", runs.values().filter(|runs| **runs > 1).count() as f64);
    Ok(())
}
