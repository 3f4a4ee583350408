//! What `#[task]` refuses, and in which words. What it takes is in `queue-core/tests/tasks`.
//!
//! `refused/ours` is refused by the macro in its own words. `refused/typed` is refused by the compiler, whose words change
//! with its version: those are compared with the version that wrote them, and otherwise left out, which the test says.
//! After a change, `TRYBUILD=overwrite` writes the `.stderr` files anew: read the difference.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::process::Command;

/// The compiler that worded `refused/typed/*.stderr`.
const WORDED_BY: &str = "rustc 1.95.";

#[test]
fn refusals_say_what_to_write() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("macros/refused/ours/*.rs");
    let compiler = compiler();
    if compiler.starts_with(WORDED_BY) {
        cases.compile_fail("macros/refused/typed/*.rs");
    } else {
        eprintln!("left out: macros/refused/typed, whose words are those of {WORDED_BY}*, not of {compiler}");
    }
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    String::from_utf8(version.stdout).unwrap()
}
