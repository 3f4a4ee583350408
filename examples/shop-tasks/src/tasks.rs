//! The shop's tasks. Each may run again after a crash, so each does its work in a way that a second run does not repeat.

use lettre::Message;
use lettre::message::Mailbox;
use queue_core::prelude::*;
use queue_worker::Mailer;

use crate::models::Order;
use crate::payments::{PaymentError, Payments};
use crate::shop::Shop;

/// The queue of [`process_order`].
pub const SHOP_QUEUE: &str = "shop";
/// The queue of [`send_order_confirmation`].
pub const MAIL_QUEUE: &str = "mail";

/// Takes the payment, completes the order and sends the confirmation on its way. Returns the confirmation's id.
///
/// A payment service that does not answer is asked again, five times at most; a refused card is final.
#[task(name = "shop.process_order", queue = "shop", max_retries = 5, backoff = "100ms..10s", time_limit = "30s")]
pub async fn process_order(order_id: u64, shop: State<Shop>, payments: State<Payments>) -> TaskResult<String> {
    let order = shop.begin(order_id).map_err(TaskError::fatal)?;
    payments.charge(&order).map_err(|error| match error {
        PaymentError::Unavailable => TaskError::from(error),
        PaymentError::Refused { .. } => TaskError::fatal(error),
    })?;
    shop.complete(order_id).map_err(TaskError::fatal)?;
    // Last, so that the confirmation waits for all this. A second run of this body sends it under the same id.
    let confirmation = send_order_confirmation.delay(order_id).await?;
    Ok(confirmation.id().to_string())
}

/// Thanks the customer of an order by e-mail. Returns the address.
#[task(name = "shop.send_order_confirmation", queue = "mail", max_retries = 5, backoff = "2s..10m", time_limit = "30s")]
pub async fn send_order_confirmation(order_id: u64, shop: State<Shop>, mailer: State<Mailer>) -> TaskResult<String> {
    let order = shop.order(order_id).map_err(TaskError::fatal)?;
    let mail = confirmation(&order).map_err(TaskError::fatal)?;
    mailer.send(mail).await.map_err(|error| match error.is_transient() {
        true => TaskError::from(error),
        false => TaskError::fatal(error),
    })?;
    Ok(order.email)
}

/// The confirmation's text.
fn confirmation(order: &Order) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
    let from: Mailbox = "The shop <orders@example.com>".parse()?;
    let lines: String = order.lines.iter().map(|line| format!("  {} x {}\n", line.quantity, line.name)).collect();
    let text = format!("Thank you for your order #{}!\n\n{lines}\nTotal: {}\n", order.id, order.total());
    let mail = Message::builder().from(from).to(order.email.parse()?);
    Ok(mail.subject(format!("Order Confirmation #{}", order.id)).body(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::OrderStatus;
    use crate::payments::{GOOD_CARD, REFUSED_CARD};

    #[test]
    fn a_confirmation_thanks_the_customer() {
        let order = Shop::with_tea().place_order("ann@example.com", GOOD_CARD, &[(1, 2)]).unwrap();
        let mail = String::from_utf8(confirmation(&order).unwrap().formatted()).unwrap();
        for text in ["To: ann@example.com", "Subject: Order Confirmation #1", "orders@example.com", "Total: 25.80"] {
            assert!(mail.contains(text), "{text:?} is not in:\n{mail}");
        }
    }

    /// A task is also the plain function it was written as.
    #[tokio::test]
    async fn a_refused_card_is_final() {
        let shop = Shop::with_tea();
        let order = shop.place_order("dee@example.com", REFUSED_CARD, &[(1, 1)]).unwrap();
        let error = process_order.run(order.id, State::new(shop.clone()), State::new(Payments::default())).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind, queue_core::task::ErrorKind::Fatal);
        assert_eq!(error.to_string(), "the card ending in 0002 was refused");
        assert_eq!(shop.order(order.id).unwrap().status, OrderStatus::Processing);
    }
}
