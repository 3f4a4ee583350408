//! Bare `LPUSH`: one at a time, and many with one command.

use std::time::{Duration, Instant};

use super::SIZE;
use super::resp::Bare;
use crate::Outcome;

/// `count` times an `LPUSH`, each after the answer to the one before.
pub(crate) fn single(port: u16, count: u64) -> Outcome<Duration> {
    let mut bare = Bare::connect(port)?;
    let text = [b'x'; SIZE];
    let begun = Instant::now();
    for _ in 0..count {
        bare.add(&[b"LPUSH", b"floor", &text]);
        bare.exchange()?;
    }
    Ok(begun.elapsed())
}

/// The same through the crate `redis`, on its shared connection: what of our own cost is that crate's.
pub(crate) async fn single_by_crate(url: &str, count: u64) -> Outcome<Duration> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let text = [b'x'; SIZE];
    let begun = Instant::now();
    for _ in 0..count {
        redis::cmd("LPUSH").arg("floor").arg(&text[..]).query_async::<()>(&mut connection).await?;
    }
    Ok(begun.elapsed())
}

/// `count` messages, so many with each `LPUSH`.
pub(crate) fn bulk(port: u16, count: u64, batch: u64) -> Outcome<Duration> {
    let mut bare = Bare::connect(port)?;
    let text = [b'x'; SIZE];
    let begun = Instant::now();
    for _ in 0..count / batch {
        bare.begin(usize::try_from(batch)? + 2);
        bare.word(b"LPUSH");
        bare.word(b"floor");
        (0..batch).for_each(|_| bare.word(&text));
        bare.exchange()?;
    }
    Ok(begun.elapsed())
}
