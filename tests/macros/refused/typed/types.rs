//! Types that a message cannot carry, and results in disguise.

use queue_core::task;

struct Silent;

#[task]
async fn takes_what_serde_cannot_read(_what: Silent) {}

#[task]
async fn returns_what_serde_cannot_write() -> Silent {
    Silent
}

type Outcome = Result<u8, String>;

#[task]
async fn returns_a_result_under_another_name() -> Outcome {
    Ok(1)
}

#[derive(serde::Serialize)]
struct SearchResult<T>(T);

#[task]
async fn returns_what_is_only_called_a_result() -> SearchResult<u8> {
    SearchResult(1)
}

#[task]
async fn fails_with_no_error() -> Result<u8, u8> {
    Ok(1)
}

#[task]
async fn extracts_what_is_no_extractor(#[extract] _what: Silent) {}

mod own {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub struct Context;
}

#[task]
async fn takes_a_context_of_its_own(_context: own::Context) {}

#[task]
async fn holds_what_cannot_be_sent() {
    let here = std::rc::Rc::new(1);
    std::future::ready(()).await;
    drop(here);
}

fn main() {}
