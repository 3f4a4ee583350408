//! Confirmations through a mail server, which this program starts itself and whose mails it prints.
//!
//! With `SMTP_URL=smtp://host:port` or `smtps://user:password@host` the same worker delivers to a real one.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;

use queue_core::prelude::*;
use queue_examples::smtp_server;
use queue_worker::{Mailer, Worker};
use shop_tasks::payments::GOOD_CARD;
use shop_tasks::{Payments, Shop, process_order};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (address, mut mails) = smtp_server::start().await?;
    let client = Client::connect("sqlite::memory:").await?;
    client.install()?;

    let shop = Shop::with_tea();
    let mailer = Mailer::smtp(&format!("smtp://{address}"))?;
    let worker = Worker::new().state(shop.clone()).state(Payments::default()).state(mailer);
    let worker = worker.start(client).await?;

    let order = shop.place_order("ann@example.com", GOOD_CARD, &[(1, 2), (3, 1)])?;
    process_order.delay(order.id).await?;

    let mail = tokio::time::timeout(seconds(60), mails.recv()).await?.ok_or("the mail server has ended")?;
    println!("from {} to {}\n\n{}", mail.from, mail.to.join(", "), mail.text);
    worker.shutdown();
    worker.wait().await?;

    let subject = mail.text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
    if mail.to != ["ann@example.com"] || subject != "Order Confirmation #1" {
        return Err(format!("smtp: an unexpected mail to {:?} about {subject:?}", mail.to).into());
    }
    println!("smtp: 1 mail to {} about \"{subject}\"", mail.to.join(", "));
    Ok(())
}
