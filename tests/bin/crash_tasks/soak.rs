//! Jobs of the soak: each writes into the ledger that it runs, and that it came to its end.

use std::time::Duration;

use queue_core::TaskResult;
use queue_core::prelude::*;

use crate::{write_end, write_run};

async fn work(label: &str, ms: u64, ctx: &Context) -> Result<(), std::io::Error> {
    write_run(label, ctx)?;
    tokio::time::sleep(Duration::from_millis(ms)).await;
    write_end(label)
}

/// A job on its own, of so many milliseconds.
#[task(name = "soak.job")]
async fn job(label: String, ms: u64, ctx: Context) -> TaskResult<u64> {
    work(&label, ms, &ctx).await?;
    Ok(1)
}

/// A task of the header of a chord.
#[task(name = "soak.part")]
async fn part(label: String, ms: u64, ctx: Context) -> TaskResult<u64> {
    work(&label, ms, &ctx).await?;
    Ok(1)
}

/// The body of a chord: how many parts there were.
#[task(name = "soak.total")]
async fn total(parts: Vec<u64>, label: String, ctx: Context) -> TaskResult<u64> {
    work(&label, 0, &ctx).await?;
    Ok(parts.iter().sum())
}

/// A step of a chain: how many there were, this one included.
#[task(name = "soak.step")]
async fn step(n: u64, label: String, ms: u64, ctx: Context) -> TaskResult<u64> {
    work(&format!("{label}.{n}"), ms, &ctx).await?;
    Ok(n + 1)
}

/// A job that is large and does nothing.
#[task(name = "soak.load", ignore_result)]
async fn load(_bytes: String) -> TaskResult<()> {
    Ok(())
}
