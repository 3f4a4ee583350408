//! Cuts what a fuzzer gives into several inputs.

use queue_core::message::{DecodeLimits, Json};

/// Between two inputs: a byte that no text has.
pub const BETWEEN: u8 = 0xff;

/// The inputs of `data`, in order.
pub fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == BETWEEN)
}

/// The next input, where it is a text.
pub fn text<'a>(parts: &mut impl Iterator<Item = &'a [u8]>) -> Option<&'a str> {
    std::str::from_utf8(parts.next()?).ok()
}

/// The next input, where it is JSON.
pub fn json<'a>(parts: &mut impl Iterator<Item = &'a [u8]>) -> Option<Json> {
    Json::new(text(parts)?).ok()
}

/// Smaller than the usual ones, so that a fuzzer gets beyond them.
pub fn limits() -> DecodeLimits {
    DecodeLimits { max_body: 1 << 20, max_depth: 128 }
}
