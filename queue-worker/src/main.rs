//! The stock worker: runs the built-in tasks, so that it is useful before any Rust is written.

use std::process::ExitCode;

fn main() -> ExitCode {
    queue_worker::Worker::new().main()
}
