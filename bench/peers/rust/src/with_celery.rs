//! rusty-celery.

use std::sync::Arc;

use celery::prelude::*;

use crate::Outcome;
use crate::contract::{Job, number, send_each, url};

#[celery::task]
async fn bench(job: Job) -> TaskResult<()> {
    job.run().await;
    Ok(())
}

async fn app() -> Outcome<Arc<celery::Celery>> {
    let app = celery::app!(
        broker = RedisBroker { url() },
        tasks = [bench],
        task_routes = ["*" => "bench"],
        prefetch_count = 1000,
    )
    .await?;
    Ok(app)
}

pub(crate) async fn enqueue() -> Outcome<()> {
    let app = app().await?;
    let delay = u32::try_from(number("BENCH_DELAY_MS"))?;
    if delay > 0 && delay % 1000 != 0 {
        return Err("it counts its delays in whole seconds".into());
    }
    send_each(64, |job| {
        let app = app.clone();
        async move {
            let signature = bench::new(job);
            let signature = if delay > 0 { signature.with_countdown(delay / 1000) } else { signature };
            app.send_task(signature).await?;
            Ok(())
        }
    })
    .await
}

pub(crate) async fn worker() -> Outcome<()> {
    app().await?.consume_from(&["bench"]).await?;
    Ok(())
}
