//! Functions that cannot be tasks.

use queue_core::task;

#[task]
async fn borrows(name: &str, ids: &[u64], when: Option<&str>) {}

#[task]
async fn generic<T>(value: T) {}

#[task]
async fn any_text(text: impl Into<String>) {}

#[task]
async fn in_parts((x, y): (u8, u8)) {}

#[task]
unsafe fn dangerous() {}

#[task]
async fn opaque() -> impl Sized {}

#[task]
async fn both(#[extract] #[arg] x: u8) {}

#[task]
async fn extracted_by_default(#[default = 1] ctx: queue_core::Context) {}

#[task]
#[rustfmt::skip]
async fn too_many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8, n: u8, o: u8, p: u8, q: u8) {}

#[task]
struct NotAFunction;

struct Shop;

impl Shop {
    #[task]
    async fn method(&self) {}
}

fn main() {}
