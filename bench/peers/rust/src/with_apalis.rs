//! apalis on Redis, as it is by default, and at its fastest.
//!
//! A worker of a plain `RedisStorage` asks again when its own heartbeat wakes it, and by nothing else. `RedisStorageFactory`
//! would wake it by what a push publishes, but apalis-redis 1.0.0 gives each push a due time and publishes only those without.
//! So a clock wakes it, one of ours: that of `poll_with_interval` is not armed again when it strikes while a fetch is under way
//! that finds nothing, and then the worker sleeps until its heartbeat.

use std::task::Poll;
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};
use futures_util::stream::{self, Stream};
use tokio::time::{MissedTickBehavior, interval};

use crate::Outcome;
use crate::contract::{Job, concurrency, is_bulk, number, say, send_each, text, url};

fn config() -> Config {
    let config = Config::default().queue("bench");
    match text("BENCH_VARIANT").as_str() {
        "fastest" => config.lock_tasks(false).emit_events(false).batch_size(1000),
        _ => config,
    }
}

/// Wakes the worker that has nothing to do: as often as makes sense where latency is measured, elsewhere such that an idle
/// worker is bearable.
fn clock() -> impl Stream<Item = ()> + Unpin + Send + Sync + 'static {
    let mut ticks = interval(Duration::from_millis(if text("BENCH_PART") == "latency" { 1 } else { 100 }));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::poll_fn(move |cx| {
        let mut struck = Poll::Pending;
        // Until it is armed for the next time.
        while ticks.poll_tick(cx).is_ready() {
            struck = Poll::Ready(Some(()));
        }
        struck
    })
}

async fn run(job: Job) -> Result<(), BoxDynError> {
    job.run().await;
    Ok(())
}

pub(crate) async fn enqueue() -> Outcome<()> {
    let storage = RedisStorage::<Job, _>::new(apalis_redis::connect(url()).await?).with_config(config());
    if number("BENCH_DELAY_MS") > 0 {
        return Err("its due times are whole seconds".into());
    }
    if !is_bulk() {
        return send_each(1, |job| {
            let mut storage = storage.clone();
            async move { storage.push(job).await.map_err(|error| format!("{error:?}").into()) }
        })
        .await;
    }
    let mut storage = storage;
    let (begun, count) = (Instant::now(), number("BENCH_COUNT"));
    for start in (0..count).step_by(1000) {
        let jobs = (start..(start + 1000).min(count)).map(Job::of_order).collect();
        storage.push_bulk(jobs).await.map_err(|error| format!("{error:?}"))?;
    }
    say(begun);
    Ok(())
}

pub(crate) async fn worker() -> Outcome<()> {
    // So that a killed worker is soon found out; the default says 30 s, 10 missed.
    let config = config().heartbeat_interval(Duration::from_secs(2)).missed_heartbeats(3);
    let storage = RedisStorage::<Job, _>::new(apalis_redis::connect(url()).await?).with_config(config);
    let worker = WorkerBuilder::new(format!("bench-{}", std::process::id()));
    worker.backend(storage.poll_with_stream(clock())).concurrency(concurrency()).build(run).run().await?;
    Ok(())
}
