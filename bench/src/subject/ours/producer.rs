//! The producer of the contract: enqueues what its environment says, and prints how long that took.

use std::time::{Duration, Instant};

use queue_core::Client;
use queue_core::canvas::Call;

use super::notes::now_us;
use super::tasks::{blob, fail, ledger, noop, stamp};
use crate::Outcome;
use crate::subject::contract::{Order, TEXT, Task};

pub(crate) async fn enqueue() -> Outcome<()> {
    let order = Order::from_env()?;
    let client = Client::connect(&std::env::var("BENCH_URL")?).await?;
    client.store().now().await?;
    let begun = Instant::now();
    if order.task == Task::Stamp {
        stamps(&client, &order).await?;
    } else if order.single {
        for n in 0..order.count {
            client.send(call(&order, n)).await?;
        }
    } else {
        client.send_many((0..order.count).map(|n| call(&order, n))).await?;
    }
    println!("enqueued {} {}", order.count, begun.elapsed().as_secs_f64());
    Ok(())
}

fn call(order: &Order, n: u64) -> Call<()> {
    let call = match order.task {
        Task::Noop => noop.s(n).ignore_result(!order.results),
        Task::Blob => blob.s(TEXT),
        Task::Ledger => ledger.s(n, order.file.clone()),
        Task::Fail => fail.s(),
        Task::Stamp => stamp.s(now_us() + order.delay.as_micros() as u64),
    };
    if order.delay.is_zero() { call } else { call.countdown(order.delay) }
}

/// One after another, with a pause: each finds an idle worker.
async fn stamps(client: &Client, order: &Order) -> Outcome<()> {
    for n in 0..order.count {
        client.send(call(order, n)).await?;
        if !order.gap.is_zero() {
            tokio::time::sleep(order.gap.max(Duration::from_millis(1))).await;
        }
    }
    Ok(())
}
