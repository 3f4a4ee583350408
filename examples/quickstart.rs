//! The whole way once: orders are enqueued, a worker in this process runs them, one is retried, one fails for good.
//!
//! `cargo run --example quickstart` uses an SQLite file and writes e-mails as `.eml` files. `QUEUE_URL=redis://…` moves
//! it to Redis, `SMTP_URL=smtp://…` sends the e-mails; nothing else changes.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;

use queue_core::TaskId;
use queue_core::prelude::*;
use queue_core::store::JobState;
use queue_worker::{Mailer, Worker};
use shop_tasks::payments::{GOOD_CARD, REFUSED_CARD, SLOW_CARD};
use shop_tasks::{Payments, Shop, process_order};

const CUSTOMERS: [(&str, &str); 5] = [
    ("ann@example.com", GOOD_CARD),
    ("bob@example.com", GOOD_CARD),
    ("cyd@example.com", SLOW_CARD), // the payment service does not answer at first: retried
    ("dee@example.com", REFUSED_CARD), // fails for good
    ("eve@example.com", GOOD_CARD),
];
const PATIENCE: Duration = seconds(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::Builder::new().prefix("queue-quickstart-").tempdir()?.keep();
    let from_env = std::env::var_os("QUEUE_URL").is_some();
    let url = std::env::var("QUEUE_URL").unwrap_or_else(|_| format!("sqlite:{}/queue.db", dir.display()));
    let client = Client::connect(&url).await?;
    client.install()?;

    // What the shop's web page does: place the order, enqueue its processing, answer at once.
    let (shop, payments) = (Shop::with_tea(), Payments::default());
    let mut jobs = Vec::new();
    for (email, card) in CUSTOMERS {
        let order = shop.place_order(email, card, &[(1, 2), (3, 1)])?;
        jobs.push((order.id, process_order.delay(order.id).await?));
    }
    println!("{} orders are enqueued in {}", jobs.len(), client.store().display_url());

    // What would be a program of its own: `Worker::new().state(…).main()`.
    let mail = dir.join("mail");
    let smtp = std::env::var_os("SMTP_URL").is_some();
    let mailer = if smtp { Mailer::from_env()? } else { Mailer::directory(&mail) };
    println!("e-mails go {}\n", if smtp { "by SMTP".to_owned() } else { format!("into {}", mail.display()) });
    let worker = Worker::new().state(shop).state(payments.clone()).state(mailer).start(client.clone()).await?;

    let (mut confirmed, mut dead) = (0, Vec::new());
    for (order, job) in &jobs {
        match job.get(PATIENCE).await {
            Ok(confirmation) => {
                let address: String = client.job(TaskId::new(confirmation)?).get(PATIENCE).await?;
                let attempts = payments.attempts(*order);
                let retried = if attempts > 1 { " (retried: the payment service did not answer)" } else { "" };
                println!("order #{order}: paid at attempt {attempts}{retried}, confirmed to {address}");
                confirmed += 1;
            }
            Err(JobError::Failed(why)) => {
                println!("order #{order}: {}; set aside with the dead letters", why.message);
                let found = client.store().find(job.id()).await?;
                dead.extend(found.iter().any(|job| job.state == JobState::Dead).then(|| job.id()));
            }
            Err(other) => return Err(other.into()),
        }
    }
    worker.shutdown();
    worker.wait().await?;

    println!("\nLook at it:");
    let queue =
        format!("cargo run -q -p queue-cli --{}", if from_env { String::new() } else { format!(" --url {url}") });
    println!("  {queue} status\n  {queue} jobs --state dead");
    for id in &dead {
        println!("  {queue} job {id}\n  {queue} retry {id} --dry-run");
    }

    let mails = if smtp { confirmed } else { std::fs::read_dir(mail)?.count() };
    let told =
        format!("{} orders, {confirmed} completed, {} in the dead letters, {mails} e-mails", jobs.len(), dead.len());
    if (confirmed, dead.len(), mails) != (4, 1, 4) {
        return Err(format!("quickstart went wrong: {told}").into());
    }
    println!("\nquickstart: {told}");
    Ok(())
}
