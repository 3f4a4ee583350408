//! Options that are none, or have no such value.

use queue_core::task;

#[task(retries = 3)]
async fn unknown() {}

#[task(backoff = "often")]
async fn backoff_of_words() {}

#[task(backoff = "10m..2s")]
async fn backoff_backwards() {}

#[task(backoff = "2s..10m, shaken")]
async fn backoff_shaken() {}

#[task(time_limit = 30)]
async fn limit_without_unit() {}

#[task(soft_time_limit = "30")]
async fn limit_without_unit_in_text() {}

#[task(priority = 10)]
async fn too_unimportant() {}

#[task(queue = "")]
async fn nowhere() {}

#[task(acks = "never")]
async fn never_acknowledged() {}

#[task(max_retries = -1)]
async fn fewer_than_none() {}

#[task(name = "a", name = "b")]
async fn twice() {}

fn main() {}
