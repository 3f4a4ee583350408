//! Jobs that take their worker with them.

use std::hint::black_box;
use std::time::Duration;

use queue_core::TaskResult;
use queue_core::prelude::*;

use crate::{count, write_down};

/// A leak grows by so much at once.
const GULP: usize = 16 << 20;

/// A job that takes its worker with it, once those that it waits for have begun. How: `abort`, `overflow` of its stack, or `leak`
/// until there is no memory left.
#[task(name = "crash.poison")]
async fn poison(label: String, company: usize, how: String) -> TaskResult<u64> {
    write_down("began", &label)?;
    while count("began")? <= company {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    match how.as_str() {
        "overflow" => Ok(dig(0)),
        "leak" => leak(),
        _ => std::process::abort(),
    }
}

/// Never comes to an end of its own.
fn dig(depth: u64) -> u64 {
    let room = black_box([depth; 128]);
    if depth == u64::MAX { 0 } else { dig(depth + 1) + black_box(room[7]) }
}

/// Asks for memory until there is none.
fn leak() -> ! {
    loop {
        std::mem::forget(black_box(Vec::<u8>::with_capacity(GULP)));
    }
}
