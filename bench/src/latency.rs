//! How long a job waits while a worker is idle: from just before it is sent until its body begins. Worker and producer share
//! this process and its clock.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::peer::{Bench, empty, until};
use crate::report::{Report, percentile};
use crate::tasks::{STARTED, stamp};

/// Sends `count` jobs, each after the one before has begun.
pub(crate) async fn measure(bench: &Bench<'_>, count: usize, report: &mut Report) -> Outcome<()> {
    let client = bench.fresh().await?;
    let worker = queue_worker::Worker::new().queue("bench").concurrency(10).start(client.clone()).await?;
    let mut waits = Vec::with_capacity(count);
    for n in 0..count + 20 {
        let sent = Instant::now();
        client.send(stamp.s()).await?;
        let began = loop {
            let first = STARTED.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match first {
                Some(at) => break at,
                None if sent.elapsed() > Duration::from_secs(10) => return Err("a job did not start".into()),
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        // The first ones warm the connections up.
        if n >= 20 {
            waits.push(began.duration_since(sent).as_secs_f64() * 1000.0);
        }
        // Until it is settled and the worker waits again.
        until(&client, empty).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    worker.shutdown();
    worker.wait().await?;
    report.figure(&bench.name, "enqueue to start, p50", "ms", percentile(&mut waits, 0.5));
    report.figure(&bench.name, "enqueue to start, p99", "ms", percentile(&mut waits, 0.99));
    Ok(())
}
