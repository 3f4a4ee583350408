//! The peers from crates.io: `queue-bench-peers enqueue` or `queue-bench-peers worker`; which one is in `$BENCH_ADAPTER`.
//! What both are told is in `bench/src/subject/contract.rs`.

mod contract;
mod with_apalis;
mod with_celery;
mod with_sidekiq;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let command = std::env::args().nth(1).ok_or("enqueue or worker?")?;
    let adapter = std::env::var("BENCH_ADAPTER")?;
    // Ends by SIGTERM, as a program without a handler does.
    match (adapter.as_str(), command.as_str()) {
        ("apalis", "enqueue") => with_apalis::enqueue().await,
        ("apalis", "worker") => with_apalis::worker().await,
        ("celery", "enqueue") => with_celery::enqueue().await,
        ("celery", "worker") => with_celery::worker().await,
        ("sidekiq", "enqueue") => with_sidekiq::enqueue().await,
        ("sidekiq", "worker") => with_sidekiq::worker().await,
        _ => Err("no such adapter or command".into()),
    }
}
