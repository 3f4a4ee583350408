//! The `#[task]` attribute; `queue-core` re-exports it and documents it.

mod arguments;
mod expand;
mod options;
mod params;
mod types;

use proc_macro::TokenStream;

/// The function's name becomes a constant of size zero with the methods `s` (a call that is not made yet), `delay` (enqueues)
/// and `run` (the plain function, for unit tests). It has the function's visibility, and is imported and re-exported alike. A program's worker knows every task that is linked into it. A crate of
/// tasks that is never named is not linked: write `use my_tasks as _;`.
///
/// An `async fn` runs on the runtime; a plain `fn` runs on a thread of its own and may block.
///
/// # Options
///
/// | option | default | |
/// |---|---|---|
/// | `name = "shop.confirm"` | crate, modules and function, with dots | the name on the wire |
/// | `queue = "mail"` | the client's default, `celery` | where calls go |
/// | `priority = 3` | 0 | 0 goes first, 9 last |
/// | `max_retries = 5` | none | retries after the first run; without it an error fails the job, unless the body asks for a retry (then 3) |
/// | `backoff = "2s..10m"` | `"1s..10m"` | the first and the longest wait before a retry, doubling in between; `"5s"`: always the same. Each wait is spread evenly over zero to its length; `"2s..10m, no jitter"` waits it in full |
/// | `time_limit = "30s"` | none | the run is ended; the job fails |
/// | `soft_time_limit = "20s"` | none | the context is cancelled: see `Context::cancelled` |
/// | `expires = "1h"` | never | a call that has not started by then is not started |
/// | `ignore_result` | | store no result |
/// | `acks = "early"` | `"late"` | early: a crash loses the job; late: a crash runs it again |
/// | `track_started` | | store STARTED when a run starts |
///
/// Flags may be written `ignore_result = true`, too. Every option but `name` and `track_started` can be overridden per
/// call: see `Call`.
///
/// # Parameters
///
/// Arguments of the message are anything that serde reads and writes and that owns its data, 16 at most. A `String`
/// parameter takes `impl Into<String>` in `s` and `delay`; all others exactly their type. A caller, in Python too, gives them by
/// position or by keyword; an `Option` that is missing is `None`, and one with `#[default = expression]` before it is
/// that. Arguments that do not fit fail the job with a reason that names the argument, what was expected and what came.
///
/// `State<T>` and `Context` come from the worker and are no arguments, nor is a parameter marked `#[extract]`, whose type
/// implements `FromContext`. `#[arg]` makes an argument of a type that merely is called `Context` or `State`.
///
/// # Results
///
/// Anything that serde writes; or a `Result` of that and an error: any `std::error::Error`, a `TaskError`, a boxed
/// error, `anyhow::Error` or a text. What counts as a `Result` is decided by how the type is written: its name is
/// `Result` or `TaskResult`, or ends in `Result` and has parameters (`io::Result<u64>`, `ShopResult<Order>`). An alias
/// of a `Result` with another name does not compile.
///
/// # What it cannot do
///
/// No methods, generics, `impl Trait`, borrowed parameters, or patterns: the error says what to write. The task's name is a constant, so a local variable
/// of the same name does not compile where the task is in scope (E0308, E0005): name the variable differently, or call the task by
/// its path, `tasks::receipt.delay(…)`. Inside a task's body its own name is the constant, too: `fib.delay(n - 1)`
/// enqueues, `fib.run(n - 1)` calls.
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::task(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
