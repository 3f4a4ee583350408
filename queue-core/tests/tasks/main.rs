//! `#[task]`, calls, contexts and clients, without a worker: what a function becomes, what is sent, what a body is given.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]
#![allow(clippy::async_yields_async, reason = "where a call is made and where it is awaited are two places")]

mod binding;
mod calls;
mod contexts;
mod declared;
mod default_client;
mod errors;
mod handles;
mod recorder;
mod told;
