//! How long a process waits until it may write to a file that others share: a small write of its own every few
//! milliseconds beside the work, timed from outside the store. An upper bound: the write itself is in it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use queue_core::Client;

use super::notes::append;
use super::tasks::noop;

/// Writes into another queue until the process ends; each wait in microseconds goes to `PID.turns`.
pub(crate) fn keep_asking(url: String, notes: PathBuf) {
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let client = match Client::connect(&url).await {
                Ok(client) => client,
                Err(error) => return eprintln!("{error}"),
            };
            let file = notes.join(format!("{}.turns", std::process::id()));
            loop {
                let begun = Instant::now();
                if let Err(error) = client.send(noop.s(0).queue("aside")).await {
                    return eprintln!("{error}");
                }
                append(&file, &format!("{}\n", begun.elapsed().as_micros()));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    });
}
