//! apalis on Redis, as it is by default, and at its fastest.

use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};

use crate::Outcome;
use crate::contract::{Job, concurrency, is_bulk, number, say, send_each, text, url};

fn config() -> Config {
    let config = Config::default().queue("bench");
    match text("BENCH_VARIANT").as_str() {
        "fastest" => config.lock_tasks(false).emit_events(false).batch_size(1000),
        _ => config,
    }
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
    let storage = RedisStorage::<Job, _>::new(apalis_redis::connect(url()).await?);
    // So that a killed worker is soon found out; the default says 30 s, 10 missed.
    let config = config().heartbeat_interval(Duration::from_secs(2)).missed_heartbeats(3);
    let name = format!("bench-{}", std::process::id());
    WorkerBuilder::new(name).backend(storage.with_config(config)).concurrency(concurrency()).build(run).run().await?;
    Ok(())
}
