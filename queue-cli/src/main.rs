//! The `queue` command: looks into a job queue and mends it.
//!
//! It reads the store itself, through the public traits of `queue-core`, and knows nothing of any one driver. Data goes to
//! stdout, everything else to stderr; [`exit::Exit`] says what the exit codes mean.

mod cli;
mod commands;
mod confirm;
mod cursor;
mod error;
mod exit;
mod filter;
mod open;
mod out;
mod outcome;
mod pick;
mod progress;
mod remote;
mod render;
mod seen;
mod summary;
mod walk;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verbose);
    let out = cli.out();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out.error(&error::CliError::Output(error));
            return exit::Exit::Store.into();
        }
    };
    match runtime.block_on(commands::run(cli, out)) {
        Ok(exit) => exit.into(),
        Err(error::CliError::PipeClosed) => exit::Exit::Ok.into(),
        Err(error) => {
            out.error(&error);
            error.exit().into()
        }
    }
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_ansi(false).init();
}
