//! Calls that do not fit their task, and the price of a task being a constant.

use queue_core::prelude::*;

#[task]
async fn receipt(order_id: u64, note: String) -> u64 {
    let _ = note;
    order_id
}

async fn calls() -> Result<(), Box<dyn std::error::Error>> {
    receipt.delay("42", "a text").await?;
    receipt.delay(42).await?;
    let answer: String = receipt.delay(42, "thanks").await?.get(seconds(1)).await?;
    receipt(42, "the function itself".into());
    // A variable of the task's name: name it differently, or call the task by its path.
    let receipt = 5;
    Ok(())
}

fn main() {}
