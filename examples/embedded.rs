//! The worker inside a web service: one process takes orders and processes them.
//!
//! `POST /orders` enqueues and answers at once with the order's id, `GET /orders/{id}` says how far it is. The program
//! is its own first customer: it orders, waits until the order is completed, and shuts down in order.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::future::IntoFuture;

use axum::extract::{Path, State as App};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use queue_core::TaskId;
use queue_core::prelude::*;
use queue_examples::http;
use queue_worker::{Mailer, Worker};
use serde_json::Value;
use shop_tasks::payments::GOOD_CARD;
use shop_tasks::{Order, Payments, Shop, process_order};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[derive(serde::Deserialize)]
struct NewOrder {
    email: String,
    /// Each a product and how many of it.
    lines: Vec<(u32, u32)>,
}

type Refusal = (StatusCode, String);

async fn place_order(App(shop): App<Shop>, Json(new): Json<NewOrder>) -> Result<(StatusCode, Json<Value>), Refusal> {
    let placed = shop.place_order(&new.email, GOOD_CARD, &new.lines);
    let placed = placed.map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let job = process_order.delay(placed.id).await;
    let job = job.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "order": placed.id, "job": job.id().as_str() }))))
}

async fn show_order(App(shop): App<Shop>, Path(id): Path<u64>) -> Result<Json<Order>, Refusal> {
    shop.order(id).map(Json).map_err(|error| (StatusCode::NOT_FOUND, error.to_string()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let url = std::env::var("QUEUE_URL").unwrap_or_else(|_| format!("sqlite:{}/queue.db", dir.path().display()));
    let client = Client::connect(&url).await?;
    client.install()?;

    let shop = Shop::with_tea();
    let mailer = Mailer::directory(dir.path().join("mail"));
    let worker = Worker::new().state(shop.clone()).state(Payments::default()).state(mailer);
    let worker = worker.start(client.clone()).await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/orders", post(place_order)).route("/orders/{id}", get(show_order)).with_state(shop);
    let (stop, stopped) = oneshot::channel::<()>();
    let served = axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) });
    let server = tokio::spawn(served.into_future());
    println!("the service listens on http://{address}");

    let order = json!({ "email": "ann@example.com", "lines": [[1, 2], [3, 1]] });
    let (status, placed) = http::post(address, "/orders", &order).await?;
    println!("POST /orders     {status} {placed}");
    let job = TaskId::new(placed["job"].as_str().unwrap_or_default())?;
    client.job::<String>(job).get(seconds(60)).await?;
    let path = format!("/orders/{}", placed["order"]);
    let (status, shown) = http::get(address, &path).await?;
    println!("GET  {path}   {status} {shown}");

    // First no more requests, then no more jobs: what was enqueued stays in the store for the next start.
    drop(stop);
    server.await??;
    worker.shutdown();
    worker.wait().await?;
    if shown["status"] != "completed" {
        return Err(format!("embedded: the order is {}", shown["status"]).into());
    }
    println!("embedded: order {} completed, the service and its worker have stopped", placed["order"]);
    Ok(())
}
