//! The `queue` command.
fn main() {}
