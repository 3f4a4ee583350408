//! The Django shop's tasks, run by Rust: `CELERY_TASK_ROUTES` sends them here, their callers do not notice.
//!
//! They read and write the orders where Django does, in its SQLite file (`$SHOP_DATABASE`), and write e-mails as `.eml` files
//! into `$MAIL_DIR`. Queues and results are in `$QUEUE_URL`, which is Django's `REDIS_URL`.

use std::path::PathBuf;
use std::process::ExitCode;

use lettre::Message;
use queue_core::prelude::*;
use queue_core::task::ErrorKind;
use queue_worker::{Mailer, Worker};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

const REFUSED_CARD: &str = "4000 0000 0000 0002";
const SLOW_CARD: &str = "4000 0000 0000 0119";

/// Django's database.
struct Shop {
    database: PathBuf,
}

struct Order {
    id: i64,
    email: String,
    card: String,
    status: String,
}

impl Shop {
    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.database)?;
        connection.busy_timeout(seconds(20))?;
        Ok(connection)
    }

    fn order(&self, id: i64) -> TaskResult<Order> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Order { id: row.get(0)?, email: row.get(1)?, card: row.get(2)?, status: row.get(3)? })
        };
        let sql = "SELECT id, email, card, status FROM orders_order WHERE id = ?1";
        let found = self.connect()?.query_row(sql, [id], read).optional()?;
        // Django's own error, so that its callers can catch it.
        found.ok_or_else(|| python_error("orders.models", "DoesNotExist", format!("there is no order #{id}")))
    }

    fn begin(&self, id: i64) -> rusqlite::Result<usize> {
        self.connect()?.execute("UPDATE orders_order SET status = 'processing' WHERE id = ?1", [id])
    }

    /// Takes an order out of the stock and completes it, both or neither, and once.
    fn complete(&self, id: i64) -> rusqlite::Result<()> {
        let mut connection = self.connect()?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let open = "UPDATE orders_order SET status = 'completed' WHERE id = ?1 AND status != 'completed'";
        if change.execute(open, [id])? == 1 {
            let take = "UPDATE orders_product SET stock = stock - line.quantity
                FROM orders_orderline AS line WHERE line.order_id = ?1 AND line.product_id = orders_product.id";
            change.execute(take, params![id])?;
        }
        change.commit()
    }
}

/// An error for good, which Python raises as a class of its own.
fn python_error(module: &str, class: &str, message: String) -> TaskError {
    TaskError { kind: ErrorKind::Fatal, ..TaskError::raised(module, class, message) }
}

/// The payment service to practise with, as in `orders/payments.py`.
fn charge(order: &Order, attempt: u32) -> TaskResult {
    match order.card.as_str() {
        REFUSED_CARD => {
            let message = format!("the card ending in {} was refused", &REFUSED_CARD[15..]);
            Err(python_error("orders.payments", "CardRefused", message))
        }
        SLOW_CARD if attempt < 3 => Err(TaskError::msg("the payment service does not answer")),
        _ => Ok(()),
    }
}

/// Takes the payment and completes the order. A plain function, since SQLite blocks.
#[task(name = "orders.tasks.process_order", max_retries = 5, backoff = "100ms..10s", time_limit = "30s")]
fn process_order(order_id: i64, shop: State<Shop>, ctx: Context) -> TaskResult<String> {
    let order = shop.order(order_id)?;
    if order.status != "completed" {
        shop.begin(order_id)?;
        charge(&order, ctx.attempt())?;
        shop.complete(order_id)?;
    }
    Ok("completed".to_owned())
}

/// Thanks the customer of an order. Returns the address.
#[task(name = "orders.tasks.send_order_confirmation", max_retries = 5, backoff = "2s..10m", time_limit = "30s")]
async fn send_order_confirmation(order_id: i64, shop: State<Shop>, mailer: State<Mailer>) -> TaskResult<String> {
    let order = shop.order(order_id)?;
    let mail = confirmation(&order).map_err(TaskError::fatal)?;
    mailer.send(mail).await?;
    Ok(order.email)
}

fn confirmation(order: &Order) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
    let mail = Message::builder().from("orders@example.com".parse()?).to(order.email.parse()?);
    let text = format!("Thank you for your order #{}!", order.id);
    Ok(mail.subject(format!("Order Confirmation #{}", order.id)).body(text)?)
}

fn main() -> ExitCode {
    let database = std::env::var_os("SHOP_DATABASE").unwrap_or_else(|| "db.sqlite3".into()).into();
    Worker::new().queue("rust").state(Shop { database }).main()
}
