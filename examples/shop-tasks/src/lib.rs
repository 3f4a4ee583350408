//! The shop of the examples: its data, and the tasks that work on it.
//!
//! A crate of tasks is an ordinary library. The program that enqueues and the worker that runs both depend on it:
//! a worker that names it nowhere else writes `use shop_tasks as _;`, for without that the linker drops the crate
//! and its tasks with it.

pub mod models;
pub mod payments;
pub mod shop;
pub mod tasks;

pub use crate::models::{Order, OrderLine, OrderStatus, Price, Product};
pub use crate::payments::{PaymentError, Payments};
pub use crate::shop::{Shop, ShopError};
pub use crate::tasks::{process_order, send_order_confirmation};
