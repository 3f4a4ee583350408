//! The tasks that every worker has, so that the stock one is useful before any Rust is written.

mod celery;
mod send_email;
mod transport;

pub use self::send_email::{Addresses, send_email};
pub use self::transport::{Mailer, MailerError};
