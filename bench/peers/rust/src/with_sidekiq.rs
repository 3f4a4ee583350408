//! rusty-sidekiq.

use std::time::Duration;

use async_trait::async_trait;
use bb8::Pool;
use sidekiq::{Processor, ProcessorConfig, RedisConnectionManager, RedisPool, Worker, WorkerOpts};

use crate::Outcome;
use crate::contract::{Job, concurrency, number, send_each, url};

#[derive(Clone)]
struct Bench;

#[async_trait]
impl Worker<Job> for Bench {
    fn opts() -> WorkerOpts<Job, Self> {
        WorkerOpts::new().queue("bench")
    }

    async fn perform(&self, job: Job) -> sidekiq::Result<()> {
        job.run().await;
        Ok(())
    }
}

async fn pool(size: usize) -> Outcome<RedisPool> {
    let manager = RedisConnectionManager::new(url())?;
    Ok(Pool::builder().max_size(u32::try_from(size)?).build(manager).await?)
}

pub(crate) async fn enqueue() -> Outcome<()> {
    let pool = pool(64).await?;
    let delay = Duration::from_millis(number("BENCH_DELAY_MS"));
    send_each(64, |job| {
        let pool = pool.clone();
        async move {
            match delay.is_zero() {
                true => Bench::perform_async(&pool, job).await?,
                false => Bench::perform_in(&pool, delay, job).await?,
            }
            Ok(())
        }
    })
    .await
}

pub(crate) async fn worker() -> Outcome<()> {
    let workers = concurrency();
    let pool = pool(workers + 10).await?;
    let config = ProcessorConfig::default().num_workers(workers);
    let mut processor = Processor::new(pool, vec!["bench".to_owned()]).with_config(config);
    processor.register(Bench);
    processor.run().await;
    Ok(())
}
