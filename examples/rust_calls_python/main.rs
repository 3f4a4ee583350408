//! A Rust program calls tasks of a Python worker: by name, with arguments as JSON; results, failures and options are as ever.
//!
//! `examples/rust_calls_python/run` starts a Redis and a Celery worker with `tasks.py`, then this.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;

use queue_core::prelude::*;

const PATIENCE: Duration = seconds(30);

/// The queue that the Python worker consumes, and no Rust worker: each knows only its own tasks.
fn billing(task: &'static str) -> Call {
    Call::named(task).queue("billing")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::from_env().await?;

    // `convert.delay("250.00", "CZK")` in Python. A Decimal comes as text, which loses nothing.
    let job = client.send(billing("billing.convert").args(("250.00", "CZK"))).await?;
    let euros = job.get(PATIENCE).await?;
    println!("250.00 CZK are {} EUR", euros.as_str().unwrap_or_default());

    // Keyword arguments, options of this one call, and many at once in one round trip.
    let lines = json!([["Darjeeling, 100 g", "12.90"], ["Teapot", "34.00"]]);
    let invoice = |order: u32| billing("billing.invoice").args((order,)).kwargs(json!({ "lines": lines })).priority(3);
    let jobs = client.send_many((1..=3).map(invoice)).await?;
    for job in &jobs {
        let text = client.job::<String>(job.id().clone()).get(PATIENCE).await?;
        println!("{text}");
    }

    // What Python raised: the class, its arguments, the traceback.
    let job = client.send(billing("billing.convert").args(("1.00", "XYZ"))).await?;
    let Err(JobError::Failed(why)) = job.get(PATIENCE).await else {
        return Err("rust_calls_python: an unknown currency was converted".into());
    };
    println!("1.00 XYZ: {} of {} said {:?}", why.exc_type, why.exc_module, why.message);

    println!("rust_calls_python: {} results and 1 {}", 1 + jobs.len(), why.exc_type);
    Ok(())
}
