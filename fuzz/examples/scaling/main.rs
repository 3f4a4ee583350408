//! How the time of each reader grows with what it reads: inputs of n, 2n, 4n and 8n, by hand.
//!
//! `cargo run --release --example scaling`. A ratio near 2 is linear, near 4 quadratic; below a millisecond it says little.
//! `small` is the size of the first input in KiB (default 256).

mod cases;
mod inputs;
mod readers;

use std::time::{Duration, Instant};

use cases::cases;
use readers::Read;

fn main() {
    let small = std::env::args().nth(1).and_then(|size| size.parse::<usize>().ok()).unwrap_or(256) << 10;
    let mut worst = Vec::new();
    println!("{:<34} {:>9} {:>9} {:>9} {:>9}   ratios", "", "n", "2n", "4n", "8n");
    for (reader, input, make, read) in cases() {
        let times = [1, 2, 4, 8].map(|times| time(&make(small * times), read));
        let ratios: Vec<f64> = times.windows(2).map(|pair| pair[1].as_secs_f64() / pair[0].as_secs_f64()).collect();
        let shown: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.1}")).collect();
        let ms = times.map(|time| format!("{:.2}ms", time.as_secs_f64() * 1e3));
        let name = format!("{reader}: {input}");
        println!("{name:<34} {:>9} {:>9} {:>9} {:>9}   {}", ms[0], ms[1], ms[2], ms[3], shown.join(" "));
        worst.push((ratios[2], name));
    }
    worst.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!(
        "\nthe steepest: {}",
        worst.iter().take(3).map(|(r, name)| format!("{name} ({r:.1})")).collect::<Vec<_>>().join(", ")
    );
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
