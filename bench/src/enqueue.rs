//! How fast jobs go in, and how much room they take.

use std::time::Instant;

use crate::Outcome;
use crate::peer::Bench;
use crate::report::Report;
use crate::tasks::noop;

/// One producer that waits for each answer; then batches of a thousand.
pub(crate) async fn measure(bench: &Bench<'_>, singles: usize, report: &mut Report) -> Outcome<()> {
    let client = bench.fresh().await?;
    let begun = Instant::now();
    for n in 0..singles {
        client.send(noop.s(n as u64)).await?;
    }
    report.rate(&bench.name, "enqueue one by one", "jobs/s", singles, begun);
    Ok(())
}
