//! The stock worker.
fn main() {}
