//! `#[task]`: what it makes of functions, and what becomes of a message's arguments.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use queue_core::prelude::*;
use serde::{Deserialize, Serialize};

/// Adds.
#[task(name = "app.add", max_retries = 3)]
pub async fn add(x: i64, y: i64) -> TaskResult<i64> {
    Ok(x + y)
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Order {
    id: u64,
}

#[task(queue = "mail", backoff = "2s..10m", acks = "early", ignore_result)]
fn ship(order_id: u64, note: Option<String>, #[default = "post"] by: String, #[default] copies: u8) -> Order {
    let _ = (note, by, copies);
    Order { id: order_id }
}

struct Mailer;

#[task]
async fn nothing(_mailer: State<Mailer>, ctx: Context) {
    let _ = ctx.id();
}

#[task]
async fn countdown(n: u32) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    if n > 0 {
        countdown.delay(n - 1).await?;
    }
    Ok(n)
}

mod nested {
    pub mod deep {
        use queue_core::task;
        #[task]
        pub async fn add(names: Vec<String>, name: String) -> Result<String, std::io::Error> {
            Ok(names.join(&name))
        }
    }
    pub use deep::add;
}

#[tokio::test]
async fn plain_functions_run() {
    assert_eq!(add.run(2, 3).await.unwrap(), 5);
    assert_eq!(ship.run(7, None, "x".into(), 0), Order { id: 7 });
    assert_eq!(nested::add.run(vec![], "".into()).await.unwrap(), "");
    assert_eq!(nested::add.name(), "tasks.nested.deep.add");
    assert_eq!(std::mem::size_of_val(&add), 0);
    fn spawnable<T: Send + 'static>(_: &T) {}
    let name = String::from("borrowed");
    let future = nested::add.delay(vec![], name.as_str());
    drop(name);
    spawnable(&future);
}
