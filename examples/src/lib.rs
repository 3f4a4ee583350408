//! What the example programs share. The programs are beside this crate's `Cargo.toml`: `quickstart.rs`, `smtp.rs`,
//! `embedded.rs`; their tasks are a crate of their own, `shop-tasks`. `django/` and `rust_calls_python/` are halves of
//! programs whose other half is Python; each has a script `run`.

pub mod http;
pub mod smtp_server;

/// The programs in the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
