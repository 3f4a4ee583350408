//! Calls that are not made yet, and workflows of them: what [`Call`] says is what its message will say.
//!
//! | Celery | here |
//! |---|---|
//! | `add.s(2, 2)` | `add.s(2, 2)` |
//! | `mul.s(10)`, which lacks its first argument | `mul.partial(10)` |
//! | `add.si(2, 2)` | `add.si(2, 2)`, or `add.s(2, 2).immutable()` |
//! | `add.s(2, 2).set(queue="q", countdown=5)` | `add.s(2, 2).queue("q").countdown(seconds(5))` |
//! | `chain(add.s(2, 2), mul.s(10))`, `add.s(2, 2) \| mul.s(10)` | `add.s(2, 2).then(mul.partial(10))`, `add.s(2, 2) \| mul.partial(10)` |
//! | `group(add.s(i, i) for i in range(10))` | `group((0..10).map(\|i\| add.s(i, i)))` |
//! | `chord(header, tsum.s())`, `group(…) \| tsum.s()` | `group(header).then(tsum.partial())` |
//! | `add.starmap([(1, 2), (3, 4)])`, `f.map([1, 2])` | `add.starmap([(1, 2), (3, 4)])`, `f.map([1, 2])` |
//! | `add.chunks(pairs, 100)` | `add.chunks(pairs, 100)` |
//! | `add.apply_async((2, 2), link=mul.s(10), link_error=on_error.s())` | `add.s(2, 2).link(mul.partial(10)).link_error(on_error.partial())` |
//! | `sig.freeze()`, `sig.id` | `flow.freeze()`, `flow.untyped().id()` |
//! | `sig.stamp(tenant="acme")` | `.stamp("tenant", "acme")` |
//! | `signature("tasks.mul", args=(10,))` | `Call::named("tasks.mul").args((10,))`; untyped: `.untyped()` |
//! | `self.replace(sig)` | `return Err(ctx.replace(sig))` |
//! | `self.add_to_chord(sig)` | `ctx.add_to_chord(sig)` |
//! | `self.retry(countdown=5)` | `return Err(TaskError::retry_in(seconds(5)))` |
//! | `result.get()` | `handle.get(timeout).await` |
//! | `group_result.save()`, `GroupResult.restore(id)` | `handle.save().await`, `client.group(id).await` |
//!
//! A chain whose types do not fit does not compile. Where the types are those of another language, a [`Signature`] is untyped.

mod call;
mod convert;
mod dispatch;
mod draft;
mod embed;
mod error;
mod fields;
mod flow;
mod follow;
mod freeze;
mod inherit;
mod node;
mod options;
mod part;
mod publish;
mod sending;
mod signature;
mod spec;

pub use self::call::{Call, Complete, Partial};
pub use self::dispatch::{Broken, Dispatch};
pub(crate) use self::draft::prepare;
pub use self::error::CanvasError;
pub use self::flow::{Flow, Group, Immutable, Member, Step, group};
pub use self::follow::{Follow, after_failure, after_success, is_alone, joined, replace, stamps};
pub use self::node::ResultNode;
pub use self::part::{DISPATCH, Part};
pub use self::publish::{Plan, Sent, Setting};
pub use self::sending::{Canvas, Sending, SendingMany};
pub use self::signature::Signature;
pub(crate) use self::spec::{Fault, OnceKey, Spec};
