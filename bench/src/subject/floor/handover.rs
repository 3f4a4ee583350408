//! The shortest way of a message from one connection to another: `LPUSH` here, a waiting `BLMOVE` there.

use std::time::{Duration, Instant};

use super::SIZE;
use super::resp::Bare;
use crate::Outcome;

/// Milliseconds from just before each push until the other side has it.
pub(crate) fn handover(port: u16, count: usize, gap: Duration) -> Outcome<Vec<f64>> {
    let origin = Instant::now();
    let waiter = std::thread::spawn(move || -> Outcome<Vec<Duration>> {
        let mut bare = Bare::connect(port)?;
        let mut arrived = Vec::new();
        for _ in 0..count {
            bare.add(&[b"BLMOVE", b"floor", b"floor-held", b"RIGHT", b"LEFT", b"10"]);
            bare.exchange()?;
            arrived.push(origin.elapsed());
        }
        Ok(arrived)
    });
    let mut bare = Bare::connect(port)?;
    let text = [b'x'; SIZE];
    let mut sent = Vec::new();
    for _ in 0..count {
        std::thread::sleep(gap);
        sent.push(origin.elapsed());
        bare.add(&[b"LPUSH", b"floor", &text]);
        bare.exchange()?;
    }
    let arrived = waiter.join().map_err(|_| "the waiting side panicked")??;
    Ok(arrived.iter().zip(&sent).map(|(arrived, sent)| arrived.saturating_sub(*sent).as_secs_f64() * 1e3).collect())
}
