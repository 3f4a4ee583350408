//! A step takes what the one before it gives.

use queue_core::prelude::*;

#[task]
async fn length(text: String) -> u64 {
    text.len() as u64
}

#[task]
async fn shout(text: String) -> String {
    text.to_uppercase()
}

fn main() {
    let _fits = shout.s("a").then(length.partial());
    let _does_not = length.s("a").then(shout.partial());
    let _nor_this = group([length.s("a")]).then(length.partial());
}
