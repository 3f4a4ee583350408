//! Calls that are not made yet: what [`Call`] says is what its message will say.

mod call;
mod draft;
mod sending;

pub use self::call::Call;
pub(crate) use self::call::Spec;
pub(crate) use self::draft::prepare;
pub use self::sending::{Sending, SendingMany};
