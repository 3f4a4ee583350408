//! How the time of each reader grows with what it reads: inputs of n, 2n, 4n and 8n. Ends with 1 where one grows too fast.
//!
//! `cargo run --release --example scaling`. A ratio near 2 is linear, near 4 quadratic; below some milliseconds it says little.
//! `small` is the size of the first input in KiB (default 256).

mod cases;
mod inputs;
mod readers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use cases::cases;
use inputs::Make;
use readers::Read;

/// From 2n to 8n the time grows by no more than this: what is linear by 4, what is quadratic by 16. Many names in a hash table, which
/// leave the processor's caches on that way, grow by up to 11.
const STEEP: f64 = 13.0;
/// A shorter time says nothing about how it grows.
const ENOUGH: Duration = Duration::from_millis(5);
/// How often more is measured what looks steep: a busy host makes things slower, never faster.
const AGAIN: usize = 5;

fn main() -> ExitCode {
    let small = std::env::args().nth(1).and_then(|size| size.parse::<usize>().ok()).unwrap_or(256) << 10;
    let (mut worst, mut steep) = (Vec::new(), Vec::new());
    println!("{:<34} {:>9} {:>9} {:>9} {:>9}   ratios", "", "n", "2n", "4n", "8n");
    for (reader, input, make, read) in cases() {
        let times = [1, 2, 4, 8].map(|times| time(&make(small * times), read));
        let ratios: Vec<f64> = times.windows(2).map(|pair| ratio(pair[0], pair[1])).collect();
        let shown: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.1}")).collect();
        let ms = times.map(|time| format!("{:.2}ms", time.as_secs_f64() * 1e3));
        let name = format!("{reader}: {input}");
        println!("{name:<34} {:>9} {:>9} {:>9} {:>9}   {}", ms[0], ms[1], ms[2], ms[3], shown.join(" "));
        if let Some(at_best) = steepness(&make, read, small, (times[1], times[3])) {
            steep.push(format!("{name}: {at_best:.1} times as long for four times as much"));
        }
        worst.push((ratios[2], name));
    }
    worst.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!(
        "\nthe steepest: {}",
        worst.iter().take(3).map(|(r, name)| format!("{name} ({r:.1})")).collect::<Vec<_>>().join(", ")
    );
    steep.iter().for_each(|reader| println!("TOO STEEP: {reader}"));
    if steep.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How much longer 8n takes than 2n, where that is too much each time that it is measured.
fn steepness(make: &Make, read: Read, small: usize, (mut two, mut eight): (Duration, Duration)) -> Option<f64> {
    let is_steep = |two, eight| eight > ENOUGH && ratio(two, eight) > STEEP;
    for _ in 0..AGAIN {
        if !is_steep(two, eight) {
            return None;
        }
        two = two.min(time(&make(2 * small), read));
        eight = eight.min(time(&make(8 * small), read));
    }
    is_steep(two, eight).then(|| ratio(two, eight))
}

fn ratio(less: Duration, more: Duration) -> f64 {
    more.as_secs_f64() / less.as_secs_f64()
}

/// The best of three.
fn time(input: &[u8], read: Read) -> Duration {
    let once = || {
        let start = Instant::now();
        read(input);
        start.elapsed()
    };
    let first = once();
    // What takes long takes long each time.
    if first > Duration::from_secs(2) { first } else { first.min(once()).min(once()) }
}
